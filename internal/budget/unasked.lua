-- Takes back that a worker has claimed a probe, whose call did not leave: another one is due soon.
--
-- KEYS   1 health (see keySet in redis.go)
-- ARGV   1 worker  2 now, or empty for Redis' clock  3 when the next probe leaves
--        4 the worker's settings (WithAccess), or empty: they count as not tried
--        All times in microseconds.
local now = tonumber(ARGV[2])
if not now then
	local t = redis.call('TIME')
	now = t[1] * 1000000 + t[2]
end
local h = redis.call('HMGET', KEYS[1], 'since', 'prober', 'probe', 'tried')
if not h[1] or h[2] ~= ARGV[1] then return end
local soon = now + tonumber(ARGV[3])
if soon < tonumber(h[3]) then redis.call('HSET', KEYS[1], 'probe', string.format('%.0f', soon)) end
local mine = ARGV[4] .. ' '
if ARGV[4] ~= '' and string.sub(h[4] or '', 1, #mine) == mine then redis.call('HSET', KEYS[1], 'tried', string.sub(h[4], #mine + 1)) end
