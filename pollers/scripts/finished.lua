-- finished: an order is final.  ARGV[4] how many orders may be asked at a time
-- Answers the orders to wake: what was issued together is found together.
redis.call('ZREM', KEYS[1], id)
redis.call('ZREM', KEYS[2], id)
if redis.call('HGET', KEYS[3], 'id') == id then redis.call('DEL', KEYS[3]) end
return wake(tonumber(ARGV[4]) - redis.call('ZCARD', KEYS[2]))
