-- resolve: a person decides what the machine could not prove.
-- KEYS[1] order or refund  ARGV: now, state, who, reason
-- Answers {ok|refused, state}
local key, t = KEYS[1], clock()
local state = get(key, 'state')
if state ~= 'review' then return {'refused', state} end
redis.call('HSET', key, 'state', ARGV[2], 'final_at', int(t), 'updated_at', int(t),
  'resolved_by', ARGV[3], 'resolved_reason', ARGV[4])
redis.call('HDEL', key, 'event', 'doubt_at', 'doubt_since', 'doubts', 'rejected_code', 'rejected_message')
note(key, t, 'resolved', ARGV[2] .. ' by ' .. ARGV[3] .. ': ' .. ARGV[4])
return {'ok', ARGV[2]}
