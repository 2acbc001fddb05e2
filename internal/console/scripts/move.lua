-- move: a person starts or stops a job, or a program has it go on.
-- KEYS[1] state (hash)  ARGV: from, comma-separated states, to, what a person does ('started' or 'stopped'; '' for a program),
--   who, address, time (ms), reason ('' to leave it)
-- Answers nothing, or, where the job is in none of these states: its state, and what was done to it last by a person, who and
-- when (ms). Nothing was written then.
local function get(name) return redis.call('HGET', KEYS[1], name) or '' end
local state = get('state')
if state == '' or not string.find(',' .. ARGV[1] .. ',', ',' .. state .. ',', 1, true) then
  local did = get('did')
  return {state, did, get(did .. '_by'), get(did .. '_at')}
end
redis.call('HSET', KEYS[1], 'state', ARGV[2])
if ARGV[3] ~= '' then
  redis.call('HSET', KEYS[1], 'did', ARGV[3], ARGV[3] .. '_by', ARGV[4], ARGV[3] .. '_address', ARGV[5], ARGV[3] .. '_at', ARGV[6])
end
if ARGV[7] ~= '' then redis.call('HSET', KEYS[1], 'reason', ARGV[7]) end
return {}
