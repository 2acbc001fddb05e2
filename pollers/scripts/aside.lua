-- aside: an accepted order of which the provider now says that it does not know it. It says nothing about the others, so it
-- is asked by its own schedule alone until it answers "not yet".
-- Answers the orders to wake.
local overtaken = known(id) == OVERTAKEN
for _, k in ipairs({1, 3, 5}) do redis.call('ZREM', KEYS[k], id) end
if not overtaken then redis.call('ZADD', KEYS[2], int(ASIDE), id) end
if s.id == id then
  dismiss()
  holds = false
end
if holds then return {} end
return wake(1, true)
