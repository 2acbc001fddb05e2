-- begin_poll: claim an accepted order for a poll, so that a worker that dies in it is known to have.
-- KEYS[1] order  ARGV: now, runner, lease ms
-- Answers {verdict ok|busy|refused, state, now, fence, crashes, abandoned, until}; busy while another runner's claim is valid
local key, t = KEYS[1], clock()
local f = read(key, 'state', 'fence', 'runner', 'crashes', 'abandoned', 'until')
if f.state ~= 'accepted' then return refused(f.state) end
local function reply(verdict)
  return {'verdict', verdict, 'state', f.state, 'now', int(t), 'fence', f.fence, 'crashes', f.crashes, 'abandoned', f.abandoned, 'until', f['until']}
end
if f.runner ~= '' then
  if tonumber(f['until']) > t then return reply('busy') end
  lost_runner(key, t)
  f.crashes, f.abandoned = get(key, 'crashes'), get(key, 'abandoned')
end
local _
_, f.fence, _, _, _, f['until'] = take(key, t, f.fence, ARGV[2], ARGV[3])
return reply('ok')
