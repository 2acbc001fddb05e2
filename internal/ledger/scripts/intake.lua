-- intake: make the record of a document, unless there is one.
-- KEYS[1] record; of a refund KEYS[2] the order's refunds; then (KEYS[2], of a refund KEYS[3]), unless it is on
--   another node, the open set; then those of wake, which makes the task of a new record
-- ARGV: now, member of the open set, when (ms from now) it is inspected first, lane, fingerprint,
--   document (sealed), refund id or '', trace context or '', stub of the document or '', shape or '' where the stub shows it, how
--   many of KEYS are not wake's, and those of wake
-- Answers {verdict new|known, state, fp, created, woken: what wake answered, or ''}; new again when this very
--   call is repeated because its answer was lost
local key, t = KEYS[1], clock()

local function woken()
  if not wake then return '' end
  local k, a = {}, {}
  for i = tonumber(ARGV[11]) + 1, #KEYS do k[#k + 1] = KEYS[i] end
  for i = 12, #ARGV do a[#a + 1] = ARGV[i] end
  return tostring(wake(k, a))
end

local f = redis.call('HMGET', key, 'state', 'fp', 'doc', 'created', 'fence')
if f[1] then
  -- A sealed document is never twice the same, so this is the call that made the record.
  local ours = f[3] == ARGV[6] and f[1] == 'queued' and not f[5]
  return {'verdict', ours and 'new' or 'known', 'state', f[1], 'fp', f[2] or '', 'created', f[4] or '',
    'woken', ours and woken() or ''}
end
local fields = {'state', 'queued', 'lane', ARGV[4], 'fp', ARGV[5], 'doc', ARGV[6], 'created', int(t)}
for i, name in ipairs({'trace', 'stub', 'shape'}) do
  local value = ARGV[7 + i]
  if value ~= '' then fields[#fields + 1], fields[#fields + 2] = name, value end
end
redis.call('HSET', key, unpack(fields))
local open = 2
if ARGV[7] ~= '' then
  redis.call('ZADD', KEYS[2], int(t), ARGV[7])
  redis.call('PERSIST', KEYS[2]) -- an earlier refund that has ended lets the list expire
  open = 3
end
if tonumber(ARGV[11]) >= open then redis.call('ZADD', KEYS[open], int(t + tonumber(ARGV[3])), ARGV[2]) end
return {'verdict', 'new', 'state', 'queued', 'fp', ARGV[5], 'created', int(t), 'woken', woken()}
