-- begin: claim an order for work, making its record when there is none.
-- KEYS[1] order, and unless it is on another node KEYS[2] open set
-- ARGV: now, runner, lease ms, fingerprint, provider, order, member of the open set, lane, shape, document
-- Answers {verdict, state, fence, attempts, doubt_at, until, rejected_code, rejected_message,
--          event, fingerprint, crashes, ref, doubt_since, doubts}; verdict is one of
--   send      claimed; nothing of an earlier attempt is in doubt
--   look_up   claimed; an earlier request may have taken effect
--   busy      another runner's claim is valid until `until`
--   accepted  the provider has the order: poll
--   final     nothing left to do (event is '' when its event is still to be published)
--   conflict  the record belongs to another document under the same number
local key, t = KEYS[1], clock()
local function reply(verdict)
  local f = redis.call('HMGET', key, 'state', 'fence', 'attempts', 'doubt_at', 'until', 'rejected_code',
    'rejected_message', 'event', 'fp', 'crashes', 'ref', 'doubt_since', 'doubts')
  for i = 1, 13 do f[i] = f[i] or '' end
  if KEYS[2] and not (final[f[1]] and f[8] ~= '') then redis.call('ZADD', KEYS[2], int(t + tonumber(ARGV[3])), ARGV[7]) end
  table.insert(f, 1, verdict)
  return f
end

local state = get(key, 'state')
if state == '' then
  redis.call('HSET', key, 'v', '1', 'provider', ARGV[5], 'order_id', ARGV[6], 'lane', ARGV[8],
    'shape', ARGV[9], 'doc', ARGV[10], 'fp', ARGV[4], 'state', 'queued', 'fence', '1',
    'runner', ARGV[2], 'until', int(t + tonumber(ARGV[3])), 'phase', 'claim',
    'attempts', '0', 'polls', '0', 'created_at', int(t), 'updated_at', int(t))
  note(key, t, 'queued', ARGV[8])
  return reply('send')
end
if get(key, 'fp') ~= ARGV[4] then return reply('conflict') end
if final[state] then return reply('final') end
if state == 'accepted' then return reply('accepted') end

if get(key, 'runner') ~= '' then
  if tonumber(get(key, 'until')) > t then return reply('busy') end
  -- The runner died, or lost Redis, with the claim in its hands. If it had written an intent,
  -- its request may have left at any moment until the claim ran out.
  redis.call('HINCRBY', key, 'crashes', 1)
  note(key, t, 'abandoned', get(key, 'runner'))
  if get(key, 'phase') == 'send' then doubt(key, get(key, 'until')) end
end
redis.call('HINCRBY', key, 'fence', 1)
redis.call('HSET', key, 'runner', ARGV[2], 'until', int(t + tonumber(ARGV[3])), 'phase', 'claim',
  'updated_at', int(t))
-- A no that nothing has confirmed yet is a doubt as well.
if get(key, 'doubt_at') ~= '' or get(key, 'rejected_code') ~= '' then return reply('look_up') end
return reply('send')
