-- step: whoever works on a job writes what it has done, as long as it holds the job's lease.
-- KEYS[1] state (hash), KEYS[2] lease (string), KEYS[3] list  ARGV: holder, lease in ms, life in ms, number of fields n, n names
-- and values, then entries to append to the list
-- Answers 1, or 0 where another one holds the lease or the job was stopped: nothing was written then.
if redis.call('GET', KEYS[2]) ~= ARGV[1] or redis.call('HGET', KEYS[1], 'state') == 'stopped' then return 0 end
redis.call('PEXPIRE', KEYS[2], ARGV[2])
local n = tonumber(ARGV[4])
for i = 5, 4 + 2 * n, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
for i = 5 + 2 * n, #ARGV do redis.call('RPUSH', KEYS[3], ARGV[i]) end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[3], ARGV[3])
return 1
