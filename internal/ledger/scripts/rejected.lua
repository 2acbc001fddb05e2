-- rejected: the provider rejected this claim's request, and a look-up has to confirm that no earlier
-- request took effect before that becomes the end. The claim is kept.
-- KEYS[1] record  ARGV: now, fence, code, message
-- Answers {verdict ok|refused, state}
local key, t = KEYS[1], clock()
local state = get(key, 'state')
if state ~= 'submitting' or not held(key, ARGV[2]) then return refused(state) end
redis.call('HSET', key, 'phase', 'claim', 'rejected_code', ARGV[3], 'rejected_message', ARGV[4],
  'code', ARGV[3], 'message', ARGV[4])
note(key, t, 'rejected', ARGV[3])
return applied(state)
