-- finish_refund: record the final status of a refund, give the order's turn on, and tell the end.
-- KEYS[1] refund, KEYS[2] turn, and unless they are on other nodes KEYS[3] events, open set, reviews,
--   refunds
-- ARGV: now, fence, state, code, message, refunded count, and those of tell
-- Answers {ok|refused, state, what went wrong in telling it}
local key, t = KEYS[1], clock()
local state = get(key, 'state')
if (state ~= 'queued' and state ~= 'submitting') or not held(key, ARGV[2]) then
  return {'refused', state}
end
redis.call('HSET', key, 'state', ARGV[3], 'final_at', int(t), 'updated_at', int(t), 'refunded', ARGV[6])
redis.call('HDEL', key, 'code', 'message')
if ARGV[4] ~= '' then redis.call('HSET', key, 'code', ARGV[4], 'message', ARGV[5]) end
if ARGV[3] ~= 'review' then redis.call('HDEL', key, 'doubt_at', 'doubt_since', 'doubts', 'rejected_code', 'rejected_message') end
note(key, t, ARGV[3], ARGV[4])
give_back(key)
if redis.call('GET', KEYS[2]) == get(key, 'refund_id') then redis.call('DEL', KEYS[2]) end
return {'ok', ARGV[3], tell(key, 3, 7)}
