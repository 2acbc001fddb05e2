-- claim: claim a record for work, and of a refund the order's turn: one refund of an order is under way
-- at a time, but for those whose tickets are planned.
-- KEYS[1] record; of a refund KEYS[2] the turn; and last (KEYS[2], of a refund KEYS[3]), unless it is on another
--   node, the open set
-- ARGV: now, runner, lease ms, member of the open set, refund id or ''
-- Answers {verdict, now, turn} and every field of the record; verdict is one of
--   send       claimed; nothing of an earlier attempt is in doubt
--   look_up    claimed; an earlier request may have taken effect
--   busy       another runner's claim is valid until `until`
--   accepted   the provider has the order: poll
--   final      nothing left to do (event is missing when its event is still to be published)
--   wait_turn  another refund of the order (`turn`) is under way; nothing was claimed
--   missing    there is no such record
--   newer      a newer program wrote the record; nothing was claimed
local key, t = KEYS[1], clock()
local open, turn = KEYS[2], ''
if ARGV[5] ~= '' then
  open, turn = KEYS[3], redis.call('GET', KEYS[2]) or ''
end
local list, f = whole(key)
local function reply(verdict, ...)
  if open and verdict ~= 'missing' and (verdict ~= 'final' or not f.event) then
    redis.call('ZADD', open, int(t + tonumber(ARGV[3])), ARGV[4])
  end
  return about(list, verdict, 'turn', turn, ...)
end

local state = f.state
if not state then return reply('missing') end
if newer(f) then return reply('newer') end
if final[state] then return reply('final') end
if state == 'accepted' then return reply('accepted') end
local planned = f['t:0'] -- by ticket: nobody else's tickets
if not planned and turn ~= '' and turn ~= ARGV[5] then
  -- The holder's record stands in the same slot. One that was deleted must not block the order.
  local holder = string.sub(key, 1, #key - #ARGV[5]) .. turn
  if redis.call('EXISTS', holder) == 1 then return reply('wait_turn') end
end
if f.runner then
  if tonumber(f['until']) > t then return reply('busy') end
  lost_runner(key, t)
  -- If it had written an intent, its request may have left at any moment until the claim ran out.
  if f.phase == 'send' then doubt(key, f['until']) end
  list, f = whole(key)
end
if ARGV[5] ~= '' and not planned then redis.call('SET', KEYS[2], ARGV[5]) end
local verdict = (f.doubt_at or f.rejected_code) and 'look_up' or 'send'
return reply(verdict, take(key, t, f.fence, ARGV[2], ARGV[3]))
