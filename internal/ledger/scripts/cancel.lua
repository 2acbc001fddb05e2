-- cancel: end a record of which nothing was ever sent. A runner that holds it is fenced off before its
-- intent.
-- KEYS[1] record, KEYS[2] details, KEYS[3] of a refund the turn, of an order its refunds; from KEYS[4] on those of publish,
--   unless they are on other nodes
-- ARGV: now, who, reason, refund id or '', and those of publish
-- Answers {verdict ok|refused, state, problem}; refused when a request may have left, or it has ended
local key, t, id = KEYS[1], clock(), ARGV[4]
local state = get(key, 'state')
if state ~= 'queued' or in_doubt(key) or not never_sent(key) or any_ticket(key, open_ticket) then
  return refused(state)
end
redis.call('HINCRBY', key, 'fence', 1)
finish(key, t, 'cancelled', '', '', 'by ' .. ARGV[2] .. ': ' .. ARGV[3], {'resolved_by', ARGV[2], 'resolved_reason', ARGV[3]},
  KEYS[4])
local waiting = '0'
if id == '' then
  waiting = int(redis.call('ZCARD', KEYS[3]))
else
  redis.call('HSET', key, 'refunded', '0')
  if redis.call('GET', KEYS[3]) == id then redis.call('DEL', KEYS[3]) end
end
local r = applied('cancelled')
r[5], r[6], r[7], r[8] = 'refunds', waiting, 'problem', publish(key, KEYS[2], 4, 5, true)
return r
