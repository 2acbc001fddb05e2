-- Records that the provider answered "too fast". A ban that is still on is prolonged, because
-- the provider counts from the last call it saw; its beginning and reason stay. A report that comes
-- late never shortens it. The key outlives the ban by the ramp, which is counted from the ban's end.
--
-- KEYS   1 ban (see keySet in redis.go)
-- ARGV   1 how long  2 ramp (both microseconds)  3 reason  4 now, or empty for Redis' clock
-- Result {1 when the ban is new, else 0; microseconds until it ends}
local long, ramp = tonumber(ARGV[1]), tonumber(ARGV[2])
local now = tonumber(ARGV[4])
if not now then
	local t = redis.call('TIME')
	now = t[1] * 1000000 + t[2]
end
local over = tonumber(redis.call('HGET', KEYS[1], 'until') or '0')
local new = now >= over
if new then
	redis.call('HSET', KEYS[1], 'since', string.format('%.0f', now), 'reason', ARGV[3])
end
over = math.max(over, now + long)
redis.call('HSET', KEYS[1], 'until', string.format('%.0f', over))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', (over - now + ramp) / 1000 + 1000))
return {new and 1 or 0, math.ceil(over - now)}
