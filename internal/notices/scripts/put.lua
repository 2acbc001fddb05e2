-- Stores a notice, unless it is known, and makes the look at what it names due.
-- KEYS   1 stream of the notices, 2 looks, 3 mark of this notice
-- ARGV   1 now (ms), or empty for Redis' clock  2 notice (sealed)  3 how long (ms) notices are kept
--        4 how long (ms) a repetition is recognised
-- Result the notice's id, or '' when it is known
-- The mark comes last: a notice of which something could not be written is stored again when it is repeated.
local now = tonumber(ARGV[1])
if not now then
  local t = redis.call('TIME')
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
if redis.call('EXISTS', KEYS[3]) == 1 then return '' end
local id = redis.call('XADD', KEYS[1], 'MINID', '~', string.format('%.0f', now - tonumber(ARGV[3])), '*', 'sealed', ARGV[2])
redis.call('ZADD', KEYS[2], string.format('%.0f', now), 'n:' .. id)
redis.call('SET', KEYS[3], id, 'PX', ARGV[4])
return id
