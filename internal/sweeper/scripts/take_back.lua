-- take_back: make tasks pending again whose worker has stopped extending their leases, and those that are
-- active without any lease, which no worker has. Of a task that was deleted asynq may still hand out the id,
-- which makes a task of it that is active and holds nothing: that is removed.
-- KEYS[1] lease    zset  ids of active tasks, by the second in which their lease ends
-- KEYS[2] active   list  ids of active tasks
-- KEYS[3] pending  list  ids of waiting tasks, the next one last
-- ARGV: leases that end by this second are dead, prefix of the tasks' own keys
-- Answers the ids of those that are pending again
-- (All keys of a queue are in one slot, those of its tasks as well.)
local function whole(id) return redis.call('HEXISTS', ARGV[2] .. id, 'msg') == 1 end

local silent = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, 100)
-- The longest active are the last.
for _, id in ipairs(redis.call('LRANGE', KEYS[2], -200, -1)) do
  if not redis.call('ZSCORE', KEYS[1], id) or not whole(id) then silent[#silent + 1] = id end
end
local back = {}
for _, id in ipairs(silent) do
  if not whole(id) then
    redis.call('LREM', KEYS[2], 0, id)
    redis.call('ZREM', KEYS[1], id)
    redis.call('DEL', ARGV[2] .. id)
  elseif redis.call('HGET', ARGV[2] .. id, 'state') == 'active' and redis.call('LREM', KEYS[2], 0, id) > 0 then
    redis.call('ZREM', KEYS[1], id)
    redis.call('RPUSH', KEYS[3], id)
    redis.call('HSET', ARGV[2] .. id, 'state', 'pending')
    back[#back + 1] = id
  end
end
return back
