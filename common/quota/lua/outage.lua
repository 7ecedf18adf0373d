-- What the calls themselves say of the provider: calls that fail one after the other, over all workers, are an outage.
-- While it lasts one call goes out after each pause, and the pauses grow; the first reply ends it.
--   meta  failures: in a row, failed_at: the last of them, failing_since: the first, probes: calls since it was noticed
local FAILURES_OF_AN_OUTAGE, FIRST_PAUSE, LONGEST_PAUSE = 5, 2000000, 60000000
local FORGOTTEN_AFTER = 600000000 -- failures that are so far apart say nothing together
local OUTAGE = 'the provider fails every call'

local function pause_all(now, pause)
  local hold = redis.call('HGET', META, 'hold')
  if now + pause > tonumber(hold or 0) then redis.call('HSET', META, 'hold', digits(now + pause), 'held_by', OUTAGE) end
end

-- Take in how a call ended: 'up' if the provider answered, 'down' if it failed, '' if that is not known.
local function judge(verdict, now)
  if verdict == '' then return end
  local known = redis.call('HMGET', META, 'failures', 'failed_at', 'held_by', 'quota')
  if not known[4] then return end -- the state was lost
  if verdict == 'up' then
    if not known[1] then return end
    if known[3] == OUTAGE then redis.call('HSET', META, 'hold', 0) end
    redis.call('HDEL', META, 'failures', 'failed_at', 'failing_since', 'probes')
    return
  end
  local count = tonumber(known[1] or 0)
  if count > 0 and now - tonumber(known[2]) > FORGOTTEN_AFTER then count = 0 end
  if count == 0 then redis.call('HSET', META, 'failing_since', digits(now), 'probes', 0) end
  redis.call('HSET', META, 'failures', count + 1, 'failed_at', digits(now))
  if count + 1 == FAILURES_OF_AN_OUTAGE then pause_all(now, FIRST_PAUSE) end
end

-- Say that a call is granted: during an outage the next one waits for longer than this one did.
local function probe(now)
  local known = redis.call('HMGET', META, 'failures', 'failed_at', 'probes')
  if tonumber(known[1] or 0) < FAILURES_OF_AN_OUTAGE or now - tonumber(known[2]) > FORGOTTEN_AFTER then return end
  local probes = tonumber(known[3]) + 1
  redis.call('HSET', META, 'probes', probes)
  pause_all(now, math.min(FIRST_PAUSE * 2 ^ probes, LONGEST_PAUSE))
end

-- Return since when an outage lasts that is too long to be waited for, or nil.
local function too_long(now, patience)
  local known = redis.call('HMGET', META, 'failing_since', 'held_by')
  if known[2] == OUTAGE and known[1] and now - tonumber(known[1]) > patience then return tonumber(known[1]) end
  return nil
end
