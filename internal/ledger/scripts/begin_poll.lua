-- begin_poll: claim an accepted order for a poll, so that a worker that dies in it is known to have.
-- KEYS[1] order  ARGV: now, runner, lease ms
-- Answers {verdict ok|busy|refused, state, now, fence, crashes, abandoned, until}; busy while another runner's claim is valid
local key, t = KEYS[1], clock()
local state = get(key, 'state')
if state ~= 'accepted' then return refused(state) end
local function reply(verdict)
  local f = redis.call('HMGET', key, 'fence', 'crashes', 'abandoned', 'until')
  return {'verdict', verdict, 'state', state, 'now', int(t), 'fence', f[1] or '', 'crashes', f[2] or '', 'abandoned', f[3] or '', 'until', f[4] or ''}
end
if get(key, 'runner') ~= '' then
  if tonumber(get(key, 'until')) > t then return reply('busy') end
  lost_runner(key, t)
end
take(key, t, ARGV[2], ARGV[3])
return reply('ok')
