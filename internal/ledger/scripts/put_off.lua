-- put_off: set when records that due has given are to be inspected next. A record that was claimed
-- anew meanwhile, or finished, is left alone: whoever did that knows better.
-- KEYS[1] open set, or another set of records by time
-- ARGV: now, until when (ms) due has put them off, then of each its member and time (ms), or '' to take it
--   out of the set
-- Answers {how many were set}
local set, mark, n = KEYS[1], tonumber(ARGV[2]), 0
for i = 3, #ARGV, 2 do
  if tonumber(redis.call('ZSCORE', set, ARGV[i]) or '') == mark then
    if ARGV[i + 1] == '' then
      redis.call('ZREM', set, ARGV[i])
    else
      redis.call('ZADD', set, ARGV[i + 1], ARGV[i])
    end
    n = n + 1
  end
end
return {int(n)}
