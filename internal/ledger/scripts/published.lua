-- published: mark a final record whose event is on the stream, and let it expire: a step of telling
-- a record's end in a cluster.
-- KEYS[1] order or refund
-- ARGV: now, the state that was published, its stream id or '' when it is marked already,
--   milliseconds to keep the record or ''
-- Answers {ok|refused, state}; refused when a person has resolved the record meanwhile, so that
--   another event is due
local key = KEYS[1]
local state = get(key, 'state')
if state ~= ARGV[2] then return {'refused', state} end
if ARGV[3] ~= '' then redis.call('HSET', key, 'event', ARGV[3]) end
if ARGV[4] ~= '' then redis.call('PEXPIRE', key, ARGV[4]) end
return {'ok', state}
