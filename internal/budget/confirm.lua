-- May who has waited for a slot leave now?
--
-- KEYS   1 tat, 2 ban (see keys in redis.go)
-- ARGV   1 now, or empty for Redis' clock
--        2 slot  3 tat  4 line, as pass.lua has given them  5 how late it may be
--        All times in microseconds.
-- Result {0, 0}   leave
--        {1, 0}   ask for another slot: this one has passed, or its line was forgotten, so that others
--                 were given the same times
--        {2, us}  banned for us
local now = tonumber(ARGV[1])
if not now then
	local t = redis.call('TIME')
	now = t[1] * 1000000 + t[2]
end
local over = tonumber(redis.call('HGET', KEYS[2], 'until') or '0')
if now < over then return {2, math.ceil(over - now)} end
local f = redis.call('HMGET', KEYS[1], 'tat', 'line')
local tat, line = tonumber(f[1] or ''), tonumber(f[2] or '')
local kept = tat and line and tat >= tonumber(ARGV[3]) and line == tonumber(ARGV[4])
if kept and now <= tonumber(ARGV[2]) + tonumber(ARGV[5]) then return {0, 0} end
return {1, 0}
