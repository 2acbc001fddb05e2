-- Records how a delivery ended.
-- ARGV[2] the event, ARGV[3] delivered, failed, postponed (it was not the endpoint's fault), gone (it wants no more),
--   unwanted (it is not for this endpoint any more) or elsewhere (another front door serves the endpoint)
-- ARGV[4] HTTP status, ARGV[5] duration (ms), ARGV[6] text
-- ARGV[7] the next try, ARGV[8] until when nothing else is sent (ms from now, 0 for at once)
-- ARGV[9] 1 when the schedule has no further try, ARGV[10] how long the whole schedule is (ms)
-- ARGV[11] failures in a row that are all the time: further ones are the endpoint's, and count as no tries of the event
-- ARGV[12], ARGV[13] after how long (ms), and how often, an alarm
-- ARGV[14] how many deliveries are remembered
-- ARGV[15] the pause before the first probe, which doubles, up to ARGV[16] (ms); ARGV[17] what this one is multiplied by
-- Answers what became of the event: the outcome, given_up, or settled when there is nothing to report; how
-- many failures in a row there were before and are now; and since when (ms) to alarm about, or 0.
local id, outcome = ARGV[2], ARGV[3]
local now = clock()
local e = load(id)
if not e or (outcome ~= 'delivered' and not redis.call('ZSCORE', due, id)) then return {'settled', 0, 0, 0} end
local probing = field('probe') == id
if probing then redis.call('HDEL', state, 'probe') end

local function probe_after(ms) redis.call('HSET', state, 'probe_at', int(now + ms)) end

if outcome == 'unwanted' then
  remove(id, e)
  return {outcome, 0, 0, 0}
end
if outcome == 'elsewhere' then
  redis.call('ZREM', due, id)
  redis.call('ZADD', wait, int(now + tonumber(ARGV[7])), id)
  if probing then probe_after(tonumber(ARGV[7])) end
  return {outcome, 0, 0, 0}
end
local reply = outcome
local before, alarm, try = num('fails'), 0, e.tries + 1
redis.call('HSET', state, 'at', int(now), 'status', ARGV[4], 'ms', ARGV[5], 'text', ARGV[6])

if tonumber(ARGV[8]) > 0 then
  redis.call('HSET', state, 'hold', int(math.max(num('hold'), now + tonumber(ARGV[8]))))
end

local function again(score)
  redis.call('ZREM', due, id)
  redis.call('ZADD', wait, score, id)
end

if outcome == 'delivered' then
  remove(id, e)
  redis.call('HSET', state, 'fails', 0, 'ok_at', int(now))
  redis.call('HDEL', state, 'failing_since', 'alarmed', 'probe', 'probe_at', 'probes')
  redis.call('HINCRBY', state, 'delivered', 1)
  if before >= tonumber(ARGV[11]) then line_up() end
elseif outcome == 'postponed' then
  again(int(now + tonumber(ARGV[7])))
elseif outcome == 'gone' then
  if field('off') == '' then redis.call('HSET', state, 'off', int(now))
  else reply = 'settled' end -- others were under way, and have answered the same
  redis.call('HDEL', state, 'probe_at')
  again(e.seq)
else
  local fails = redis.call('HINCRBY', state, 'fails', 1)
  redis.call('HSETNX', state, 'failing_since', int(now))
  if probing then redis.call('HINCRBY', state, 'probes', 1) end
  if probing or fails == tonumber(ARGV[11]) then
    probe_after(math.min(tonumber(ARGV[15]) * 2 ^ num('probes'), tonumber(ARGV[16])) * tonumber(ARGV[17]))
  end
  local counts = fails <= tonumber(ARGV[11])
  if counts then
    e.tries = e.tries + 1
    if e.first == 0 then e.first = now end
  end
  -- Only where the endpoint takes others is it the event's fault; an endpoint that is away misses nothing.
  if counts and ARGV[9] == '1' and now - e.first >= tonumber(ARGV[10]) and num('ok_at') > e.first then
    outcome, reply = 'given_up', 'given_up'
    remove(id, e)
    redis.call('HINCRBY', state, 'given_up', 1)
  else
    save(id, e)
    again(int(now + tonumber(ARGV[7])))
  end
  local since = num('failing_since')
  if now - since >= tonumber(ARGV[12]) and now - num('alarmed') >= tonumber(ARGV[13]) then
    redis.call('HSET', state, 'alarmed', int(now))
    alarm = since
  end
end

redis.call('XADD', log, 'MAXLEN', '~', ARGV[14], '*', 'at', int(now), 'id', id, 'try', int(try), 'outcome', outcome,
  'status', ARGV[4], 'ms', ARGV[5], 'text', ARGV[6])
return {reply, before, num('fails'), int(alarm)}
