-- When calls fit the windows. A log entry counts in a window until its score is a period old.
--   ARGV  from 9 on: limit, period (µs) of each window, shortest period first
local FIRST_WINDOW = 9

-- Return the earliest time at which the nth call from now can fit the window: those before it are taken to
-- go as soon as they can. That is when the entry which stands 'limit' places before it has left; what is not in the
-- log yet follows it by whole periods. A request that is still out (its score lies ahead) can be settled now at the
-- earliest, so it leaves a period from now at the earliest. A lower bound, then: a caller that comes at it loses no quota.
--   rounds  how many periods the calls take: the time is never more than these from now
local function fits_at(limit, period, nth, rounds)
  local index = size + nth - rounds * limit - 1
  if index < 0 then return now + (rounds - 1) * period end
  local rank = digits(index)
  local left = redis.call('ZRANGE', LOG, rank, rank, 'WITHSCORES')[2] + period
  if left < now then left = now elseif left > now + period then left = now + period end
  return left + (rounds - 1) * period
end

-- Return that time over all windows, and which window (1 is the shortest) decides. Longest first: where that one is
-- full, the shorter ones are mostly sure to have room by then, and need not be looked up.
local function earliest(nth)
  local at, window = now, 0
  for first = #ARGV - 1, FIRST_WINDOW, -2 do
    local limit, period = tonumber(ARGV[first]), tonumber(ARGV[first + 1])
    local rounds = math.ceil(nth / limit)
    if now + rounds * period > at then
      local fits = fits_at(limit, period, nth, rounds)
      if fits > at then at, window = fits, (first - FIRST_WINDOW) / 2 + 1 end
    end
  end
  return at, window
end
