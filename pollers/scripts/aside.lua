-- aside: an accepted order that says nothing about the others, so it is asked by its own schedule alone until it answers "not yet".
-- ARGV: 6 'denied': the provider now says that it does not know it  'mute': it was asked for without a clear answer, which may be its
--       own trouble or everybody's: until one order gets a clear answer, each that is put aside makes the next wait twice as long
-- Answers {1 it is aside | 0 it is not, orders to wake …}
if ARGV[6] == 'mute' then
  if accepted <= late then return {'0'} end
  local m = redis.call('HMGET', KEYS[4], 'mute', 'mutes')
  if m[1] and t < tonumber(m[1]) then return {'0'} end
  local mutes = math.min((num(m[2]) or 0) + 1, 10)
  redis.call('HSET', KEYS[4], 'mute', int(t + every * 2 ^ (mutes - 1)), 'mutes', mutes)
end
local overtaken = known(id) == OVERTAKEN
for _, k in ipairs({1, 3, 5}) do redis.call('ZREM', KEYS[k], id) end
if not overtaken then redis.call('ZADD', KEYS[2], int(ASIDE), id) end
if s.id == id then
  dismiss()
  holds = false
end
if holds then return {'1'} end
return {'1', unpack(wake(1, 1))}
