-- The reply (or the failure) of a request was seen: its call arrived before now.
--   ARGV  5 id, 6 cost, 7 'up', 'down' or '': see outage.lua
-- Never refuses: a score only moves to the time at which the call is known to be over. A permit that the log does
-- not know is added, because its call was made: the log was lost while it was out.
local id, cost, now = ARGV[5], tonumber(ARGV[6]), clock()
judge(ARGV[7], now)
local score = redis.call('ZSCORE', LOG, member(id, cost, 1))
if not score then
  put(LOG, id, cost, now)
  if redis.call('EXISTS', META) == 1 then redis.call('HINCRBY', META, 'size', cost) end
  return {'added', now}
end
if tonumber(score) > now then put(LOG, id, cost, now) end
return {'settled', now}
