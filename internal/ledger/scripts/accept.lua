-- accept: the provider has the order and will issue it later.
-- KEYS[1] order  ARGV: now, fence, the provider's id, result (sealed), '1' when what was found is still to be recognised as ours,
--   what a look-up found or '', code and message where that was a failure, which another look has to confirm
-- Answers {verdict ok|refused, state}
local key, t = KEYS[1], clock()
local f = read(key, 'state', 'fence', 'runner', 'erased_at', 'doubt_at', 'rejected_code', 'confirmed')
if f.state ~= 'submitting' or f.fence ~= ARGV[2] or f.runner == '' then return refused(f.state) end
local fields = {'state', 'accepted', 'accepted', int(t)}
local function with(...) for _, v in ipairs({...}) do fields[#fields + 1] = v end end
if ARGV[3] ~= '' then with('ref', ARGV[3]) end
if ARGV[4] ~= '' and f.erased_at == '' then with('result', ARGV[4]) end
no_doubt(key, f)
give_back(key, 'crashes', 'abandoned', 'code', 'message', 'unclear_since', 'unproven')
if ARGV[5] == '1' then with('unproven', '1') end
if ARGV[7] ~= '' then with('code', ARGV[7], 'message', ARGV[8], 'polled_at', int(t)) end
found(key, t, ARGV[6])
note(key, t, 'accepted', ARGV[3], fields)
return applied('accepted')
