-- drew_ban: a call for this record was answered with a ban of the account, and that counts against it. It is true
-- whoever has the claim.
-- KEYS[1] record  ARGV: now
-- Answers {verdict ok|refused, state}
local key, t = KEYS[1], clock()
local state = get(key, 'state')
if state == '' or final[state] then return refused(state) end
redis.call('HINCRBY', key, 'bans', 1)
redis.call('HSETNX', key, 'banned_at', int(t))
return applied(state)
