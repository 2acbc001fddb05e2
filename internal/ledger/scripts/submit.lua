-- submit: write the intent to call the provider, before the call.
-- KEYS[1] order or refund  ARGV: now, fence, lease ms
-- Answers {ok|refused, state, attempts}
local key, t = KEYS[1], clock()
local state = get(key, 'state')
if (state ~= 'queued' and state ~= 'submitting') or not held(key, ARGV[2]) then
  return {'refused', state, get(key, 'attempts')}
end
-- A refund by number is planned before its first call; one ticket by ticket has submit_ticket.
if get(key, 'refund_id') ~= '' and (get(key, 'count') == '' or get(key, 't:0') ~= '') then
  return {'refused', state, get(key, 'attempts')}
end
-- An earlier intent of this claim has no answer: it is in doubt, whatever becomes of this one.
if get(key, 'phase') == 'send' then doubt(key, int(t)) end
local n = redis.call('HINCRBY', key, 'attempts', 1)
redis.call('HSET', key, 'state', 'submitting', 'phase', 'send', 'sent_at', int(t),
  'until', int(t + tonumber(ARGV[3])), 'updated_at', int(t))
note(key, t, 'submitting', 'attempt ' .. int(n) .. ' by ' .. get(key, 'runner'))
return {'ok', 'submitting', int(n)}
