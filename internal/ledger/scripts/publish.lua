-- publish: tell the end of a final record, where everything is on one node.
-- KEYS[1] order or refund, KEYS[2] events, open set, reviews, and of a refund: the order's refunds
-- ARGV: now, and those of tell
-- Answers {ok|refused, state, what went wrong}; refused when the record is not final
local key = KEYS[1]
local state = get(key, 'state')
if not final[state] then return {'refused', state} end
return {'ok', state, tell(key, 2, 2)}
