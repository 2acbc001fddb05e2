-- release: give the claim back without a result. `how` says what the intent of this claim led to:
--   idle      no request of this claim is open (held back, look-up unclear, waiting)
--   not_sent  the request certainly did not take effect
--   unknown   the request may have taken effect: the next runner must look first
--   unclear   as idle: the provider was asked before anything was sent, and the answer was of no use;
--             since when that is so is kept until the refund is planned
-- KEYS[1] record  ARGV: now, fence, how, code, message
-- Answers {verdict ok|refused, state}
local key, t, how = KEYS[1], clock(), ARGV[3]
local state = get(key, 'state')
if (state ~= 'queued' and state ~= 'submitting') or not held(key, ARGV[2]) then return refused(state) end
if how == 'unknown' or ((how == 'idle' or how == 'unclear') and get(key, 'phase') == 'send') then
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
redis.call('HSET', key, 'state', state, 'updated_at', int(t))
if ARGV[4] ~= '' then redis.call('HSET', key, 'code', ARGV[4], 'message', ARGV[5]) end
if how == 'unclear' then
  redis.call('HSETNX', key, 'unclear_since', int(t))
elseif how ~= 'idle' then
  note(key, t, how, ARGV[4])
end
give_back(key)
-- Crashes count in a row: a runner that gives its claim back was not crashed by the record.
redis.call('HDEL', key, 'crashes')
return applied(state)
