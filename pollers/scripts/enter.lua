-- enter: an order was accepted, or asked for without a clear answer.
-- Answers 1 when it is the sentinel.
redis.call('ZREM', KEYS[3], id)
if alone(known(id)) then return 0 end
if not redis.call('ZSCORE', KEYS[5], id) then redis.call('ZADD', KEYS[1], 'NX', int(accepted), id) end
if accepted <= late then return 0 end
if s.id == id then return 1 end
if holds then
  if s.accepted > late then return 0 end
elseif redis.call('ZRANGE', KEYS[1], 0, 0)[1] ~= id then
  return 0 -- older ones are being asked, or will be by their own schedule
end
appoint(every)
return 1
