-- settle_ticket: record what became of one ticket of the plan. The claim is kept.
-- KEYS[1] refund  ARGV: now, fence, index, status (planned, doubt, refunded, elsewhere, rejected),
--   code, time in doubt in ms or '', '1' when the request of this claim certainly had no effect,
--   code of a rejection that is still to be confirmed or '', '1' when the ticket was shown as refunded, '1' when by
--   an answer that names it, '1' when the provider has confirmed the refund
-- Answers {verdict ok|refused, state, now}
local key, t = KEYS[1], clock()
local state = get(key, 'state')
if (state ~= 'queued' and state ~= 'submitting') or not held(key, ARGV[2]) then return refused(state) end
local before = get(key, 't:' .. ARGV[3])
if before == '' or before == 'refunded' or before == 'elsewhere' or before == 'rejected' then return refused(state) end
if ARGV[7] == '1' and before == 'sending' and get(key, 'phase') == 'send' then
  redis.call('HINCRBY', key, 'unsent', 1)
  if get(key, 'n:' .. ARGV[3]) == '' then redis.call('HDEL', key, 's:' .. ARGV[3]) end -- none for it has ever left
end
redis.call('HSET', key, 't:' .. ARGV[3], ARGV[4], 'phase', 'claim')
if ARGV[5] ~= '' then redis.call('HSET', key, 'c:' .. ARGV[3], ARGV[5])
elseif ARGV[4] == 'refunded' then redis.call('HDEL', key, 'c:' .. ARGV[3]) end -- what was in doubt before is not
if ARGV[8] ~= '' then redis.call('HSET', key, 'r:' .. ARGV[3], ARGV[8]) else redis.call('HDEL', key, 'r:' .. ARGV[3]) end
if ARGV[9] == '1' then redis.call('HSET', key, 'v:' .. ARGV[3], int(t)) end
if ARGV[10] == '1' then redis.call('HSET', key, 'p:' .. ARGV[3], '1') end
if ARGV[11] == '1' then redis.call('HSETNX', key, 'y:' .. ARGV[3], int(t)) end
if ARGV[4] == 'doubt' then
  local at = ARGV[6] ~= '' and ARGV[6] or int(t)
  if get(key, 'd:' .. ARGV[3]) ~= at then -- not one that goes back to where it was
    redis.call('HSETNX', key, 'b:' .. ARGV[3], at)
    redis.call('HINCRBY', key, 'n:' .. ARGV[3], 1)
  end
  redis.call('HSET', key, 'd:' .. ARGV[3], at)
end
-- The record's doubt lasts until every ticket it may be about is settled or in doubt itself.
if not any_ticket(key, {sending = true}) then redis.call('HDEL', key, 'doubt_at', 'doubt_since', 'doubts') end
local what = ARGV[4] .. ' ' .. ARGV[5]
if what == 'doubt unconfirmed' then what = 'confirmed, its effect has still to show' end
if ARGV[9] == '1' then what = 'shown as refunded, which is still to be confirmed' end
if ARGV[10] == '1' then what = 'shown as refunded by the list' end
note(key, t, 'ticket ' .. tonumber(ARGV[3]) + 1, what)
local r = applied(state)
r[5], r[6] = 'now', int(t)
return r
