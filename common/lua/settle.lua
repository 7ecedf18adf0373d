-- The reply (or the failure) of a request was seen: its call arrived before now.
--   ARGV  5 id
-- Never refuses: a score only moves to the time at which the call is known to be over. A permit that the log does
-- not know is added, because its call was made: the log was lost while it was out.
local META, LOG = KEYS[1], KEYS[2]
local id, now = ARGV[5], clock()
local score, cost = find(id)
if not score then
  redis.call('ZADD', LOG, now, id)
  if redis.call('EXISTS', META) == 1 then redis.call('HINCRBY', META, 'size', 1) end
  return {'added', now}
end
if score > now then put(LOG, id, cost, now) end
return {'settled', now}
