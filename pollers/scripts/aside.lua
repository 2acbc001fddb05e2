-- aside: an accepted order of which the provider now says that it does not know it. It says nothing about the others, so it
-- is asked by its own schedule alone.
-- Answers the orders to wake.
for _, k in ipairs({1, 3, 5}) do redis.call('ZREM', KEYS[k], id) end
redis.call('ZADD', KEYS[2], int(OVERTAKEN), id)
if s.id == id then
  dismiss()
  holds = false
end
if holds then return {} end
return wake(1, true)
