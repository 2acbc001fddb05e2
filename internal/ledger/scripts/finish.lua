-- finish: record the final status of an order or a refund, give the order's turn on, and publish the end.
-- Under the fence while it is being submitted; by condition on the state alone once an order is accepted
-- (polls only read, so the first one wins).
-- KEYS[1] record, KEYS[2] details, KEYS[3] of a refund the turn, of an order its refunds; from KEYS[4] on those of publish,
--   unless they are on other nodes
-- ARGV: now, fence or '', state, code, message, the provider's id, result (sealed), polls to add, refunded
--   tickets or '', refund id or '', what a look-up found or '', and those of publish
-- Answers {verdict ok|refused, state, refunds: how many the order has, accepted, final, lane, trace: the record's, for
--   whoever measures, problem: what went wrong in publishing}
local key, t, id = KEYS[1], clock(), ARGV[10]
local f = read(key, 'state', 'fence', 'runner', 'erased_at', 'accepted', 'lane', 'trace')
if f.state == 'accepted' then
  if ARGV[2] ~= '' then return refused(f.state) end
elseif (f.state ~= 'queued' and f.state ~= 'submitting') or f.fence ~= ARGV[2] or f.runner == '' then
  return refused(f.state)
end
found(key, t, ARGV[11])
local fields = {}
local function with(name, value) fields[#fields + 1], fields[#fields + 2] = name, value end
if ARGV[6] ~= '' then with('ref', ARGV[6]) end
if ARGV[7] ~= '' and f.erased_at == '' then with('result', ARGV[7]) end -- erased stays erased
if ARGV[8] ~= '0' then
  with('polls', int((tonumber(get(key, 'polls')) or 0) + tonumber(ARGV[8]))) -- a look-up has counted itself
  with('polled_at', int(t))
end
if id ~= '' then with('refunded', ARGV[9]) end
finish(key, t, ARGV[3], ARGV[4], ARGV[5], nil, fields, KEYS[4])
local waiting = '0'
if id == '' then
  waiting = int(redis.call('ZCARD', KEYS[3]))
else
  if redis.call('GET', KEYS[3]) == id then redis.call('DEL', KEYS[3]) end
end
return {'verdict', 'ok', 'state', ARGV[3], 'accepted', f.accepted, 'final', int(t), 'lane', f.lane, 'trace', f.trace,
  'refunds', waiting, 'problem', publish(key, KEYS[2], 4, 12, true)}
