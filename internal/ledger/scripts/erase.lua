-- erase: remove what belongs to the customer from a record that is settled, or accepted by the provider
-- (whose stub is enough to follow it up).
-- KEYS[1] record, KEYS[2] details  ARGV: now, who
-- Answers {verdict ok|refused, state, removed: names of what was there, separated by commas}
local key, details, t = KEYS[1], KEYS[2], clock()
local state = get(key, 'state')
if not (state == 'accepted' or (final[state] and state ~= 'review' and get(key, 'event') ~= ''))
  or (state == 'accepted' and get(key, 'stub') == '') then
  return refused(state)
end
local removed = {}
for _, name in ipairs({'doc', 'result', 'plan', 'message', 'resolved_reason'}) do
  if redis.call('HDEL', key, name) + redis.call('HDEL', details, name) > 0 then removed[#removed + 1] = name end
end
if #removed > 0 then
  redis.call('HSET', key, 'erased_at', int(t))
  if redis.call('EXISTS', details) == 1 then key = details end
  note(key, t, 'erased', 'by ' .. ARGV[2])
  key = KEYS[1]
end
local r = applied(state)
r[5], r[6], r[7], r[8] = 'removed', table.concat(removed, ','), 'erased_at', get(key, 'erased_at')
return r
