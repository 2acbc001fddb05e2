-- still_pending: an order was asked for and is not issued yet.  ARGV[4] accepted (ms), ARGV[5] how
-- old (ms) the sentinel's last answer may be, ARGV[6] every how many ticks a scout is sent
-- Answers {1 when it is the sentinel, orders to wake …}
redis.call('ZREM', KEYS[2], id)
local s = redis.call('HMGET', KEYS[3], 'id', 'asked')
if tonumber(ARGV[4]) <= late then
  -- It is late and must not hold up the others: the next oldest takes over.
  redis.call('ZREM', KEYS[1], id)
  if s[1] == id then
    redis.call('DEL', KEYS[3])
    local woken = wake(1)
    return {'0', unpack(woken)}
  end
  return {'0'}
end
redis.call('ZADD', KEYS[1], ARGV[4], id)
local stale = not s[1] or t - tonumber(s[2]) > tonumber(ARGV[5])
if first() ~= id and not stale then return {'0'} end
if s[1] ~= id then redis.call('DEL', KEYS[3]) end
redis.call('HSET', KEYS[3], 'id', id, 'accepted', ARGV[4], 'asked', int(t))
local ticks = redis.call('HINCRBY', KEYS[3], 'ticks', 1)
if ticks % tonumber(ARGV[6]) ~= 0 then return {'1'} end
-- A scout: should the provider issue out of order, a stuck oldest order must not hide it. The
-- scout is the next in line, not the sentinel itself.
redis.call('ZREM', KEYS[1], id)
local woken = wake(1)
redis.call('ZADD', KEYS[1], ARGV[4], id)
return {'1', unpack(woken)}
