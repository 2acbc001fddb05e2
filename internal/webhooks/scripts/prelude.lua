-- Common to every script of an endpoint. Its keys are in one cluster slot.
-- KEYS: state, events, orders, wait, due, log
--   state  hash: cursor, the stream id of the last event admitted; replay, where a replay goes on ('-' at its
--          beginning), with replay_since (ms) and replay_first when the stream waits for it; seq, a counter; fails,
--          failures in a row; failing_since, ok_at, off, hold, alarmed (ms); delivered, given_up, counters; at (ms),
--          status, ms, text: the last answer; while it fails all the time, probe, the event that is tried now, probes, how
--          many have failed, and probe_at, when the next one leaves (ms)
--   events hash: event id → "TRIES FIRST SEQ ORDER BODY": failed tries, when the first failed (ms), the event's place
--          in the line, its order, and the thin event as it is sent
--   orders hash: order → the ids of its events here, oldest first, separated by blanks; only the first is in wait or due
--   wait   zset: event → its place in the line, or the time (ms) of its next try
--   due    zset: event that has a task → until when (ms) that is believed
--   log    stream of the last deliveries: id, try, outcome, status, ms, text
-- ARGV[1] is the time in milliseconds, or '' to ask Redis.
local state, events, orders, wait, due, log = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]

local function clock()
  if ARGV[1] ~= '' then return tonumber(ARGV[1]) end
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end

-- Numbers go out as whole digits: Lua would write 1.7e+12.
local function int(n) return string.format('%.0f', n) end

local function field(name) return redis.call('HGET', state, name) or '' end
local function num(name) return tonumber(field(name)) or 0 end

-- A score in wait below this is a place in the line, not a time.
local TIMES = '1000000000000'

-- What is kept of an event, or nil when it is not here any more.
local function load(id)
  local v = redis.call('HGET', events, id)
  if not v then return nil end
  local tries, first, seq, order, body = string.match(v, '^(%d+) (%d+) (%d+) (%S+) (.*)$')
  return {tries = tonumber(tries), first = tonumber(first), seq = seq, order = order, body = body}
end

local function save(id, e)
  redis.call('HSET', events, id, int(e.tries) .. ' ' .. int(e.first) .. ' ' .. e.seq .. ' ' .. e.order .. ' ' .. e.body)
end

-- Takes an event out, and lets the next of its order into the line.
local function remove(id, e)
  redis.call('HDEL', events, id)
  redis.call('ZREM', wait, id)
  redis.call('ZREM', due, id)
  local left = {}
  for other in string.gmatch(redis.call('HGET', orders, e.order) or '', '%S+') do
    if other ~= id then left[#left + 1] = other end
  end
  if #left == 0 then
    redis.call('HDEL', orders, e.order)
    return
  end
  redis.call('HSET', orders, e.order, table.concat(left, ' '))
  redis.call('ZADD', wait, load(left[1]).seq, left[1])
end

-- Has every event that waits for another try stand in the line again, at its old place.
local function line_up()
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', wait, TIMES, '+inf')) do
    redis.call('ZADD', wait, load(id).seq, id)
  end
end
