-- may_skip: the safety net's time has come for an order.  ARGV[4] accepted (ms), ARGV[5] how old
-- (ms) the sentinel's last answer may be
-- Answers 1 when an older order has just answered "not yet", so that this one need not be asked.
if tonumber(ARGV[4]) <= late or redis.call('ZSCORE', KEYS[2], id) then return 0 end
local s = redis.call('HMGET', KEYS[3], 'id', 'accepted', 'asked')
if not s[1] or s[1] == id then return 0 end
if tonumber(s[2]) > tonumber(ARGV[4]) or t - tonumber(s[3]) > tonumber(ARGV[5]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[4], id)
return 1
