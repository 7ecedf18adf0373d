-- Grant nothing for a while: the provider knows of calls that we do not. A longer hold stays.
--   ARGV  5 how long (µs), 6 why
if now + tonumber(ARGV[5]) > hold then
  redis.call('HSET', META, 'hold', now + tonumber(ARGV[5]), 'held_by', ARGV[6])
end
return {'held', now, epoch}
