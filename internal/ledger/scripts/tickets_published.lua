-- tickets_published: take the changes of an order's tickets that are on the stream off the list of those that are due:
-- a step of recording a look in a cluster.
-- KEYS[1] tickets  ARGV: now, the changes, as the script tickets has answered them
-- Answers {verdict ok|refused, state}; refused when they are no longer the first of the list
local due = get(KEYS[1], 'due')
if ARGV[2] == '' or string.sub(due, 1, #ARGV[2]) ~= ARGV[2] then return refused('') end
redis.call('HSET', KEYS[1], 'due', string.sub(due, #ARGV[2] + 1))
return applied('')
