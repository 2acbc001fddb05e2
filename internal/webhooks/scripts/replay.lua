-- Begins a replay, or extends one that is under way to an earlier time.
-- ARGV[2] since when (ms)
-- ARGV[3] where the cursor has to be, ARGV[4] where it goes, when the stream has a gap; both '' otherwise
-- Answers whether the cursor was there, 1 or 0.
local since = ARGV[2]
if ARGV[3] ~= '' then
  if field('cursor') ~= ARGV[3] then return 0 end
  redis.call('HSET', state, 'cursor', ARGV[4], 'replay_first', '1')
end
local other = field('replay_since')
if other ~= '' and tonumber(other) < tonumber(since) then since = other end
redis.call('HSET', state, 'replay', '-', 'replay_since', since)
return 1
