-- yield_turn: give a refund's claim back without a result, and its turn as well when nothing of
-- it has been planned or sent, so that another refund of the order can go first.
-- KEYS[1] refund, KEYS[2] turn  ARGV: now, fence, code, message, '1' when the provider was asked and
--   the answer was of no use (since when that is so is kept until it is planned), refund id
-- Answers {verdict ok|refused, state}
local key, t = KEYS[1], clock()
local state = get(key, 'state')
if state ~= 'queued' or not held(key, ARGV[2]) or get(key, 'count') ~= '' then return refused(state) end
redis.call('HSET', key, 'code', ARGV[3], 'message', ARGV[4])
if ARGV[5] == '1' then redis.call('HSETNX', key, 'unclear_since', int(t)) end
note(key, t, 'waiting', ARGV[3])
give_back(key)
no_crashes(key)
if redis.call('GET', KEYS[2]) == ARGV[6] then redis.call('DEL', KEYS[2]) end
return applied(state)
