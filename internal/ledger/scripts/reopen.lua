-- reopen: a person has a record in review worked on again. What may have been sent is looked up
-- first; a refusal that hid another order under the same number is remembered.
-- KEYS[1] order or refund, and unless it is on another node KEYS[2] reviews
-- ARGV: now, who, reason, member of the reviews
-- Answers {ok|refused, state}
local key, t = KEYS[1], clock()
local state = get(key, 'state')
if state ~= 'review' then return {'refused', state} end
state = 'queued'
if tonumber(get(key, 'attempts')) > 0 then
  state = 'submitting'
  if get(key, 'doubt_at') == '' and get(key, 'rejected_code') == '' and get(key, 't:0') == '' then
    doubt(key, int(t))
  end
end
redis.call('HSET', key, 'state', state, 'updated_at', int(t), 'crashes', '0', 'reopened_at', int(t))
-- Whoever asks for another try gives it all the time that the first one had.
if get(key, 'doubt_since') ~= '' then redis.call('HSET', key, 'doubt_since', int(t)) end
if KEYS[2] then redis.call('ZREM', KEYS[2], ARGV[4]) end
redis.call('HDEL', key, 'doubts', 'unclear_since', 'event', 'final_at', 'code', 'message')
note(key, t, 'reopened', 'by ' .. ARGV[2] .. ': ' .. ARGV[3])
return {'ok', state}
