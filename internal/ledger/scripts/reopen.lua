-- reopen: a person has a record in review worked on again. What may have been sent is looked up
-- first; a rejection that hid another order under the same number is remembered.
-- KEYS[1] record, and unless it is on another node KEYS[2] reviews
-- ARGV: now, who, reason, member of the reviews
-- Answers {verdict ok|refused, state}; refused, too, while the event of the review is not published
local key, t = KEYS[1], clock()
local state = get(key, 'state')
if state ~= 'review' or get(key, 'event') == '' then return refused(state) end
state = 'queued'
if in_doubt(key) or not never_sent(key) then
  state = 'submitting'
  if not in_doubt(key) and get(key, 't:0') == '' then doubt(key, int(t)) end
end
again(key)
redis.call('HSET', key, 'state', state, 'reopened_at', int(t))
-- Whoever asks for another try gives it all the time that the first one had.
if get(key, 'doubt_since') ~= '' then redis.call('HSET', key, 'doubt_since', int(t)) end
if KEYS[2] then redis.call('ZREM', KEYS[2], ARGV[4]) end
redis.call('HDEL', key, 'crashes', 'abandoned', 'bans', 'banned_at', 'absent', 'absent_last', 'doubts', 'unclear_since', 'unclear', 'unproven', 'event', 'final', 'code', 'message')
note(key, t, 'reopened', 'by ' .. ARGV[2] .. ': ' .. ARGV[3])
return applied(state)
