-- What is used, for people, metrics and plans. Changes nothing.
--   ARGV  5 nth: the call from now whose earliest times are asked for: behind those that wait, and by each window
-- Returns {'usage', now, epoch, nth_at, out, waiting, deferred, hold, held_by, used 1, next 1, used 2, next 2, …}
local nth, waiting = tonumber(ARGV[5]), redis.call('ZCARD', QUEUE)
local function later_than(moment)
  return redis.call('ZCOUNT', LOG, '(' .. digits(moment), '+inf')
end

local answer = {
  'usage', now, epoch, math.max(hold, (earliest(waiting + nth))), later_than(now), waiting,
  redis.call('ZCOUNT', DEFERRED, digits(now), '+inf'), hold > now and hold or 0, redis.call('HGET', META, 'held_by'),
}
for first = FIRST_WINDOW, #ARGV, 2 do
  local limit, period = tonumber(ARGV[first]), tonumber(ARGV[first + 1])
  table.insert(answer, later_than(now - period))
  table.insert(answer, fits_at(limit, period, nth, math.ceil(nth / limit)))
end
return answer
