-- publish: publish the end of a final record, where everything is on one node.
-- KEYS[1] record, KEYS[2] details, and those of publish
-- ARGV: now, and those of publish
-- Answers {verdict ok|refused, state, problem}; refused when the record is not final
local key = KEYS[1]
local state = get(key, 'state')
if not final[state] then return refused(state) end
local r = applied(state)
r[5], r[6] = 'problem', publish(key, KEYS[2], 3, 2)
return r
