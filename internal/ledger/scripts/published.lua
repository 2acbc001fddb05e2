-- published: mark a final record whose event is on the stream, and let a settled one age: a step of
-- publishing a record's end in a cluster.
-- KEYS[1] record, KEYS[2] details; of a refund KEYS[3] the order's refunds
-- ARGV: now, how many earlier ends the published record had ('' for none), the event's stream id or '' when it is marked already,
--   milliseconds to keep details and record, refund id or ''
-- Answers {verdict ok|refused, state}; refused when the record has ended anew meanwhile (a person resolved
--   it), so that another event is due
local key = KEYS[1]
local state = get(key, 'state')
if not final[state] or get(key, 'ends') ~= ARGV[2] then return refused(state) end
if state ~= 'review' then age(key, KEYS[2], ARGV[4], ARGV[5], KEYS[3], ARGV[6], ARGV[3] ~= '')
elseif ARGV[3] ~= '' then redis.call('HSET', key, 'event', ARGV[3]) end
return applied(state)
