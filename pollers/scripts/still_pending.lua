-- still_pending: an order was asked for and is not issued yet.
-- ARGV: 6 pause (ms) until it is polled again, should it be the sentinel  7 how many may be asked at a time
-- Answers {0 or after how long (ms) it is due as the sentinel, orders to wake …}
local since = known(id, accepted)
redis.call('ZREM', KEYS[3], id)
redis.call('HDEL', KEYS[4], 'mute', 'mutes')
if since == OVERTAKEN then return {'0'} end
if since == ASIDE then
  redis.call('ZREM', KEYS[2], id)
  since = accepted
end

if accepted <= s.proof and s.hits > s.doubts then
  -- Younger ones are issued. It must neither hold them up nor speak for them. (One issued order
  -- proves no more than one against it: it may have been the exception itself.)
  redis.call('ZREM', KEYS[1], id)
  redis.call('ZREM', KEYS[5], id)
  redis.call('ZADD', KEYS[2], int(OVERTAKEN), id)
  if s.id == id then
    dismiss()
    holds = false
  end
  s.doubts = redis.call('HINCRBY', KEYS[4], 'doubts', 1)
  return {'0', unpack(wake(allowed(tonumber(ARGV[7])), holds and 0 or 1))}
end

-- Here runs the line between the issued and the others.
if accepted <= late then
  redis.call('ZREM', KEYS[1], id)
  redis.call('ZADD', KEYS[5], int(t), id)
else
  redis.call('ZADD', KEYS[1], 'NX', int(accepted), id)
end
redis.call('ZADD', KEYS[2], int(t), id)
if not s.clear or since > s.clear or since < s.quiet then
  redis.call('HSET', KEYS[4], 'quiet', int(since))
end
redis.call('HSET', KEYS[4], 'clear', int(t), 'hits', 0, 'doubts', 0)

if holds and s.id ~= id then
  local behind, ahead = accepted <= late, s.accepted <= late
  if behind == ahead and accepted >= s.accepted or behind and not ahead then return {'0'} end
end
if accepted <= late then
  -- It speaks for the others, at its own long pause, only when all are late.
  local order, any = young()
  if order then
    redis.call('ZADD', KEYS[3], int(t), order)
    return {appoint(every), order}
  end
  if any then return {appoint(every)} end
end
return {appoint(tonumber(ARGV[6]))}
