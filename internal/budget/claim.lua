-- May this worker send the next probe of an account that is down?
--
-- One probe leaves per interval, whether the one before has ended or not. Another worker than the last
-- goes a little earlier, because the last one's own network may be what is broken. A worker that calls with
-- settings which no probe of this trouble has tried asks at once, where its kind is one that settings can end.
--
-- KEYS   1 health (see keySet in redis.go)
-- ARGV   1 worker  2 now, or empty for Redis' clock
--        3 interval while the provider is unreachable  4 interval of other troubles
--        5 how much earlier another worker goes  6 the worker's settings (WithAccess), or empty
--        All times in microseconds.
-- Result 1 when it may, else 0
local now = tonumber(ARGV[2])
if not now then
	local t = redis.call('TIME')
	now = t[1] * 1000000 + t[2]
end
local h = redis.call('HMGET', KEYS[1], 'since', 'until', 'probe', 'prober', 'kind', 'tried')
if not h[1] or now < tonumber(h[2] or '0') then return 0 end
local due = tonumber(h[3] or '0')
if h[4] and h[4] ~= ARGV[1] then due = due - tonumber(ARGV[5]) end
local tried = h[6] or ''
local new = ARGV[6] ~= '' and not string.find(' ' .. tried .. ' ', ' ' .. ARGV[6] .. ' ', 1, true)
if now < due and not (new and tried ~= '' and h[5] ~= 'unreachable') then return 0 end
local interval = tonumber(h[5] == 'unreachable' and ARGV[3] or ARGV[4])
redis.call('HSET', KEYS[1], 'probe', string.format('%.0f', now + interval), 'prober', ARGV[1])
if new then redis.call('HSET', KEYS[1], 'tried', string.sub(ARGV[6] .. ' ' .. tried, 1, 2000)) end
return 1
