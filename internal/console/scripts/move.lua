-- move: a person starts or stops a job.
-- KEYS[1] state (hash)  ARGV: from, comma-separated states, to, reason ('' to leave it), by, address
-- Answers 1, or 0 where the job is in none of these states: nothing was written then.
local state = redis.call('HGET', KEYS[1], 'state')
if not state or not string.find(',' .. ARGV[1] .. ',', ',' .. state .. ',', 1, true) then return 0 end
redis.call('HSET', KEYS[1], 'state', ARGV[2])
if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'reason', ARGV[3], 'by', ARGV[4], 'address', ARGV[5]) end
return 1
