-- extend: the runner is alive; keep its claim.
-- KEYS[1] record  ARGV: now, fence, lease ms
-- Answers {verdict ok|refused, state}
local key, t = KEYS[1], clock()
if not held(key, ARGV[2]) then return refused(get(key, 'state')) end
redis.call('HSET', key, 'until', int(t + tonumber(ARGV[3])))
return applied(get(key, 'state'))
