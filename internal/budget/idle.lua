-- May this worker ask whether the provider still answers an account that nobody calls?
--
-- KEYS   1 when somebody asked last (keys.IdleProbe)
-- ARGV   1 now, or empty for Redis' clock  2 the least time between two such questions
--        All times in microseconds.
-- Result 1 when it may, else 0
local now = tonumber(ARGV[1])
if not now then
	local t = redis.call('TIME')
	now = t[1] * 1000000 + t[2]
end
local last = tonumber(redis.call('GET', KEYS[1]) or '0')
if last <= now and now < last + tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[1], string.format('%.0f', now), 'PX', string.format('%.0f', ARGV[2] / 1000))
return 1
