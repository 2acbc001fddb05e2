-- May a call leave, and when? One GCRA for all lanes; the arithmetic is in the package comment.
--
-- KEYS   1 tat, 2 ban, 3 used, 4 paused, 5 health, 6 minutes (see keySet in redis.go)
-- ARGV   1 lane
--        2 spacing  3 ahead  4 patience (0: none)  5 ahead when out of patience
--        6 ramp  7 share of the allowance at the ramp's start
--        8 now, or empty for Redis' clock
--        9 bucket of the counters  10 how many buckets are kept  11 "1" for a probe, else empty
--        12 how far ahead of its slot the call passes, at least
--        All times in microseconds.
-- Result {0, us, slot, tat, line, suspect}  leave after us; the slot is taken. For confirm.lua. suspect is 1
--          while an authentic answer would be news, see health.lua
--        {1, us, slot}  ask again after us; slot is the next free one
--        {2, us}  banned for us
--        {3, json}  paused by an operator
--        {5, us, kind, code, since}  the account is down; the next probe leaves after us
local lane, spacing, ahead = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local patience, impatient = tonumber(ARGV[4]), tonumber(ARGV[5])
local ramp, share = tonumber(ARGV[6]), tonumber(ARGV[7])
local now = tonumber(ARGV[8])
if not now then
	local t = redis.call('TIME')
	now = t[1] * 1000000 + t[2]
end
local function text(n) return string.format('%.0f', n) end

local over = tonumber(redis.call('HGET', KEYS[2], 'until') or '')
if over and now < over then return {2, math.ceil(over - now)} end

local pause = redis.call('HMGET', KEYS[4], 'all', lane)
if pause[1] or pause[2] then return {3, pause[1] or pause[2]} end

local h = redis.call('HMGET', KEYS[5], 'n', 'since', 'probe', 'kind', 'code')
if h[2] and ARGV[11] == '' then return {5, math.max(0, math.ceil(tonumber(h[3] or '0') - now)), h[4] or '', h[5] or '', tonumber(h[2])} end

local tat = tonumber(redis.call('HGET', KEYS[1], 'tat') or '0')
-- No line is ever that long: the clock was set back. Start a new line, one spacing from now.
if tat > now + 60000000 + 100 * spacing then tat = now + spacing end
local slot = math.max(tat, now + tonumber(ARGV[12]))
if over and slot - over < ramp then
	spacing = spacing / (share + (1 - share) * (slot - over) / ramp)
end

local waiting = 'since:' .. lane
local since = tonumber(redis.call('HGET', KEYS[1], waiting) or '')
local hungry = patience > 0 and since and now - since >= patience
local limit = hungry and impatient or ahead

if slot - now <= limit then
	local line = tonumber(redis.call('HGET', KEYS[1], 'line') or '')
	if not line then
		line = now
		redis.call('HSET', KEYS[1], 'line', text(line))
	end
	redis.call('HSET', KEYS[1], 'tat', text(slot + spacing))
	redis.call('HDEL', KEYS[1], waiting)
	redis.call('PEXPIRE', KEYS[1], text(60000 + (slot + spacing - now) / 1000))
	local current = math.floor(now / tonumber(ARGV[9]))
	if redis.call('HINCRBY', KEYS[3], text(current) .. ':' .. lane, 1) == 1 then
		for _, field in ipairs(redis.call('HKEYS', KEYS[3])) do
			local age = current - tonumber(string.match(field, '^%d+'))
			if age < 0 or age >= tonumber(ARGV[10]) then redis.call('HDEL', KEYS[3], field) end
		end
	end
	redis.call('PEXPIRE', KEYS[3], 60000)
	local minute = math.floor(now / 60000000)
	if redis.call('HINCRBY', KEYS[6], text(minute), 1) == 1 then
		for _, field in ipairs(redis.call('HKEYS', KEYS[6])) do
			local age = minute - tonumber(field)
			if age < 0 or age >= 60 then redis.call('HDEL', KEYS[6], field) end
		end
		redis.call('PEXPIRE', KEYS[6], 3600000)
	end
	return {0, math.ceil(slot - now), math.floor(slot), math.floor(slot + spacing), line, h[1] and 1 or 0}
end

local wait = slot - now - limit
if patience > 0 and not hungry then
	if not since or since > now then
		since = now
		redis.call('HSET', KEYS[1], waiting, text(now))
	end
	wait = math.min(wait, since + patience - now)
end
return {1, math.max(1000, math.ceil(wait)), math.floor(slot)}
