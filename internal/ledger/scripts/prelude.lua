-- Common to every script. ARGV[1] is the time in milliseconds, or '' to ask Redis.
-- Every script answers an array of strings.
local function clock()
  if ARGV[1] ~= '' then return tonumber(ARGV[1]) end
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end

-- Numbers go out as whole digits: Lua would write 1.7e+12.
local function int(n) return string.format('%.0f', n) end

local function get(key, field) return redis.call('HGET', key, field) or '' end

local final = {issued = true, refunded = true, partially_refunded = true, failed = true, review = true}

-- One line of history, "MS EVENT DETAIL". The same line is not repeated, and the middle of a
-- very long story is dropped: its beginning and its end are what people need.
local function note(key, t, event, detail)
  local h = get(key, 'history')
  -- A line break in a code or in a person's reason must not forge a line of its own.
  local tail = ' ' .. event .. ' ' .. string.gsub(detail, '%c', ' ') .. '\n'
  if #h >= #tail and string.sub(h, -#tail) == tail then return end
  if #h > 12000 then
    -- Whole lines only: half of one would read as a time and an event that never were.
    local head = string.match(string.sub(h, 1, 4000), '^(.*\n)') or ''
    local rest = string.match(string.sub(h, -6000), '\n(.*)$') or ''
    local cut = '0 … …\n'
    local before = string.find(head, cut, 1, true)
    if before then head = string.sub(head, 1, before - 1) end
    h = head .. cut .. rest
  end
  redis.call('HSET', key, 'history', h .. int(t) .. tail)
end

-- Who holds the fence. A record that was given back has an empty runner.
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

local function give_back(key)
  redis.call('HSET', key, 'runner', '', 'until', '0', 'phase', '')
end

-- Tells the end of a record: appends its event to the stream unless it is marked already, marks the
-- record, lets it expire, takes it out of the open set, and lists it while it needs a person. In a
-- cluster these are on other nodes: then there are no such keys, and the caller does it step by step.
-- KEYS[k]… events, open set, reviews, and of a refund: the order's refunds
-- ARGV[a]… name of the record, provider, order, refund or '', member of the sets, events to keep,
--   milliseconds to keep the record
-- Answers what went wrong, '' when nothing did.
local function tell(key, k, a)
  if not KEYS[k] then return '' end
  local f = redis.call('HMGET', key, 'state', 'code', 'final_at', 'event')
  if not f[4] or f[4] == '' then
    local id = redis.pcall('XADD', KEYS[k], 'MAXLEN', '~', ARGV[a + 5], '*', 'event_id', ARGV[a] .. '/' .. f[1],
      'provider', ARGV[a + 1], 'order_id', ARGV[a + 2], 'refund_id', ARGV[a + 3], 'state', f[1],
      'code', f[2] or '', 'at', f[3])
    if type(id) == 'table' then return id.err end
    redis.call('HSET', key, 'event', id)
  end
  if f[1] == 'review' then
    redis.call('ZADD', KEYS[k + 2], f[3], ARGV[a + 4])
  else
    redis.call('PEXPIRE', key, ARGV[a + 6])
    redis.call('ZREM', KEYS[k + 2], ARGV[a + 4])
    if KEYS[k + 3] then redis.call('PEXPIRE', KEYS[k + 3], ARGV[a + 6]) end
  end
  redis.call('ZREM', KEYS[k + 1], ARGV[a + 4])
  return ''
end
