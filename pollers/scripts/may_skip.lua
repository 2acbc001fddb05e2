-- may_skip: the time has come to poll an order. Without the time it was accepted (ARGV 4) that is taken from the list, and of an order
-- that is late or in no list the script says that it cannot tell.
-- ARGV: 6 pause (ms) until it is polled again, as the sentinel  7 how old (ms) the last knowledge of it may
--       become  8 at every which tick a scout is sent
-- Answers {0 ask it | 1 skip it | ? it cannot tell, its age (ms), 0 or after how long (ms) it is due as the sentinel, orders to wake …}
if ARGV[4] == '' then
  accepted = waits(id)
  if not accepted or accepted <= late then return {'?', '0', '0'} end
end
local since, age = known(id), int(t - accepted)
if not since or alone(since) or woken(id) then return {'0', age, '0'} end

if s.id == id then
  -- The sentinel's round. A late one looks for a successor. And another's answer is worth as much
  -- as its own, so every few rounds a scout is asked instead: should the provider issue out of
  -- order, a stuck sentinel must not hide it.
  local stead, successor
  local ticks = redis.call('HINCRBY', KEYS[4], 'ticks', 1)
  if accepted <= late then
    stead = young()
    successor = stead
  end
  if not stead and s.clear and ticks % tonumber(ARGV[8]) == 0 then
    local longest = s.clear
    for _, order in ipairs(redis.call('ZRANGE', KEYS[1], 0, 31)) do
      local k = known(order)
      if order ~= id and k <= longest and not woken(order) then stead, longest = order, k - 1 end
    end
    local order = not stead and worst()
    if order and order ~= id and known(order) <= longest then stead = order end
  end
  if not stead then return {'0', age, '0'} end
  redis.call('ZADD', KEYS[3], int(t), stead)
  return {'1', age, appoint(successor and every or tonumber(ARGV[6])), stead}
end

local fresh = t - since < tonumber(ARGV[7])
if holds then
  if fresh and s.quiet and since >= s.quiet then return {'1', age, '0'} end
elseif out() > 0 then
  -- The next are being asked; this one's turn comes, or it is sure to be issued.
  if fresh and since > s.proof then return {'1', age, '0'} end
end
redis.call('ZADD', KEYS[3], int(t), id) -- so that the others, whose time has come too, wait for its answer
return {'0', age, '0'}
