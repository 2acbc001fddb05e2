-- The pending orders of one provider account. ARGV[1] is the time in milliseconds, or '' to ask
-- Redis; ARGV[2] the age in milliseconds from which an order is late; ARGV[3] the order.
-- KEYS[1] waiting   zset  orders that wait to be asked for, by the time (ms) they were accepted
-- KEYS[2] asked     zset  orders that were woken and have not answered yet, by the time of that
-- KEYS[3] sentinel  hash  id, accepted (ms), asked (ms of its last "not yet"), ticks
local function clock()
  if ARGV[1] ~= '' then return tonumber(ARGV[1]) end
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end
local function int(n) return string.format('%.0f', n) end
local t = clock()
local late = t - tonumber(ARGV[2])
local id = ARGV[3]

-- Orders that were woken this long ago have not been asked: their worker died.
local STALE = 120000

local function first()
  return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. int(late), '+inf', 'LIMIT', 0, 1)[1]
end

-- Takes the n oldest waiting orders that are not late, to be woken.
local function wake(n)
  if n <= 0 then return {} end
  for _, lost in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', int(t - STALE), 'LIMIT', 0, 20)) do
    redis.call('ZREM', KEYS[2], lost)
  end
  local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. int(late), '+inf', 'LIMIT', 0, n)
  for _, next in ipairs(ids) do
    redis.call('ZREM', KEYS[1], next)
    redis.call('ZADD', KEYS[2], int(t), next)
  end
  return ids
end
