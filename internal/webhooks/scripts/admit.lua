-- Takes events into an endpoint's line and moves the position that they were read from, if it is still there:
-- of several front doors one admits what all have read.
-- ARGV[2] name of the position (cursor, replay), '' for none
-- ARGV[3] where it has to be, ARGV[4] where it goes; '' ends it
-- ARGV[5]… id, order and body of each event; one that is here already is left as it is
-- Answers whether it was there, 1 or 0.
if ARGV[2] ~= '' then
  if field(ARGV[2]) ~= ARGV[3] then return 0 end
  if ARGV[4] ~= '' then redis.call('HSET', state, ARGV[2], ARGV[4])
  else redis.call('HDEL', state, 'replay', 'replay_since', 'replay_first') end
end
for i = 5, #ARGV, 3 do
  local id, order, body = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if redis.call('HEXISTS', events, id) == 0 then
    local seq = int(redis.call('HINCRBY', state, 'seq', 1))
    save(id, {tries = 0, first = 0, seq = seq, order = order, body = body})
    local others = redis.call('HGET', orders, order)
    redis.call('HSET', orders, order, others and (others .. ' ' .. id) or id)
    if not others then redis.call('ZADD', wait, seq, id) end
  end
end
return 1
