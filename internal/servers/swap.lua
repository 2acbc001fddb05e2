-- Replaces a queue's mark if it is still the expected one.
--
-- KEYS   1 hash of marks (keys.QueuesHeld)
-- ARGV   1 queue  2 expected mark  3 new mark, or empty to delete it
-- Result 1 when it was replaced, else 0
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
if ARGV[3] == '' then
	redis.call('HDEL', KEYS[1], ARGV[1])
else
	redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
return 1
