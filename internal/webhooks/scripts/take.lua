-- Chooses the events that are to have a task now, and enters them as due. Those that wait for another try and whose
-- time has come go first, then those in the line. An endpoint that fails all the time gets one probe a pause: the oldest
-- event that was not tried yet, else the one whose next try comes first, so that no single event is every probe.
-- ARGV[2] how many may be due, ARGV[3] how many while it answers slowly, ARGV[4] from how many ms on that is
-- ARGV[5] until when a task is believed (ms from now)
-- ARGV[6] failures in a row that are all the time
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
if num('fails') >= tonumber(ARGV[6]) then
  local probe = redis.call('ZRANGE', wait, 0, 0)
  if #probe == 0 or redis.call('ZCARD', due) > 0 or num('probe_at') > now then return out end
  redis.call('HSET', state, 'probe', probe[1])
  give(probe)
  return out
end

local function free() return math.max(window - redis.call('ZCARD', due), 0) end

give(redis.call('ZRANGEBYSCORE', wait, TIMES, int(now), 'LIMIT', 0, free()))
give(redis.call('ZRANGEBYSCORE', wait, '-inf', '(' .. TIMES, 'LIMIT', 0, free()))
return out
