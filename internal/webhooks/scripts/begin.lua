-- What the task of an event delivers.
-- ARGV[2] the event, ARGV[3] until when the task is believed (ms from now)
-- ARGV[4] failures in a row from which on only probes leave
-- Answers failed tries and the body, or nothing when there is nothing to deliver.
local id = ARGV[2]
if not redis.call('ZSCORE', due, id) then return {} end
local e = load(id)
if not e then
  redis.call('ZREM', due, id)
  return {}
end
if field('off') ~= '' or num('hold') > clock() or num('fails') >= tonumber(ARGV[4]) and field('probe') ~= id then
  redis.call('ZREM', due, id)
  redis.call('ZADD', wait, e.seq, id)
  return {}
end
redis.call('ZADD', due, int(clock() + tonumber(ARGV[3])), id)
return {int(e.tries), e.body}
