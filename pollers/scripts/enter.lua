-- enter: an order was accepted, or asked for without a clear answer.  ARGV[4] accepted (ms)
-- Answers 1 when it is the oldest, 0 when an older one is asked already.
redis.call('ZREM', KEYS[2], id)
if tonumber(ARGV[4]) <= late then return 0 end
redis.call('ZADD', KEYS[1], ARGV[4], id)
if first() == id and redis.call('ZCARD', KEYS[2]) == 0 then return 1 end
return 0
