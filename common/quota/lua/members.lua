-- A permit is one member of a sorted set, its id. A permit of cost n > 1 is n members, 'id 1' to 'id n' (an id holds
-- no space), so that ranks and counts are those of calls.
local function member(id, cost, unit)
  return cost == 1 and id or id .. ' ' .. unit
end

local function put(key, id, cost, score)
  for unit = 1, cost do redis.call('ZADD', key, digits(score), member(id, cost, unit)) end
end

-- Remove every member; return how many there were.
local function take(key, id)
  if redis.call('ZREM', key, id) == 1 then return 1 end
  local unit = 1
  while redis.call('ZREM', key, id .. ' ' .. unit) == 1 do unit = unit + 1 end
  return unit - 1
end
