-- finished: an order is not followed any more.
-- ARGV: 6 how many may be asked at a time  7 'finished' by the provider, 'given_up' by us, or 'kept': it is issued, and is still
--       asked, by its own schedule alone, because what the provider shows of it is of no use
-- Answers the orders to wake: what was issued together is found together.
local window = tonumber(ARGV[6])
local since = known(id)
-- Where an answer takes long, one guess after the other would be: the more, the longer it took and the more were right.
local SLOW = 2000
local took = t - (woken(id) or t)
local function guesses()
  if holds then return 0 end
  return math.max(1, math.min(allowed(window), 1 + math.floor(took / SLOW)))
end
forget(id)
if ARGV[7] ~= 'given_up' then redis.call('HDEL', KEYS[4], 'mute', 'mutes') end
if since == ASIDE then since = num(ARGV[4]) end
if ARGV[7] == 'kept' then redis.call('ZADD', KEYS[2], int(OVERTAKEN), id) end
if s.id == id then
  dismiss()
  holds = false
end
if ARGV[7] == 'given_up' or not since or since == OVERTAKEN then
  -- It says nothing about the others. But some order has to be asked.
  if holds then return {} end
  return wake(1, 1)
end
-- Issued after the sentinel's answer began to count: that answer no longer counts, so it stops being the
-- sentinel.
if not s.quiet or since >= s.quiet then
  dismiss()
  holds = false
end
s.proof = math.max(s.proof, since)
s.hits = math.min(s.hits + 1, s.doubts + window)
redis.call('HSET', KEYS[4], 'proof', int(s.proof), 'hits', s.hits)
return wake(allowed(window), guesses())
