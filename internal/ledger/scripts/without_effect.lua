-- without_effect: it is proven that no request for a refund by number had, or can have, an effect; it is planned anew. The
-- claim is kept.
-- KEYS[1] refund  ARGV: now, fence
-- Answers {verdict ok|refused, state}
local key, t = KEYS[1], clock()
local f = read(key, 'state', 'phase', 'count', 't:0', 'attempts', 'doubt_at', 'rejected_code', 'confirmed')
if f.state ~= 'submitting' or not held(key, ARGV[2]) or f.phase == 'send' or f.count == '' or f['t:0'] ~= '' then return refused(f.state) end
no_doubt(key, f)
redis.call('HDEL', key, 'absent', 'absent_last')
redis.call('HSET', key, 'state', 'queued', 'unsent', f.attempts)
note(key, t, 'without_effect', '')
return applied('queued')
