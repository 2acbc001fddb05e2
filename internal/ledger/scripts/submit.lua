-- submit: write the intent to call the provider, before the call: for an order, for a refund by number,
-- or for one ticket of a refund's plan.
-- KEYS[1] record
-- ARGV: now, fence, lease ms, the provider's host, ticket's place in the plan or '', '1' for a refund
-- Answers {verdict ok|refused, state, attempts, now}
local key, t, i = KEYS[1], clock(), ARGV[5]
local status = i ~= '' and 't:' .. i or 't:0'
local f = read(key, 'state', 'fence', 'runner', 'phase', 'attempts', 'sent_at', 'first', 'count', 'absent', 'confirmed',
  'unclear_since', 'history', status)
local function allowed()
  if (f.state ~= 'queued' and f.state ~= 'submitting') or f.fence ~= ARGV[2] or f.runner == '' then return false end
  if i ~= '' then return f[status] == 'planned' or f[status] == 'doubt' end
  -- A refund by number is planned before its first call; one ticket by ticket names the ticket.
  return ARGV[6] == '' or (f.count ~= '' and f[status] == '')
end
if not allowed() then return refused(f.state) end
-- An earlier intent of this claim has no answer: it is in doubt, whatever becomes of this one.
if f.phase == 'send' then doubt(key, int(t)) end
if f.absent .. f.confirmed .. f.unclear_since ~= '' then
  redis.call('HDEL', key, 'absent', 'absent_last', 'confirmed', 'unclear_since')
end
local n = int((tonumber(f.attempts) or 0) + 1)
local fields = {'attempts', n, 'state', 'submitting', 'phase', 'send', 'sent_at', int(t), 'host', ARGV[4],
  'until', int(t + tonumber(ARGV[3]))}
local function with(name, value) fields[#fields + 1], fields[#fields + 2] = name, value end
if f.first == '' and f.sent_at ~= '' then with('first', f.sent_at) end -- only one that is sent again has two times
local what = 'attempt ' .. n .. ' by ' .. f.runner
if i ~= '' then
  redis.call('HSETNX', key, 's:' .. i, int(t))
  redis.call('HSET', key, 't:' .. i, 'sending')
  redis.call('HDEL', key, 'r:' .. i)
  what = 'ticket ' .. int(tonumber(i) + 1) .. ' attempt ' .. n
end
note(key, t, 'submitting', what, fields, f.history)
return {'verdict', 'ok', 'state', 'submitting', 'attempts', n, 'now', int(t)}
