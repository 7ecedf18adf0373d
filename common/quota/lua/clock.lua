-- clock(): Redis's own time in microseconds since the epoch.
-- One clock for all workers; theirs never enter a decision. Doubles are exact for these until the year 2255.
local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- A time as a command's argument. Left to Redis, a number of this size goes through '%.17g', which takes as long as
-- the command itself.
local function digits(moment)
  return string.format('%d', moment)
end
