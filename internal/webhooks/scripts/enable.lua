-- Switches an endpoint on again, and has everything that waits for another try tried now.
-- Answers {how many events are outstanding, 1 where there was something to change}
local hindered = field('off') ~= '' or field('hold') ~= '' or num('fails') > 0 or redis.call('ZCOUNT', wait, TIMES, '+inf') > 0
redis.call('HDEL', state, 'off', 'hold', 'failing_since', 'alarmed', 'probe', 'probe_at', 'probes')
redis.call('HSET', state, 'fails', 0)
line_up()
return {redis.call('HLEN', events), hindered and 1 or 0}
