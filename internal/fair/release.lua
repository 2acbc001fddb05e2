-- Puts the first tasks of a line at the head of the queue, as asynq itself does when a waiting task is to run at once, but
-- behind those of all lines that were let go on before and have not run yet: on top of them they would keep the
-- first ones back. Those that run, or are pending already, or have ended, are not touched.
--
-- KEYS   1 all, 2 of, 3 out (keys.QueueLine), 4 pending, 5 retry, 6 scheduled (asynq's)
-- ARGV   1 how many  2 merchant  3 prefix of the tasks' keys  4 now (microseconds)  5 how long a task is remembered that was
--        let go on (microseconds)  6 how many tasks are looked at  7 by how much (seconds) those that follow may be early by the queue
--        8 how many of them go on although others are pending
--        9... ids of tasks that go on beside those of the line; one that the queue runs much later waits for something else by now
-- Result {tasks left in the line, 1 if the tasks beyond ARGV 8 were passed over, id...}  with the tasks that were let go on
local now = tonumber(ARGV[4])
local waits = {retry = KEYS[5], scheduled = KEYS[6]}
local go = {}
local function lets(id, state)
	redis.call('ZREM', KEYS[2], id)
	if waits[state] and redis.call('ZREM', waits[state], id) == 1 then
		redis.call('HSET', ARGV[3] .. id, 'state', 'pending')
		redis.call('ZADD', KEYS[3], string.format('%.0f', now), id)
		go[#go + 1] = id
	end
end
local last = #ARGV
local over = last > 8 + tonumber(ARGV[8]) and redis.call('LLEN', KEYS[4]) > 0
if over then last = 8 + tonumber(ARGV[8]) end
for i = 9, last do
	local due = redis.call('ZSCORE', KEYS[5], ARGV[i])
	if due and tonumber(due) <= now / 1e6 + tonumber(ARGV[7]) then lets(ARGV[i], 'retry') end
end
local most = #go + tonumber(ARGV[1])
for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, tonumber(ARGV[6]) - 1)) do
	if #go >= most then break end
	local state = redis.call('HGET', ARGV[3] .. id, 'state')
	if state ~= 'active' then -- else it was put aside a moment ago, and the queue does not know yet that it waits
		lets(id, state)
	end
end
local before = {} -- the first one first
while #go > 0 and #before < tonumber(ARGV[6]) do
	local id = redis.call('LINDEX', KEYS[4], -1 - #before)
	local merchant = id and string.match(id, '^[^:]+:[^:]+:([^:]+):')
	if not merchant or not redis.call('ZSCORE', string.sub(KEYS[3], 1, -1 - #ARGV[2]) .. merchant, id) then break end
	before[#before + 1] = id
end
if #before > 0 then redis.call('LTRIM', KEYS[4], 0, -1 - #before) end
for i = #go, 1, -1 do redis.call('RPUSH', KEYS[4], go[i]) end
for i = #before, 1, -1 do redis.call('RPUSH', KEYS[4], before[i]) end
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', string.format('%.0f', now - tonumber(ARGV[5])))
local left = redis.call('ZCARD', KEYS[2])
if left == 0 then redis.call('SREM', KEYS[1], ARGV[2]) end
table.insert(go, 1, over and 1 or 0)
table.insert(go, 1, left)
return go
