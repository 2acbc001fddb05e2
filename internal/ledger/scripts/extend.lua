-- extend: the runner is alive; keep its claim.
-- KEYS[1] record  ARGV: now, fence, lease ms, '1' while the worker does nothing else
-- Answers {verdict ok|refused, state}
local key, t = KEYS[1], clock()
if not held(key, ARGV[2]) then return refused(get(key, 'state')) end
redis.call('HSET', key, 'until', int(t + tonumber(ARGV[3])))
if ARGV[4] == '1' then redis.call('HSET', key, 'solo', '1') end
return applied(get(key, 'state'))
