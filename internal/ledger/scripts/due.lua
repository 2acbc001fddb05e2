-- due: take the unfinished records whose inspection is due, the longest due first, and put them off for
-- a while, so that of several sweepers each takes others. One that dies has only delayed them.
-- KEYS[1] open set  ARGV: now, how many at most, how long (ms) they are put off
-- Answers {until when (ms) they are put off, members …}
local set, t = KEYS[1], clock()
local mark = int(t + tonumber(ARGV[3]))
local members = redis.call('ZRANGEBYSCORE', set, '-inf', int(t), 'LIMIT', 0, ARGV[2])
for _, member in ipairs(members) do redis.call('ZADD', set, mark, member) end
table.insert(members, 1, mark)
return members
