-- Ends a look that was taken, or puts it off; one that was asked for anew meanwhile stays due.
-- KEYS   1 looks, 2 why looks are put off
-- ARGV   1 now (ms), or empty for Redis' clock  2 member  3 mark, as take.lua answered  4 for how long (ms) it is put off,
--        empty to end it  5 why it is put off, or empty
-- Result 1, or 0 when it was asked for anew
local now = tonumber(ARGV[1])
if not now then
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[2]) or '') ~= tonumber(ARGV[3]) then return 0 end
if ARGV[5] == '' then redis.call('HDEL', KEYS[2], ARGV[2])
else redis.call('HSET', KEYS[2], ARGV[2], ARGV[5]) end
if ARGV[4] == '' then redis.call('ZREM', KEYS[1], ARGV[2])
else redis.call('ZADD', KEYS[1], string.format('%.0f', now + tonumber(ARGV[4])), ARGV[2]) end
return 1
