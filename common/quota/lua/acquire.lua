-- Grant, reserve or deny: one decision over all windows. A denial consumes nothing.
--   ARGV  5 id, 6 cap: the longest that a request can live, 7 grace, 8 horizon (µs)
--   log       permit -> when its call arrived at the latest: while it is out, claim + cap; then when it was settled
--   queue     waiter -> when it joined: first come, first served
--   due       waiter -> when its reservation is handed on
--   deferred  caller beyond the horizon -> when it was told to come back
-- Returns {'granted', now, epoch} | {'reserved', now, epoch, at, held_by}
-- | {'denied', now, epoch, at, window, opens, held_by} | {'down', now, epoch, since when the provider fails}
-- | {'spent', now, epoch} or a refusal of state.lua.
local MAX_DEFERRED = 10000 -- a bound on memory: beyond it, callers are spread less well
local MAX_SPREAD = 600000000 -- a crowd that never comes back delays others by no more than this
local EXPIRED_AT_ONCE = 100
local OUTAGE_PATIENCE = 300000000

local id = ARGV[5]
local cap, grace, horizon = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])

-- Asked again after a lost reply: the same grant. Its request leaves later than we thought, so its score moves.
local score = redis.call('ZSCORE', LOG, id)
if score then
  if tonumber(score) <= now then return {'spent', now, epoch} end
  redis.call('ZADD', LOG, digits(now + cap), id)
  redis.call('HSET', META, 'seen', digits(now))
  return {'granted', now, epoch}
end

-- Who is ahead of us, after reservations that nobody came for were handed on.
local ahead, place = redis.call('ZCARD', QUEUE), nil
if ahead > 0 then
  for _, absent in ipairs(redis.call('ZRANGEBYSCORE', DUE, '-inf', digits(now), 'LIMIT', 0, EXPIRED_AT_ONCE)) do
    if absent ~= id then
      redis.call('ZREM', DUE, absent)
      ahead = ahead - redis.call('ZREM', QUEUE, absent)
    end
  end
  place = redis.call('ZRANK', QUEUE, id)
  ahead = place or ahead
end

local function leave_the_queue()
  if place then
    redis.call('ZREM', QUEUE, id)
    redis.call('ZREM', DUE, id)
  end
end

local fits, window = earliest(ahead + 1)
local at = fits > hold and fits or hold
if at <= now then
  if size >= tonumber(ARGV[#ARGV - 1]) then -- the longest window has no use for what is older
    size = size - redis.call('ZREMRANGEBYSCORE', LOG, '-inf', digits(now - ARGV[#ARGV]))
  end
  redis.call('ZADD', LOG, digits(now + cap), id)
  redis.call('HSET', META, 'seen', digits(now), 'size', size + 1)
  leave_the_queue()
  if failing then probe(now) end
  return {'granted', now, epoch}
end

-- An outage that lasts is not waited for: its symbols fail, and their retries come later.
local since = failing and hold > now and too_long(now, OUTAGE_PATIENCE)
if since then
  leave_the_queue()
  return {'down', now, epoch, since}
end

-- A caller that has a place, or comes back when it was told to, is not sent away because the queue moved a little.
local told
if at - now > horizon then
  told = tonumber(redis.call('ZSCORE', DEFERRED, id) or nil)
  if place or (told and told <= now) then horizon = 2 * horizon end
end
if at - now <= horizon then
  if not place then redis.call('ZADD', QUEUE, digits(now), id) end
  redis.call('ZADD', DUE, digits(at + grace), id)
  return {'reserved', now, epoch, at, hold > fits and redis.call('HGET', META, 'held_by') or ''}
end

-- Too far ahead to keep a place: say when to come back, each caller at the time of a slot of its own.
leave_the_queue()
local held_by = ''
if hold > fits then window, held_by = 0, redis.call('HGET', META, 'held_by') end
if told and told > now then return {'denied', now, epoch, told, window, at, held_by} end
redis.call('ZREMRANGEBYSCORE', DEFERRED, '-inf', digits(now - grace))
local crowd, back = redis.call('ZCARD', DEFERRED), at
if crowd > 0 then back = at + (earliest(ahead + crowd + 1) - fits) % MAX_SPREAD end
if crowd < MAX_DEFERRED then redis.call('ZADD', DEFERRED, digits(back), id) end
return {'denied', now, epoch, back, window, at, held_by}
