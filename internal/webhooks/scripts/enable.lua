-- Switches an endpoint on again, and has everything that waits for another try tried now.
redis.call('HDEL', state, 'off', 'hold', 'failing_since', 'alarmed')
redis.call('HSET', state, 'fails', 0)
line_up()
return redis.call('HLEN', events)
