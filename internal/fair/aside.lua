-- Puts a task aside into the line of its account, unless another process has just let it go on.
--
-- KEYS   1 all, 2 of, 3 out (keys.QueueLine)
-- ARGV   1 task id  2 merchant  3 now (microseconds)  4 "1" for the head of the line, else empty
-- Result -1      it may run: it was let go on
--        n >= 1  it is in the line, which holds so many tasks
if redis.call('ZREM', KEYS[3], ARGV[1]) == 1 then
	if ARGV[4] == '' then return -1 end
end
-- Tasks at the head were there before; among themselves they keep their order.
local at = tonumber(ARGV[3])
if ARGV[4] ~= '' then at = at - 1e15 end
redis.call('ZADD', KEYS[2], 'NX', string.format('%.0f', at), ARGV[1])
redis.call('SADD', KEYS[1], ARGV[2])
return redis.call('ZCARD', KEYS[2])
