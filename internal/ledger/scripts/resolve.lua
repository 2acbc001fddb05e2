-- resolve: a person decides what the machine could not prove.
-- KEYS[1] record  ARGV: now, state, who, reason
-- Answers {verdict ok|refused, state}; refused, too, while the event of the review is not published
local key, t = KEYS[1], clock()
local state = get(key, 'state')
if state ~= 'review' or get(key, 'event') == '' then return refused(state) end
again(key)
redis.call('HSET', key, 'resolved_by', ARGV[3], 'resolved_reason', ARGV[4], 'review_code', get(key, 'code'), 'review_message', get(key, 'message'))
note(key, t, 'resolved', ARGV[2] .. ' by ' .. ARGV[3] .. ': ' .. ARGV[4])
redis.call('HDEL', key, 'rejected_code', 'rejected_message') -- what is true was decided, and not by this
finish(key, t, ARGV[2], '', '')
return applied(ARGV[2])
