-- Takes the look that is due longest. It is due again after a while, should whoever takes it die.
-- KEYS   1 looks, 2 why looks are put off
-- ARGV   1 now (ms), or empty for Redis' clock  2 for how long (ms) it is taken
-- Result {member, mark}, or nothing; mark is for settle.lua
local now = tonumber(ARGV[1])
if not now then
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
local member = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 1)[1]
if not member then return {} end
local mark = string.format('%.0f', now + tonumber(ARGV[2]))
redis.call('ZADD', KEYS[1], mark, member)
redis.call('HDEL', KEYS[2], member)
return {member, mark}
