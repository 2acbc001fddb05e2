-- confirmed: the provider confirmed this claim's request for a refund by number, in an answer that does not prove it,
-- for it may be an older one: its effect has still to show. The claim is kept.
-- KEYS[1] refund  ARGV: now, fence, code, message
-- Answers {verdict ok|refused, state, now}
local key, t = KEYS[1], clock()
local state = get(key, 'state')
if state ~= 'submitting' or not held(key, ARGV[2]) or get(key, 'phase') ~= 'send'
  or get(key, 'count') == '' or get(key, 't:0') ~= '' then return refused(state) end
doubt(key, int(t))
redis.call('HSET', key, 'phase', 'claim', 'confirmed', '1', 'code', ARGV[3], 'message', ARGV[4])
note(key, t, 'confirmed', 'its effect has still to show')
local r = applied(state)
r[5], r[6] = 'now', int(t)
return r
