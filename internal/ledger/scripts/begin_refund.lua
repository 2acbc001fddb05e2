-- begin_refund: claim a refund for work, making its record when there is none, and take the
-- order's turn: one refund of an order is under way at a time.
-- KEYS[1] refund, KEYS[2] turn, KEYS[3] refunds, and unless it is on another node KEYS[4] open set
-- ARGV: now, runner, lease ms, fingerprint, provider, order, member of the open set, lane, shape, document,
--   refund id
-- Answers {verdict, state, fence, attempts, doubt_at, until, rejected_code, rejected_message,
--          event, fingerprint, crashes, turn, doubt_since, doubts}; verdict as in begin, without `accepted`, and
--   wait_turn  another refund of the order (`turn`) is under way; nothing was claimed
local key, t = KEYS[1], clock()
local function reply(verdict)
  local f = redis.call('HMGET', key, 'state', 'fence', 'attempts', 'doubt_at', 'until', 'rejected_code',
    'rejected_message', 'event', 'fp', 'crashes')
  for i = 1, 10 do f[i] = f[i] or '' end
  if KEYS[4] and not (final[f[1]] and f[8] ~= '') then redis.call('ZADD', KEYS[4], int(t + tonumber(ARGV[3])), ARGV[7]) end
  table.insert(f, 1, verdict)
  f[12] = redis.call('GET', KEYS[2]) or ''
  f[13], f[14] = get(key, 'doubt_since'), get(key, 'doubts')
  return f
end

local state = get(key, 'state')
if state == '' then
  redis.call('HSET', key, 'v', '1', 'provider', ARGV[5], 'order_id', ARGV[6], 'refund_id', ARGV[11],
    'lane', ARGV[8], 'shape', ARGV[9], 'doc', ARGV[10], 'fp', ARGV[4], 'state', 'queued', 'fence', '0',
    'runner', '', 'until', '0', 'phase', '', 'attempts', '0', 'created_at', int(t), 'updated_at', int(t))
  redis.call('ZADD', KEYS[3], int(t), ARGV[11])
  redis.call('PERSIST', KEYS[3]) -- an earlier refund that is finished lets the list expire
  note(key, t, 'queued', ARGV[8])
  state = 'queued'
end
if get(key, 'fp') ~= ARGV[4] then return reply('conflict') end
if final[state] then return reply('final') end

local turn = redis.call('GET', KEYS[2])
if turn and turn ~= ARGV[11] then
  -- The holder's record stands in the same slot. One that was deleted must not block the order.
  local holder = string.sub(KEYS[1], 1, #KEYS[1] - #ARGV[11]) .. turn
  if redis.call('EXISTS', holder) == 1 then return reply('wait_turn') end
end

if get(key, 'runner') ~= '' then
  if tonumber(get(key, 'until')) > t then return reply('busy') end
  redis.call('HINCRBY', key, 'crashes', 1)
  note(key, t, 'abandoned', get(key, 'runner'))
  if get(key, 'phase') == 'send' then doubt(key, get(key, 'until')) end
end
redis.call('SET', KEYS[2], ARGV[11])
redis.call('HINCRBY', key, 'fence', 1)
redis.call('HSET', key, 'runner', ARGV[2], 'until', int(t + tonumber(ARGV[3])), 'phase', 'claim',
  'updated_at', int(t))
-- A no that nothing has confirmed yet is a doubt as well.
if get(key, 'doubt_at') ~= '' or get(key, 'rejected_code') ~= '' then return reply('look_up') end
return reply('send')
