-- A permit of cost n is n members of a sorted set: its id, then 'id 2' to 'id n' (an id holds no space).
local function member(id, unit)
  return unit == 1 and id or id .. ' ' .. unit
end

local function put(key, id, cost, score)
  for unit = 1, cost do redis.call('ZADD', key, score, member(id, unit)) end
end

-- Remove every unit; return how many there were.
local function take(key, id)
  local unit = 1
  while redis.call('ZREM', key, member(id, unit)) == 1 do unit = unit + 1 end
  return unit - 1
end
