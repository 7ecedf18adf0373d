-- The reply (or the failure) of a request was seen: its call arrived before now.
--   ARGV  5 id, 6 'up', 'down' or '': see outage.lua
-- Never refuses: a score only moves to the time at which the call is known to be over. A permit that the log does
-- not know is added, because its call was made: the log was lost while it was out.
local id, now = ARGV[5], clock()
judge(ARGV[6], now)
local score = redis.call('ZSCORE', LOG, id)
if not score then
  redis.call('ZADD', LOG, digits(now), id)
  if redis.call('EXISTS', META) == 1 then redis.call('HINCRBY', META, 'size', 1) end
  return {'added', now}
end
if tonumber(score) > now then redis.call('ZADD', LOG, digits(now), id) end
return {'settled', now}
