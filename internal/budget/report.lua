-- Decides who logs a change of an account's health: whoever says so first, of all programs.
--
-- KEYS   1 what was reported of all accounts (keys.Healths)
-- ARGV   1 account  2 its health  3 when that was seen (microseconds), or empty for Redis' clock
-- Result {1, the health that was reported before}  the caller logs it
--        {0}                                       it is reported already, or was seen before the latest report
local now = tonumber(ARGV[3])
if not now then
	local t = redis.call('TIME')
	now = t[1] * 1000000 + t[2]
end
local at, was = string.match(redis.call('HGET', KEYS[1], ARGV[1]) or '0 ok', '^(%d+) (%S+)$')
if was == ARGV[2] or now < tonumber(at) then return {0} end
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now) .. ' ' .. ARGV[2])
return {1, was}
