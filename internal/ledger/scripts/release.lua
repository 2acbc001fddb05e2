-- release: give the claim back without a result. `how` says what the intent of this claim led to:
--   idle      no request of this claim is open (held back, look-up unclear, waiting)
--   not_sent  the request certainly did not take effect
--   unknown   the request may have taken effect: the next runner must look first
--   absent    as idle: the provider was asked and does not know the order; when it said so first and last
--             since the last sending is kept
--   unworked  nothing was done with the claim; a refund's turn is given back unless it is planned
--   unclear   as idle: the provider was asked, and the answer was of no use; since when that is so is kept
--             until a refund is planned, and of an order until a look-up is answered
--   unrecognised  as unclear: the provider has an order under the number, and whose it is does not show yet; that is kept
-- KEYS[1] record, of a refund KEYS[2] the turn
-- ARGV: now, fence, how, code, message, refund id or ''
-- Answers {verdict ok|refused, state}
local key, t, how = KEYS[1], clock(), ARGV[3]
local state = get(key, 'state')
if (state ~= 'queued' and state ~= 'submitting') or not held(key, ARGV[2]) then return refused(state) end
local asked = {idle = true, unclear = true, unrecognised = true, absent = true}
if how == 'unknown' or (asked[how] and get(key, 'phase') == 'send') then
  -- (An intent without an answer is never idle.)
  doubt(key, int(t))
  state = 'submitting'
else
  if how == 'not_sent' and get(key, 'phase') == 'send' then redis.call('HINCRBY', key, 'unsent', 1) end
  -- (Tickets have states of their own, so only one of which nothing was ever sent is queued again.)
  if not in_doubt(key) and (get(key, 't:0') == '' or never_sent(key) and not any_ticket(key, open_ticket)) then
    state = 'queued'
  end
end
redis.call('HSET', key, 'state', state)
if ARGV[4] ~= '' then redis.call('HSET', key, 'code', ARGV[4], 'message', ARGV[5]) end
if how == 'absent' then
  redis.call('HDEL', key, 'unclear_since')
  redis.call('HSETNX', key, 'absent', int(t))
  redis.call('HSET', key, 'absent_last', int(t))
end
if how == 'unrecognised' then redis.call('HSET', key, 'unproven', '1') end
if how == 'unclear' or how == 'unrecognised' then
  redis.call('HSETNX', key, 'unclear_since', int(t))
elseif how ~= 'idle' and how ~= 'absent' and how ~= 'unworked' then
  note(key, t, how, ARGV[4])
end
give_back(key)
if how == 'unworked' then
  if KEYS[2] and get(key, 'count') == '' and redis.call('GET', KEYS[2]) == ARGV[6] then redis.call('DEL', KEYS[2]) end
else
  no_crashes(key)
end
return applied(state)
