-- release: give the claim back without a result. What the intent of this claim led to is told
-- by `how`:
--   idle      no request of this claim is open (held back, look-up unclear, waiting)
--   not_sent  the request certainly did not take effect
--   unknown   the request may have taken effect: the next runner must look first
--   unclear   as idle: the provider was asked before anything was sent, and the answer was of no use;
--             since when that is so is kept until the refund is planned
-- KEYS[1] order or refund  ARGV: now, fence, how, code, message
-- Answers {ok|refused, state}
local key, t = KEYS[1], clock()
local state = get(key, 'state')
if (state ~= 'queued' and state ~= 'submitting') or not held(key, ARGV[2]) then
  return {'refused', state}
end
if ARGV[3] == 'unknown' then
  doubt(key, int(t))
  state = 'submitting'
elseif (ARGV[3] == 'idle' or ARGV[3] == 'unclear') and get(key, 'phase') == 'send' then
  -- Defensive: an intent without an answer is never idle.
  doubt(key, int(t))
  state = 'submitting'
elseif get(key, 'doubt_at') == '' and get(key, 'rejected_code') == '' and get(key, 't:0') == '' then
  -- Nothing is in doubt. (A no that no look-up has confirmed yet is a doubt as well.)
  state = 'queued'
end
redis.call('HSET', key, 'state', state, 'updated_at', int(t))
if ARGV[4] ~= '' then redis.call('HSET', key, 'code', ARGV[4], 'message', ARGV[5]) end
if ARGV[3] == 'unclear' then
  redis.call('HSETNX', key, 'unclear_since', int(t))
elseif ARGV[3] ~= 'idle' then
  note(key, t, ARGV[3], ARGV[4])
end
give_back(key)
-- Crashes count in a row: a runner that gives its claim back was not crashed by the record.
redis.call('HSET', key, 'crashes', '0')
return {'ok', state}
