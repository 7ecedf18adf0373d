-- clock(): Redis's own time in microseconds since the epoch.
-- One clock for all workers; theirs never enter a decision. Doubles are exact for these until the year 2255.
local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end
