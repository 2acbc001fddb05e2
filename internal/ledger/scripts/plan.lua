-- plan: write what a refund is going to do, before its first call. A plan of named tickets is
-- written once; a plan of a number is written anew while no request is in doubt, so that its
-- baseline is never stale.
-- KEYS[1] refund, KEYS[2] turn
-- ARGV: now, fence, plan (sealed), number of tickets, baseline (refunded before, or '' when it cannot be
--   proven), refund id, then for each ticket its status and code ('' each for none)
-- Answers {verdict ok|refused, state, now}
local key, t = KEYS[1], clock()
local state = get(key, 'state')
if state ~= 'queued' or not held(key, ARGV[2]) or get(key, 't:0') ~= '' or in_doubt(key) then
  return refused(state)
end
redis.call('HSET', key, 'plan', ARGV[3], 'count', ARGV[4], 'baseline', ARGV[5], 'baseline_at', int(t))
for i = 7, #ARGV, 2 do
  local at = int((i - 7) / 2)
  redis.call('HSET', key, 't:' .. at, ARGV[i])
  if ARGV[i + 1] ~= '' then redis.call('HSET', key, 'c:' .. at, ARGV[i + 1]) end
end
-- Tickets that are named are nobody else's: other refunds of the order need not wait.
if #ARGV > 6 and redis.call('GET', KEYS[2]) == ARGV[6] then redis.call('DEL', KEYS[2]) end
redis.call('HDEL', key, 'unclear_since', 'code', 'message') -- what it waited for before is over
note(key, t, 'planned', ARGV[4] .. (ARGV[4] == '1' and ' ticket' or ' tickets'))
local r = applied(state)
r[5], r[6] = 'now', int(t)
return r
