-- When calls fit the windows. A log entry counts in a window until its score is a period old.
--   ARGV  from 10 on: limit, period (µs) of each window, shortest period first
local FIRST_WINDOW = 10

-- Return the earliest moment at which the units-th unit from now can fit the window: those before it are taken to
-- go as soon as they can. That is when the entry which stands 'limit' places before it has left; what is not in the
-- log yet follows it by whole periods. A request that is still out (its score lies ahead) can be settled now at the
-- earliest, so it leaves a period from now at the earliest. A lower bound, then: who comes at it loses no quota.
local function fits_at(limit, period, units)
  local rounds = math.max(0, math.ceil(units / limit) - 1)
  local index = size + units - (rounds + 1) * limit - 1
  local at = now
  if index >= 0 then
    local score = tonumber(redis.call('ZRANGE', LOG, index, index, 'WITHSCORES')[2])
    at = math.max(now, math.min(score, now) + period)
  end
  return at + rounds * period
end

-- Return that moment over all windows, and which window (1 is the shortest) decides.
local function earliest(units)
  local at, window = now, 0
  for first = FIRST_WINDOW, #ARGV, 2 do
    local fits = fits_at(tonumber(ARGV[first]), tonumber(ARGV[first + 1]), units)
    if fits > at then at, window = fits, (first - FIRST_WINDOW) / 2 + 1 end
  end
  return at, window
end
