-- Chooses the events that are to have a task now, and enters them as due. Those that wait for another try and whose
-- time has come go first, then those in the line. An endpoint that fails all the time gets one at a time: a try that
-- is due, and when there was none for a while, the oldest.
-- ARGV[2] how many may be due, ARGV[3] how many while it answers slowly, ARGV[4] from how many ms on that is
-- ARGV[5] until when a task is believed (ms from now)
-- ARGV[6] failures in a row that are all the time, ARGV[7] how long it is left alone then (ms)
-- Answers "PLACE ID" of each, those whose task has not been heard of for too long first.
local now = clock()
local out = {}
if field('off') ~= '' then return out end

local function give(ids)
  for _, id in ipairs(ids) do
    redis.call('ZREM', wait, id)
    redis.call('ZADD', due, int(now + tonumber(ARGV[5])), id)
    local e = load(id)
    out[#out + 1] = (e and e.seq or '0') .. ' ' .. id
  end
end

give(redis.call('ZRANGEBYSCORE', due, '-inf', int(now)))
if num('hold') > now then return out end

local window = tonumber(ARGV[2])
if num('ms') >= tonumber(ARGV[4]) then window = math.min(window, tonumber(ARGV[3])) end
local failing = num('fails') >= tonumber(ARGV[6])
if failing then window = 1 end

local function free() return math.max(window - redis.call('ZCARD', due), 0) end

give(redis.call('ZRANGEBYSCORE', wait, TIMES, int(now), 'LIMIT', 0, free()))
if not failing then
  give(redis.call('ZRANGEBYSCORE', wait, '-inf', '(' .. TIMES, 'LIMIT', 0, free()))
elseif free() > 0 and (redis.call('ZCOUNT', wait, TIMES, '+inf') == 0 or num('at') + tonumber(ARGV[7]) <= now) then
  give(redis.call('ZRANGE', wait, 0, 0))
end
return out
