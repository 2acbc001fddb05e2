-- finish: record the final status of an order and tell it. Under the fence while it is being
-- submitted; by condition on the state alone once it is accepted (polls only read, so the first one
-- wins).
-- KEYS[1] order, and unless they are on other nodes KEYS[2] events, open set, reviews
-- ARGV: now, fence or '', state, code, message, ref, result, polls to add, and those of tell
-- Answers {ok|refused, state, what went wrong in telling it}
local key, t = KEYS[1], clock()
local state = get(key, 'state')
if state == 'accepted' then
  if ARGV[2] ~= '' then return {'refused', state} end
elseif state == 'queued' or state == 'submitting' then
  if not held(key, ARGV[2]) then return {'refused', state} end
else
  return {'refused', state}
end
redis.call('HSET', key, 'state', ARGV[3], 'final_at', int(t), 'updated_at', int(t))
if ARGV[3] == 'issued' then redis.call('HDEL', key, 'code', 'message') end
if ARGV[4] ~= '' then redis.call('HSET', key, 'code', ARGV[4], 'message', ARGV[5]) end
if ARGV[6] ~= '' then redis.call('HSET', key, 'ref', ARGV[6]) end
if ARGV[7] ~= '' then redis.call('HSET', key, 'result', ARGV[7]) end
if ARGV[3] == 'issued' and state ~= 'accepted' then redis.call('HSETNX', key, 'accepted_at', int(t)) end
if ARGV[8] ~= '0' then
  redis.call('HINCRBY', key, 'polls', ARGV[8])
  redis.call('HSET', key, 'polled_at', int(t))
end
if ARGV[3] ~= 'review' then redis.call('HDEL', key, 'doubt_at', 'doubt_since', 'doubts', 'rejected_code', 'rejected_message') end
note(key, t, ARGV[3], ARGV[4])
give_back(key)
return {'ok', ARGV[3], tell(key, 2, 9)}
