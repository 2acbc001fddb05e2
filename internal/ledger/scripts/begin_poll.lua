-- begin_poll: claim an accepted order for a poll, so that a worker that dies in it is known to have.
-- KEYS[1] order  ARGV: now, runner, lease ms
-- Answers {verdict, now} and every field of the record; verdict is one of
--   poll          claimed
--   busy          another runner's claim is valid until `until`
--   final         nothing left to do (event is missing when its event is still to be published)
--   not_accepted  the provider is not known to have it
--   missing       there is no such record
--   newer         a newer program wrote the record; nothing was claimed
local key, t = KEYS[1], clock()
local list, f = whole(key)
if not f.state then return about(list, 'missing') end
if final[f.state] then return about(list, 'final') end
if newer(f) then return about(list, 'newer') end
if f.state ~= 'accepted' then return about(list, 'not_accepted') end
if f.runner then
  if tonumber(f['until']) > t then return about(list, 'busy') end
  lost_runner(key, t)
  list, f = whole(key)
end
return about(list, 'poll', take(key, t, f.fence, ARGV[2], ARGV[3]))
