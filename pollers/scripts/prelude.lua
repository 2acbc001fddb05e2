-- The pending orders of one account.
-- ARGV: 1 time in ms, or '' to ask Redis   2 age in ms from which an order is late   3 the order
--       4 when it was accepted (ms), '' for now (may_skip: for unknown)   5 the sentinel's pause in ms
-- KEYS[1] waiting   zset  every order that is followed, by the time it was accepted, but for those in behind
-- KEYS[2] asked     zset  those that answered "not yet", by the time of the latest answer; or OVERTAKEN, ASIDE
-- KEYS[3] woken     zset  those that are to be asked now and have not answered, by the time of that
-- KEYS[5] behind    zset  those that answered "not yet" when they were late, by the time of the latest answer: the provider may
--         never issue them, and however many they are, nothing looks through them
-- KEYS[4] sentinel  hash
--         id, accepted          who is asked in everybody's place
--         due, until            when it is asked again, and until when its answer counts
--         ticks                 how often it has come round
--         quiet, clear          nothing was issued between these two moments
--         proof                 something was issued after this moment: what the provider had received by
--                               then must be issued, too
--         hits, doubts          answers for and against that since the line was last seen
--         mute, mutes           until when no other order is put aside for want of a clear answer, and how many were since
--                               there was one
local function clock()
  if ARGV[1] ~= '' then return tonumber(ARGV[1]) end
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end
local function int(n) return string.format('%.0f', n) end
local function num(v) return tonumber(v or '') end

local t = clock()
local expected = tonumber(ARGV[2])
local late = t - expected
local id = ARGV[3]
local accepted = num(ARGV[4]) or t
local every = num(ARGV[5])
-- How long a call may wait for the call budget.
local BUDGET = 5000
-- A woken order that has not answered for so long is not waited for any more.
local silence = 2 * every + BUDGET
-- One woken so long ago has no task any more; if it has, its own poll brings it back.
local LOST = 120000
-- Younger ones were issued and this one was not: it stands for no other and is asked by its own
-- schedule alone.
local OVERTAKEN = 8.9e15 -- (an embedded Redis answers "9e+15", and its Lua cannot read that as a number)
-- As OVERTAKEN, until it answers "not yet": the provider did not know it, or its answer was in doubt.
local ASIDE = 8.8e15

local f = redis.call('HMGET', KEYS[4], 'id', 'accepted', 'due', 'until', 'quiet', 'clear', 'proof', 'hits',
  'doubts')
local s = {id = f[1], accepted = num(f[2]), due = num(f[3]), quiet = num(f[5]), clear = num(f[6]),
  proof = num(f[7]) or 0, hits = num(f[8]) or 0, doubts = num(f[9]) or 0}
local holds = s.id and t <= num(f[4])

local function waits(order) return num(redis.call('ZSCORE', KEYS[1], order)) end
local function woken(order) return num(redis.call('ZSCORE', KEYS[3], order)) end

-- Until when an order is known not to have been issued.
local function known(order, otherwise)
  return num(redis.call('ZSCORE', KEYS[2], order)) or waits(order) or otherwise
end

-- Whether an order says nothing about the others, by what is known of it.
local function alone(since) return since == OVERTAKEN or since == ASIDE end

-- The oldest order that is not late and not woken, and whether there is any that is not late.
local function young()
  local orders = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. int(late), '+inf', 'LIMIT', 0, 9)
  for _, order in ipairs(orders) do
    if not woken(order) then return order, true end
  end
  return nil, #orders > 0
end

-- How many woken orders are still on their way.
local function out()
  return redis.call('ZCOUNT', KEYS[3], '(' .. int(t - silence), '+inf')
end

-- Makes the order the sentinel, or leaves it so, and answers after how long it is due. Rounds are
-- counted from when the last was due, so that calls and the queue, which is up to a second early or
-- late, add nothing to them.
local function appoint(pause)
  local due = t + pause
  if s.id == id and t - s.due > -1000 and t - s.due < pause / 2 then due = s.due + pause end
  redis.call('HSET', KEYS[4], 'id', id, 'accepted', int(accepted), 'due', int(due),
    'until', int(due + every + BUDGET))
  return int(due - t)
end

local function dismiss()
  redis.call('HDEL', KEYS[4], 'id', 'accepted', 'due', 'until', 'quiet', 'clear')
end

-- Takes an order out of all lists.
local function forget(order)
  for _, k in ipairs({1, 2, 3, 5}) do redis.call('ZREM', KEYS[k], order) end
end

-- The one of those behind that answered longest ago, and is not woken.
local function worst()
  for _, order in ipairs(redis.call('ZRANGE', KEYS[5], 0, 8)) do
    if not woken(order) then return order end
  end
end

-- Names orders to ask, so that up to n are on their way: the oldest first of those that must be
-- issued. When there are none, guesses, up to so many on their way: others, which may have missed the job. Orders that
-- have answered "not yet" when they were late come last, because dozens that the provider never
-- issues would be named before all others.
local function wake(n, guesses)
  for _, lost in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', int(t - LOST), 'LIMIT', 0, 20)) do
    forget(lost)
  end
  local way, names, guess, from = out(), {}, {}, 0
  local function name(order)
    redis.call('ZADD', KEYS[3], int(t), order)
    names[#names + 1] = order
  end
  while way + #names < n do
    local page, ids = redis.call('ZRANGE', KEYS[1], from, from + 31, 'WITHSCORES'), {}
    for i = 1, #page, 2 do ids[#ids + 1] = page[i] end
    if #ids == 0 then break end
    local answers = redis.call('ZMSCORE', KEYS[2], unpack(ids))
    local asked = redis.call('ZMSCORE', KEYS[3], unpack(ids))
    for i, order in ipairs(ids) do
      if way + #names == n then break end
      local since = num(answers[i]) or num(page[2 * i])
      if not asked[i] then
        if since <= s.proof then name(order) else guess[#guess + 1] = order end
      end
    end
    if #ids < 32 or num(page[#page]) > s.proof then break end
    from = from + 32
  end
  if way + #names < n then
    for _, order in ipairs(redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', int(s.proof), 'LIMIT', 0, n + way)) do
      if way + #names < n and not woken(order) then name(order) end
    end
  end
  for i = 1, math.min(#guess, guesses - way - #names) do name(guess[i]) end
  if guesses > 0 and way + #names == 0 then
    local last = young() or worst()
    if last then name(last) end
  end
  return names
end

-- How many may be on their way: the more were found issued, the more are worth a call.
local function allowed(window) return math.min(window, 1 + s.hits - s.doubts) end
