-- erase: remove what belongs to the customer from a record that is settled, or accepted by the provider
-- (whose stub is enough to follow it up, but not to recognise as ours what was found under its number). The reasons that people gave leave the history, too.
-- KEYS[1] record, KEYS[2] details, KEYS[3] of an order its tickets, KEYS[4] and what operators decided about it
-- ARGV: now, who
-- Answers {verdict ok|refused, state, removed: names of what was there, separated by commas, erased_at}
local key, details, t = KEYS[1], KEYS[2], clock()
local state = get(key, 'state')
if not (state == 'accepted' or (final[state] and state ~= 'review' and get(key, 'event') ~= ''))
  or (state == 'accepted' and (get(key, 'stub') == '' or get(key, 'unproven') ~= '')) then
  return refused(state)
end
local removed = {}
for _, name in ipairs({'doc', 'result', 'plan', 'message', 'review_message', 'resolved_reason'}) do
  if redis.call('HDEL', key, name) + redis.call('HDEL', details, name) > 0 then removed[#removed + 1] = name end
end
if KEYS[3] and redis.call('DEL', KEYS[3]) > 0 then removed[#removed + 1] = 'tickets' end
for i, line in ipairs(KEYS[4] and redis.call('LRANGE', KEYS[4], 0, -1) or {}) do
  local at, entry = string.match(line, '^(%d+) (.*)$')
  local ok, decision = pcall(cjson.decode, entry or '')
  if ok and decision.what ~= 'erase' and decision.reason ~= '' then
    decision.reason = ''
    redis.call('LSET', KEYS[4], i - 1, at .. ' ' .. cjson.encode(decision))
  end
end
local said = {resolved = true, reopened = true, cancelled = true}
local function without_reasons(line)
  local event = string.match(line, '^%d+ (%S+) ')
  return said[event] and string.gsub(line, '( by [^:]*): .*$', '%1') or line
end
if #removed > 0 then
  redis.call('HSET', key, 'erased_at', int(t))
  local where = redis.call('EXISTS', details) == 1 and details or key
  local h = string.gsub(get(where, 'history'), '[^\n]+', without_reasons)
  if h ~= '' then redis.call('HSET', where, 'history', h) end
  note(where, t, 'erased', 'by ' .. ARGV[2])
end
local r = applied(state)
r[5], r[6], r[7], r[8] = 'removed', table.concat(removed, ','), 'erased_at', get(key, 'erased_at')
return r
