-- Has an allowance go on with what another one knows, to which an account has belonged so far: its ban, and, for a while, that
-- other workers may still call under it.
--
-- KEYS   1 tat, 2 ban of the new allowance (see keySet in redis.go)
-- ARGV   1 until when the other one is banned, or 0  2 since when  3 reason  4 ramp  5 for how long nobody calls
--        6 now, or empty for Redis' clock. All times in microseconds.
local over, ramp, settle = tonumber(ARGV[1]), tonumber(ARGV[4]), tonumber(ARGV[5])
local now = tonumber(ARGV[6])
if not now then
	local t = redis.call('TIME')
	now = t[1] * 1000000 + t[2]
end
local function text(n) return string.format('%.0f', n) end

local own = tonumber(redis.call('HGET', KEYS[2], 'until') or '0')
if over > own and over + ramp > now then
	if own <= now then redis.call('HSET', KEYS[2], 'since', ARGV[2], 'reason', ARGV[3]) end
	redis.call('HSET', KEYS[2], 'until', text(over))
	redis.call('PEXPIRE', KEYS[2], text((over - now + ramp) / 1000 + 1000))
end
if settle > 0 and tonumber(redis.call('HGET', KEYS[1], 'tat') or '0') < now + settle then
	redis.call('HSET', KEYS[1], 'tat', text(now + settle))
	redis.call('PEXPIRE', KEYS[1], text(60000 + settle / 1000))
end
return 1
