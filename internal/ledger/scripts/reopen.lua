-- reopen: a person has a record in review worked on again. What may have been sent is looked up
-- first; a refusal that hid another order under the same number is remembered.
-- KEYS[1] order or refund  ARGV: now, who, reason
-- Answers {ok|refused, state}
local key, t = KEYS[1], clock()
local state = get(key, 'state')
if state ~= 'review' then return {'refused', state} end
state = 'queued'
if tonumber(get(key, 'attempts')) > 0 then
  state = 'submitting'
  if get(key, 'doubt_at') == '' and get(key, 'rejected_code') == '' and get(key, 't:0') == '' then
    redis.call('HSET', key, 'doubt_at', int(t))
  end
end
redis.call('HSET', key, 'state', state, 'updated_at', int(t), 'crashes', '0')
redis.call('HDEL', key, 'event', 'final_at', 'code', 'message')
note(key, t, 'reopened', 'by ' .. ARGV[2] .. ': ' .. ARGV[3])
return {'ok', state}
