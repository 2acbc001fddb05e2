-- Common to the scripts, each of which gets what it uses: paragraphs between blank lines (see scripts.go). Every script
-- of a record answers a flat list of names and values.

-- The time of this run in milliseconds, as a number and as it is written; see clock.
local ms, written = 0, '0'

-- ARGV[1] is the time in milliseconds, or '' to ask Redis.
local function clock()
  written = ARGV[1]
  if written == '' then
    local t = redis.call('TIME')
    written = t[1] .. string.sub(1000000 + t[2], 2, 4)
  end
  ms = tonumber(written)
  return ms
end

-- The queue's script that makes the task of a new record, where an intake comes with one.
local wake

-- Numbers go out as whole digits: Lua would write 1.7e+12.
local function int(n) return n == ms and written or string.format('%.0f', n) end

local function get(key, field) return redis.call('HGET', key, field) or '' end

-- Fields of a record by name, '' for what it has not: reading many at once takes less than reading two.
local function read(key, ...)
  local f, values = {}, redis.call('HMGET', key, ...)
  for i, name in ipairs({...}) do f[name] = values[i] or '' end
  return f
end

-- All fields of a record: as Redis lists them, and by name.
local function whole(key)
  local list, f = redis.call('HGETALL', key), {}
  for i = 1, #list, 2 do f[list[i]] = list[i + 1] end
  return list, f
end

-- Answers all fields of a record, and what comes of claiming it.
local function about(list, verdict, ...)
  local n = #list
  for i, v in ipairs({'verdict', verdict, 'now', int(ms), ...}) do list[n + i] = v end
  return list
end

-- A newer program wrote the record: those after this one, whose version is 2, say theirs. (A settled one keeps no version:
-- nothing is left to do with it.)
local function newer(f) return (tonumber(f.v) or 0) > 2 end

local final = {issued = true, refunded = true, partially_refunded = true, failed = true, cancelled = true, review = true}

local function applied(state) return {'verdict', 'ok', 'state', state} end
local function refused(state) return {'verdict', 'refused', 'state', state} end

