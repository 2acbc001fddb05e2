-- May this worker send the next probe of an account that is down?
--
-- One probe leaves per interval, whether the one before has ended or not. Another worker than the last
-- goes a little earlier, because the last one's own network may be what is broken.
--
-- KEYS   1 health (see keySet in redis.go)
-- ARGV   1 worker  2 now, or empty for Redis' clock
--        3 interval while the provider is unreachable  4 interval of other troubles
--        5 how much earlier another worker goes
--        All times in microseconds.
-- Result 1 when it may, else 0
local now = tonumber(ARGV[2])
if not now then
	local t = redis.call('TIME')
	now = t[1] * 1000000 + t[2]
end
local h = redis.call('HMGET', KEYS[1], 'since', 'until', 'probe', 'prober', 'kind')
if not h[1] or now < tonumber(h[2] or '0') then return 0 end
local due = tonumber(h[3] or '0')
if h[4] and h[4] ~= ARGV[1] then due = due - tonumber(ARGV[5]) end
if now < due then return 0 end
local interval = tonumber(h[5] == 'unreachable' and ARGV[3] or ARGV[4])
redis.call('HSET', KEYS[1], 'probe', string.format('%.0f', now + interval), 'prober', ARGV[1])
return 1
