-- tickets: record what a look at the provider has shown of an order's tickets, and publish what has changed.
-- KEYS[1] order, KEYS[2] tickets; then, unless it is on another node, KEYS[3] the events
-- ARGV: now, version of the tickets that the look is compared with ('' for none), numbers (sealed, '' for those before),
--   the tickets' statuses, how long (ms) they are kept where the order does not expire yet, events to keep,
--   provider, account, order, and of each change: event id, place of the ticket, status, code
-- Answers {verdict ok|refused, state, now, due: changes that are not published yet, problem: why}; refused when the order
--   is not issued, its customer's data is erased, or another look was recorded meanwhile
local key, list, t = KEYS[1], KEYS[2], clock()
local state = get(key, 'state')
if state ~= 'issued' or get(key, 'erased_at') ~= '' or get(list, 'v') ~= ARGV[2] then return refused(state) end
if ARGV[3] ~= '' then redis.call('HSET', list, 'nos', ARGV[3]) end
local due = get(list, 'due')
for i = 10, #ARGV, 4 do
  due = due .. table.concat({ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], int(t)}, ' ') .. '\n'
end
redis.call('HSET', list, 'v', int((tonumber(ARGV[2]) or 0) + 1), 't', ARGV[4], 'at', int(t), 'due', due)
local ttl = redis.call('PTTL', key)
redis.call('PEXPIRE', list, ttl > 0 and ttl or ARGV[5])
local problem = ''
while KEYS[3] and due ~= '' do
  local line, rest = string.match(due, '^([^\n]*)\n(.*)$')
  local id, ticket, status, code, at = string.match(line, '^(%S+) (%S+) (%S+) (%S*) (%S+)$')
  local added = redis.pcall('XADD', KEYS[3], 'MAXLEN', '~', ARGV[6], '*', 'event_id', id, 'provider', ARGV[7], 'account', ARGV[8],
    'order_id', ARGV[9], 'refund_id', '', 'ticket', ticket, 'state', status, 'code', code, 'at', at)
  if type(added) == 'table' then
    problem = added.err
    break
  end
  due = rest
  redis.call('HSET', list, 'due', due)
end
local r = applied(state)
r[5], r[6], r[7], r[8], r[9], r[10] = 'now', int(t), 'due', due, 'problem', problem
return r