-- Writes one line of history, "MS EVENT DETAIL", and other fields with it, because each command costs its key and more
-- in Redis's log. The same line is not repeated, and the middle of a very long story is dropped: its beginning and its
-- end are what people need. h is the history where the caller has read it.
local function note(key, t, event, detail, fields, h)
  fields, h = fields or {}, h or get(key, 'history')
  -- A line break in a code or in a person's reason must not forge a line of its own.
  local tail = ' ' .. event .. ' ' .. string.gsub(detail, '%c', ' ') .. '\n'
  -- (Right behind the last line's time: "refunded" is no repetition of "ticket 1 refunded".)
  if string.sub(h, -#tail) == tail and string.find('\n' .. string.sub(h, -#tail - 20, -#tail - 1), '\n%d+$') then
    if #fields > 0 then redis.call('HSET', key, unpack(fields)) end
    return
  end
  if #h > 12000 then
    -- Whole lines only: half of one would read as a time and an event that never were.
    local head = string.match(string.sub(h, 1, 4000), '^(.*\n)') or ''
    local rest = string.match(string.sub(h, -6000), '\n(.*)$') or ''
    local cut = '0 … …\n'
    local before = string.find(head, cut, 1, true)
    if before then head = string.sub(head, 1, before - 1) end
    h = head .. cut .. rest
  end
  redis.call('HSET', key, 'history', h .. int(t) .. tail, unpack(fields))
end

-- Who holds the fence. A record whose claim was given back has no runner.
local function held(key, fence)
  return get(key, 'fence') == fence and get(key, 'runner') ~= ''
end

-- A request of this record may have taken effect, and can have left until this moment. Since when
-- the record is in doubt stays the same, however often it is sent again; how often that was is counted.
local function doubt(key, at)
  redis.call('HSET', key, 'doubt_at', at)
  redis.call('HSETNX', key, 'doubt_since', at)
  redis.call('HINCRBY', key, 'doubts', 1)
end

-- Whether every request of this record certainly had no effect. An intent without an answer is not counted.
local function never_sent(key)
  return (tonumber(get(key, 'attempts')) or 0) <= (tonumber(get(key, 'unsent')) or 0)
end

-- Whether a ticket of a refund's plan is in one of the states.
local function any_ticket(key, states)
  local i = 0
  while true do
    local state = get(key, 't:' .. int(i))
    if state == '' then return false end
    if states[state] then return true end
    i = i + 1
  end
end

local open_ticket = {sending = true, doubt = true}

-- A rejection that nothing has confirmed yet is a doubt as well.
local function in_doubt(key)
  return get(key, 'doubt_at') ~= '' or get(key, 'rejected_code') ~= ''
end

-- f is what was read of the record: doubt_at, rejected_code, and confirmed.
local function no_doubt(key, f)
  if f.doubt_at .. f.rejected_code .. f.confirmed == '' then return end
  redis.call('HDEL', key, 'doubt_at', 'doubt_since', 'doubts', 'rejected_code', 'rejected_message', 'confirmed')
end

-- Gives the claim back, and removes other fields with it: those that there are, because all that are named stand in Redis's log.
local function give_back(key, ...)
  local names, there = {'runner', 'until', 'phase', 'solo', ...}, {}
  for i, value in ipairs(redis.call('HMGET', key, unpack(names))) do
    if value then there[#there + 1] = names[i] end
  end
  if #there > 0 then redis.call('HDEL', key, unpack(there)) end
end

-- The runner died, or lost Redis, with the claim in its hands. It counts as the record's own doing only if that
-- was all that the worker did.
local function lost_runner(key, t)
  redis.call('HINCRBY', key, get(key, 'solo') == '1' and 'crashes' or 'abandoned', 1)
  redis.call('HDEL', key, 'solo', 'phase')
  note(key, t, 'abandoned', get(key, 'runner'))
end

-- Crashes count in a row: a runner that worked on the record and gives its claim back was not crashed by it.
local function no_crashes(key) redis.call('HDEL', key, 'crashes', 'abandoned') end

-- Gives the claim to a runner, after the claim of this fence. Answers all that it wrote. (A claim's phase is send while an
-- intent of it has no answer, else claim, or nothing before its first intent.)
local function take(key, t, fence, runner, lease)
  local taken = {'fence', int((tonumber(fence) or 0) + 1), 'runner', runner, 'until', int(t + tonumber(lease))}
  redis.call('HSET', key, unpack(taken))
  return unpack(taken)
end

-- What stays of where a settled record was sent to: refunds of it go there. A number of twelve bits takes six bytes.
local function host_mark(host) return tonumber(string.sub(redis.sha1hex(host), 1, 3), 16) end

-- Ends a record, with a line of history where a person ended it, and other fields. (An end without one is read from the
-- fields, which takes less of Redis's log than its line; see again.) The event of each end has an id
-- of its own, so earlier ends are counted. published says that the script publishes the end as well (see publish):
-- the claim of a record that ages with it goes then, and it is marked at once, because each command costs its key in Redis's log.
local function finish(key, t, state, code, message, detail, fields, published)
  fields = fields or {}
  local f = read(key, 'history', 'doubt_at', 'rejected_code', 'rejected_message', 'confirmed', 'event', 'code', 'message', 'host')
  local function with(...) for _, v in ipairs({...}) do fields[#fields + 1] = v end end
  if code == '' and state == 'failed' then
    code, message = f.rejected_code, f.rejected_message -- the rejection that was confirmed
  end
  with('state', state, 'final', int(t))
  if code ~= '' then with('code', code, 'message', message) end
  if f.event ~= '' then redis.call('HDEL', key, 'event') end
  if published and state ~= 'review' then
    with('event', 1)
    if f.host ~= '' then with('h', host_mark(f.host)) end
  end
  if detail then note(key, t, state, detail, fields, f.history) else redis.call('HSET', key, unpack(fields)) end
  if state ~= 'review' then no_doubt(key, f) end
  if code == '' and f.code .. f.message ~= '' then redis.call('HDEL', key, 'code', 'message') end
  if state == 'review' or not published then give_back(key) end
end

-- The provider was asked after a request without a clear answer, and has the order: what it says of it, or ''.
local function found(key, t, what)
  if what == '' then return end
  redis.call('HINCRBY', key, 'polls', 1)
  note(key, t, 'looked_up', what)
end

-- A review that is resolved or reopened will end once more. This end gets its line of history, for its fields will be those
-- of the next one.
local function again(key)
  local f = read(key, 'final', 'code')
  note(key, tonumber(f.final), 'review', f.code)
  redis.call('HINCRBY', key, 'ends', 1)
end

-- What stays of a settled record when its details have expired: enough to answer for it, and to refund it.
-- Short names keep it below 600 bytes with all that Redis needs for it.
local bare = {state = true, fp = true, stub = true, created = true, accepted = true, final = true, ref = true,
  code = true, attempts = true, polls = true, unsent = true, event = true, ends = true, count = true, baseline = true,
  baseline_at = true, refunded = true, erased_at = true, review_code = true, h = true}

-- Lets a key expire, unless it does already: publishing an end again does not keep it longer.
local function expire(key, ms)
  if redis.call('PTTL', key) < 0 then redis.call('PEXPIRE', key, ms) end
end

-- Lets the list of an order's refunds expire with the last of them, this one, which has just settled; while
-- another one is unfinished, or in review, the list stays. Those whose record is gone are taken out of it.
local function age_list(list, key, id, keep_record)
  local record = string.sub(key, 1, #key - #id)
  local busy = false
  for _, other in ipairs(redis.call('ZRANGE', list, 0, -1)) do
    local state = get(record .. other, 'state')
    if state == '' then redis.call('ZREM', list, other)
    elseif not final[state] or state == 'review' then busy = true end
  end
  if busy then redis.call('PERSIST', list) else redis.call('PEXPIRE', list, keep_record) end
end

-- Fields of a claim, which is over when a record ages.
local claims = {runner = true, ['until'] = true, phase = true, solo = true}

-- Lets a settled record age: its bulky fields move to the details, and each expires in its time. list is
-- that of the refunds, for a refund of this id; marked says that its event is on the stream and the record does not have it yet.
local function age(key, details, keep_details, keep_record, list, id, marked)
  if list then age_list(list, key, id, keep_record) end
  local names, kept, stay, f = {}, {}, {}, read(key, 'host', 'h')
  for _, name in ipairs(redis.call('HKEYS', key)) do
    if claims[name] or bare[name] then kept[#kept + 1] = name end
    if not bare[name] then names[#names + 1] = name end
  end
  if f.host ~= '' and f.h == '' then stay = {'h', host_mark(f.host)} end
  -- Which entry of the stream its event is, is of no use any more, only that there is one.
  if marked then stay[#stay + 1], stay[#stay + 2] = 'event', 1 end
  -- A copy without what stays takes less of Redis's log than all that moves.
  if #names > 0 and #names <= 500 and redis.call('COPY', key, details) == 1 then
    redis.call('HDEL', details, unpack(kept))
    redis.call('HDEL', key, unpack(names))
    names = {}
  end
  -- In parts: a refund of many tickets has more fields than a call takes arguments.
  for first = 1, #names, 500 do
    local part, moved = {unpack(names, first, math.min(first + 499, #names))}, {}
    for i, value in ipairs(redis.call('HMGET', key, unpack(part))) do moved[2 * i - 1], moved[2 * i] = part[i], value end
    redis.call('HSET', details, unpack(moved))
    redis.call('HDEL', key, unpack(part))
  end
  if #names > 0 then redis.call('HDEL', details, 'runner', 'until', 'phase', 'solo') end
  if #stay > 0 then redis.call('HSET', key, unpack(stay)) end
  expire(details, keep_details)
  expire(key, keep_record)
end

-- Leads from a text that people search for, by field, to one more record; at most so many. Answers 1 unless it led there already.
local function point(found, field, record, most, lasts)
  local list = redis.call('HGET', found, field)
  if list and string.find('\n' .. list .. '\n', '\n' .. record .. '\n', 1, true) then return 0 end
  if list then
    local _, n = string.gsub(list, '\n', '\n')
    if n + 2 > tonumber(most) then list = string.gsub(list, '^[^\n]*\n', '') end
    record = list .. '\n' .. record
  end
  redis.call('HSET', found, field, record)
  expire(found, lasts)
  return 1
end

-- Publishes the end of a record: appends its event to the stream unless it is marked already, marks the
-- record, takes it out of the open set, lists it while it needs review, and lets it age otherwise. In a
-- cluster events and sets are on other nodes: then there are no such keys, and the caller does it step by
-- step.
-- KEYS: record, details, and k… events, open set, reviews, and of a refund: the order's refunds
-- ARGV[a]… name of the record, provider, account, order, refund or '', member of the sets, events to keep,
--   milliseconds to keep details and record
-- new says that this very script has ended it: then a mark is that of finish, and its event is still to be appended.
-- Answers what went wrong, '' when nothing did.
local function publish(key, details, k, a, new)
  if not KEYS[k] then return '' end
  local f = read(key, 'state', 'code', 'final', 'event', 'ends', 'resolved_by', 'review_code')
  if new or f.event == '' then
    local event = {'event_id', ARGV[a] .. '/' .. f.state .. '/' .. int((tonumber(f.ends) or 0) + 1), 'provider', ARGV[a + 1],
      'account', ARGV[a + 2], 'order_id', ARGV[a + 3], 'refund_id', ARGV[a + 4], 'state', f.state, 'code', f.code, 'at', f.final}
    if f.resolved_by ~= '' then event[#event + 1], event[#event + 2] = 'by', f.resolved_by end
    if f.review_code ~= '' then event[#event + 1], event[#event + 2] = 'review_code', f.review_code end
    local id = redis.pcall('XADD', KEYS[k], 'MAXLEN', '~', ARGV[a + 6], '*', unpack(event))
    if type(id) == 'table' then
      give_back(key, 'event') -- it does not age yet
      return id.err
    end
    if f.state == 'review' then redis.call('HSET', key, 'event', id) end
  end
  if f.state == 'review' then
    redis.call('ZADD', KEYS[k + 2], f.final, ARGV[a + 5])
  else
    redis.call('ZREM', KEYS[k + 2], ARGV[a + 5])
    age(key, details, ARGV[a + 7], ARGV[a + 8], KEYS[k + 3], ARGV[a + 4], f.event == '')
  end
  redis.call('ZREM', KEYS[k + 1], ARGV[a + 5])
  return ''
end
