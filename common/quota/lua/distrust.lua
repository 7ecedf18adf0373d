-- A caller saw that the log's times cannot be relied on: refuse everybody until the log is rebuilt.
--   ARGV  2 epoch that it saw, 5 why
-- Only for that epoch: a log that was rebuilt since is sound.
local META, now = KEYS[1], clock()
if redis.call('HGET', META, 'epoch') ~= ARGV[2] then return {'rebuilt', now} end
redis.call('HSET', META, 'distrust', ARGV[5])
return {'distrusted', now}
