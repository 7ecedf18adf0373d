-- When calls fit the windows. A log entry counts in a window until its score is a period old.
--   ARGV  from 10 on: limit, period (µs) of each window, shortest period first
local FIRST_WINDOW = 10

-- Return how many entries have left the window, and how many are in it.
local function counts(period)
  local gone = redis.call('ZCOUNT', LOG, '-inf', now - period)
  return gone, size - gone
end

-- Return the earliest moment at which the units-th unit from now can fit the window: those before it are taken to
-- go as soon as they can. A request that is still out (its score lies ahead) can be settled now at the earliest, so
-- it leaves a period from now at the earliest. A lower bound, then: who comes at that moment loses no quota.
local function fits_at(limit, period, units)
  local gone, used = counts(period)
  local leaving = used + units - limit
  if leaving <= 0 then return now end
  local rounds = math.max(0, math.ceil((leaving - used) / limit)) -- beyond what is in the log: whole periods
  local nth = leaving - rounds * limit
  if nth <= 0 then return now + rounds * period end
  local oldest = redis.call('ZRANGE', LOG, gone + nth - 1, gone + nth - 1, 'WITHSCORES')
  return math.min(tonumber(oldest[2]), now) + (rounds + 1) * period
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
