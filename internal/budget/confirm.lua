-- May a call that has waited for its slot leave now?
--
-- KEYS   1 tat, 2 ban, 3 paused, 4 health (see keySet in redis.go)
-- ARGV   1 lane
--        2 now, or empty for Redis' clock
--        3 slot  4 tat  5 line, as pass.lua has given them  6 how late it may be
--        7 "1" for a probe, else empty
--        All times in microseconds.
-- Result {0, suspect}  leave; suspect as in pass.lua
--        {2, us}    banned for us
--        {3, json}  paused by an operator
--        {5, us, kind, code, since}  the account is down, as in pass.lua
--        {4, 0}     ask for another slot: this one has passed, or its line was forgotten, so that
--                   others were given the same times
local now = tonumber(ARGV[2])
if not now then
	local t = redis.call('TIME')
	now = t[1] * 1000000 + t[2]
end
local over = tonumber(redis.call('HGET', KEYS[2], 'until') or '0')
if now < over then return {2, math.ceil(over - now)} end
local pause = redis.call('HMGET', KEYS[3], 'all', ARGV[1])
if pause[1] or pause[2] then return {3, pause[1] or pause[2]} end
local h = redis.call('HMGET', KEYS[4], 'n', 'since', 'probe', 'kind', 'code')
if h[2] and ARGV[7] == '' then return {5, math.max(0, math.ceil(tonumber(h[3] or '0') - now)), h[4] or '', h[5] or '', tonumber(h[2])} end
local f = redis.call('HMGET', KEYS[1], 'tat', 'line')
local tat, line = tonumber(f[1] or ''), tonumber(f[2] or '')
local kept = tat and line and tat >= tonumber(ARGV[4]) and line == tonumber(ARGV[5])
if kept and now <= tonumber(ARGV[3]) + tonumber(ARGV[6]) then return {0, h[1] and 1 or 0} end
return {4, 0}
