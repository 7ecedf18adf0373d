-- Make the state known: on a fresh installation, after a loss, or for another quota. Of many callers one wins.
--   ARGV  1 quota, 5 epoch to begin, 6 'fresh', 'recover' or 'adopt', 7 how long to wait out, 8 the longest period,
--         9 cap (µs); from 10 on: age (µs), permit of each call that the ledger knows
-- Returns {'established' | 'kept' | 'dirty', now} or {'quota', now, the quota in force}
local CLOCK_SLACK = 1000000 -- as in state.lua
local now, purpose, longest = clock(), ARGV[6], tonumber(ARGV[8])

local meta = redis.call('HMGET', META, 'quota', 'seen', 'size', 'distrust', 'longest', 'hold', 'held_by')
local behind = meta[1] and now < tonumber(meta[2]) - CLOCK_SLACK
local sound = meta[1] and not meta[4] and not behind and redis.call('ZCARD', LOG) == tonumber(meta[3])
if sound and meta[1] == ARGV[1] then return {'kept', now} end
if sound and purpose ~= 'adopt' then return {'quota', now, meta[1]} end
if purpose == 'fresh' and (meta[1] or redis.call('EXISTS', LOG) == 1) then return {'dirty', now} end

-- Times that are still to come on a clock that went back would never leave; callers that wait ask again.
if behind then redis.call('DEL', LOG, QUEUE, DUE, DEFERRED) end

-- A sound log knows all of its longest period exactly: the ledger adds only what is older than that.
local known = sound and tonumber(meta[5]) or -1
for call = 10, #ARGV, 2 do
  local age = tonumber(ARGV[call])
  if age > known then redis.call('ZADD', LOG, 'GT', now - age + tonumber(ARGV[9]), ARGV[call + 1]) end
end
redis.call('ZREMRANGEBYSCORE', LOG, '-inf', now - longest)

local hold, held_by = tonumber(meta[6] or 0), meta[7] or ''
if not sound and purpose ~= 'fresh' and now + tonumber(ARGV[7]) > hold then
  hold, held_by = now + tonumber(ARGV[7]), 'the calls were rebuilt from the ledger'
end
redis.call('HSET', META, 'quota', ARGV[1], 'epoch', ARGV[5], 'seen', now, 'size', redis.call('ZCARD', LOG),
  'longest', longest, 'hold', hold, 'held_by', held_by)
redis.call('HDEL', META, 'distrust')
return {'established', now}
