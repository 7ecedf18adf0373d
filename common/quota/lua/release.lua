-- The request was never sent, or the caller waits no longer: the permit or the place goes back.
--   ARGV  5 id, 6 'down' or '': see outage.lua
-- A settled permit stays: its call was made.
local id, now = ARGV[5], clock()
judge(ARGV[6], now)
redis.call('ZREM', QUEUE, id)
redis.call('ZREM', DUE, id)
redis.call('ZREM', DEFERRED, id)
local score = redis.call('ZSCORE', LOG, id)
if not score or tonumber(score) <= now then return {'nothing', now} end
redis.call('ZREM', LOG, id)
if redis.call('EXISTS', META) == 1 then redis.call('HINCRBY', META, 'size', -1) end
return {'released', now}
