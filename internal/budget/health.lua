-- Records what one call has said of the account.
--
-- Troubles count in a row, over all workers; an authentic answer ends them. Enough of them, or one call
-- without an answer for very long, or one with a Retry-After, make the account down: pass.lua holds its
-- calls until a probe is answered (claim.lua).
-- Two kinds of trouble do not count: one of a call that was sent before an answer that has ended the
-- troubles, and those of a worker that has had nothing else while another worker was answered, whose own
-- network is broken; the latter for a while only.
--
-- KEYS   1 health (see keySet in redis.go)
-- ARGV   1 worker  2 now, or empty for Redis' clock
--        3 "ok" or the kind of trouble  4 its code
--        5 Retry-After (0: none)  6 how long the call took  7 since when the worker has had nothing but
--          troubles, as an age (0: this is its first)
--        8 how many troubles make the account down  9 over at least which time
--        10 when the first probe leaves  11 how long another worker's answer speaks for the provider
--        12 how long a trouble is kept  13 how long a down account is kept  14 what is very long
--        All times in microseconds.
-- Result {0}                       nothing has changed
--        {1, since, kind, down}    the account is down, or for another reason than before: for this one since then, in all
--                                  since down
--        {2, since, kind, down}    it was down, and is ok again
--        {3}                       not counted: other workers are answered
local worker, kind, retry = ARGV[1], ARGV[3], tonumber(ARGV[5])
local now = tonumber(ARGV[2])
if not now then
	local t = redis.call('TIME')
	now = t[1] * 1000000 + t[2]
end
local function text(n) return string.format('%.0f', n) end
local function expire(us) redis.call('PEXPIRE', KEYS[1], text(us / 1000)) end

local h = redis.call('HMGET', KEYS[1], 'n', 'first', 'since', 'until', 'kind', 'cleared', 'clearer', 'began', 'down')
local n, since, held = tonumber(h[1] or '0'), tonumber(h[3] or ''), tonumber(h[4] or '0')
local cleared = tonumber(h[6] or '')

if kind == 'ok' then
	-- An answer to a call that was under way does not end what the provider asked for.
	if n == 0 or now < held then return {0} end
	redis.call('HDEL', KEYS[1], 'n', 'first', 'began', 'since', 'down', 'until', 'kind', 'code', 'probe', 'prober', 'pages', 'tried')
	redis.call('HSET', KEYS[1], 'cleared', text(now), 'clearer', worker)
	expire(tonumber(ARGV[12]))
	if since then return {2, since, h[5], tonumber(h[9])} end
	return {0}
end

local took = tonumber(ARGV[6])
if cleared and cleared >= now - took then return {0} end
local alone = tonumber(ARGV[7])
if cleared and h[7] ~= worker and alone > 0 and cleared >= now - alone and now - cleared < tonumber(ARGV[11]) then return {3} end

-- One page in place of an answer, as a proxy may send one during an outage, makes no other trouble of it.
local was = h[5]
if since and was == 'unreachable' and kind == 'garbage' and redis.call('HINCRBY', KEYS[1], 'pages', 1) < 2 then kind = was end
if ARGV[3] ~= 'garbage' then redis.call('HDEL', KEYS[1], 'pages') end

n = n + 1
local first = tonumber(h[2] or '') or now - took
local began = was == kind and tonumber(h[8] or '') or math.max(now - took, first)
local enough = n >= tonumber(ARGV[8]) and now - first >= tonumber(ARGV[9])
held = math.max(held, retry > 0 and now + retry or 0)
redis.call('HSET', KEYS[1], 'n', text(n), 'first', text(first), 'began', text(began), 'kind', kind, 'code', ARGV[4], 'until', text(held))
if not since and not enough and retry == 0 and took < tonumber(ARGV[14]) then
	expire(tonumber(ARGV[12]))
	return {0}
end
if not since then
	redis.call('HSET', KEYS[1], 'down', text(first), 'probe', text(math.max(now + tonumber(ARGV[10]), held)))
elseif kind == 'unreachable' and was ~= kind then -- probes leave more often now
	redis.call('HSET', KEYS[1], 'probe', text(math.max(math.min(tonumber(redis.call('HGET', KEYS[1], 'probe') or '0'), now + tonumber(ARGV[10])), held)))
elseif retry > 0 then
	redis.call('HSET', KEYS[1], 'probe', text(math.max(tonumber(redis.call('HGET', KEYS[1], 'probe') or '0'), held)))
end
expire(tonumber(ARGV[13]))
redis.call('HSET', KEYS[1], 'since', text(began))
if since and was == kind then return {0} end
return {1, began, kind, tonumber(h[9] or '') or first}
