-- submit_ticket: write the intent to refund one ticket of the plan, before the call.
-- KEYS[1] refund  ARGV: now, fence, lease ms, index
-- Answers {ok|refused, state}
local key, t = KEYS[1], clock()
local state = get(key, 'state')
local status = get(key, 't:' .. ARGV[4])
if (state ~= 'queued' and state ~= 'submitting') or not held(key, ARGV[2])
  or (status ~= 'planned' and status ~= 'doubt') then
  return {'refused', state}
end
-- An earlier intent of this claim has no answer: it is in doubt, whatever becomes of this one.
if get(key, 'phase') == 'send' then doubt(key, int(t)) end
local n = redis.call('HINCRBY', key, 'attempts', 1)
redis.call('HSETNX', key, 's:' .. ARGV[4], int(t))
redis.call('HSET', key, 'state', 'submitting', 'phase', 'send', 't:' .. ARGV[4], 'sending',
  'sent_at', int(t), 'until', int(t + tonumber(ARGV[3])), 'updated_at', int(t))
note(key, t, 'submitting', 'ticket ' .. tonumber(ARGV[4]) + 1 .. ' attempt ' .. int(n))
return {'ok', 'submitting'}
