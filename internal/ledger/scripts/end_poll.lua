-- end_poll: give an accepted order's claim back after a poll that is not counted.
-- KEYS[1] order  ARGV: now, fence, '1' when nothing was done with the claim: the runners that died before stay counted
-- Answers {verdict ok|refused, state}
local key = KEYS[1]
local state = get(key, 'state')
if state ~= 'accepted' or not held(key, ARGV[2]) then return refused(state) end
give_back(key)
if ARGV[3] == '' then no_crashes(key) end
return applied(state)
