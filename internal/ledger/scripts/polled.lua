-- polled: the provider was asked and has not issued yet, or did not answer clearly. The poll's claim is given back.
-- KEYS[1] order  ARGV: now, code, message, 'unclear' when the answer was not clear (since when and how often in a row is
--   kept), 'absent' when the provider does not know the order (since when and when last is kept), the poll's fence
-- Answers {verdict ok|refused, state, polls}
local key, t = KEYS[1], clock()
local state = get(key, 'state')
if state ~= 'accepted' then return refused(state) end
if held(key, ARGV[5]) then
  give_back(key)
  no_crashes(key)
end
local r = applied(state)
r[5], r[6] = 'polls', int(redis.call('HINCRBY', key, 'polls', 1))
redis.call('HSET', key, 'polled_at', int(t))
if ARGV[4] == 'unclear' then
  redis.call('HSETNX', key, 'unclear_since', int(t))
  redis.call('HINCRBY', key, 'unclear', 1)
else
  redis.call('HDEL', key, 'unclear_since', 'unclear')
  if ARGV[4] == 'absent' then
    redis.call('HSETNX', key, 'absent', int(t))
    redis.call('HSET', key, 'absent_last', int(t))
  else
    redis.call('HDEL', key, 'absent', 'absent_last')
  end
end
if ARGV[2] ~= '' then
  redis.call('HSET', key, 'code', ARGV[2], 'message', ARGV[3])
else
  redis.call('HDEL', key, 'code', 'message')
end
return r
