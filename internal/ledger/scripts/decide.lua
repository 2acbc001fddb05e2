-- decide: record what a person did, in the stream of all decisions and in the list of its order.
-- KEYS[1] the order's list where ARGV[2] is its entry, then the stream, unless it is on another node
-- ARGV: now, entry of the list or '', how many entries it keeps, how long (ms), and the stream's fields, names and values
-- Answers {time}
local t, listed = clock(), ARGV[2] ~= ''
local stream = KEYS[listed and 2 or 1]
if stream then redis.call('XADD', stream, '*', unpack(ARGV, 5)) end
if listed then
  redis.call('RPUSH', KEYS[1], int(t) .. ' ' .. ARGV[2])
  redis.call('LTRIM', KEYS[1], -tonumber(ARGV[3]), -1)
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
return {int(t)}
