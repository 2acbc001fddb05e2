-- submit: write the intent to call the provider, before the call: for an order, for a refund by number,
-- or for one ticket of a refund's plan.
-- KEYS[1] record
-- ARGV: now, fence, lease ms, the provider's host, stub of the document or '', ticket's place in the plan or '',
--   '1' for a refund
-- Answers {verdict ok|refused, state, attempts, now}
local key, t, i = KEYS[1], clock(), ARGV[6]
local state = get(key, 'state')
local function allowed()
  if (state ~= 'queued' and state ~= 'submitting') or not held(key, ARGV[2]) then return false end
  if i ~= '' then
    local status = get(key, 't:' .. i)
    return status == 'planned' or status == 'doubt'
  end
  -- A refund by number is planned before its first call; one ticket by ticket names the ticket.
  return ARGV[7] == '' or (get(key, 'count') ~= '' and get(key, 't:0') == '')
end
if not allowed() then return refused(state) end
-- An earlier intent of this claim has no answer: it is in doubt, whatever becomes of this one.
if get(key, 'phase') == 'send' then doubt(key, int(t)) end
local f = redis.call('HMGET', key, 'attempts', 'first', 'stub')
local n = (tonumber(f[1] or '') or 0) + 1
local fields = {'attempts', int(n), 'state', 'submitting', 'phase', 'send', 'sent_at', int(t), 'host', ARGV[4],
  'until', int(t + tonumber(ARGV[3])), 'updated_at', int(t)}
local function with(name, value) fields[#fields + 1], fields[#fields + 2] = name, value end
redis.call('HDEL', key, 'absent', 'absent_last', 'confirmed', 'unclear_since')
if not f[2] then with('first', int(t)) end
if ARGV[5] ~= '' and ARGV[5] ~= f[3] then with('stub', ARGV[5]) end
local what = 'attempt ' .. int(n) .. ' by ' .. get(key, 'runner')
if i ~= '' then
  redis.call('HSETNX', key, 's:' .. i, int(t))
  redis.call('HSET', key, 't:' .. i, 'sending')
  redis.call('HDEL', key, 'r:' .. i)
  what = 'ticket ' .. int(tonumber(i) + 1) .. ' attempt ' .. int(n)
end
note(key, t, 'submitting', what, fields)
local r = applied('submitting')
r[5], r[6], r[7], r[8] = 'attempts', int(n), 'now', int(t)
return r
