package budget

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// keys of one account, all in one cluster slot. Times are microseconds since 1970 by Redis'
// clock.
type keys struct {
	// tat is a hash: tat, the theoretical arrival time; since:LANE, when the lane's callers
	// began to be refused. It lives a minute longer than its tat.
	tat string
	// ban is a hash: since, until, reason. It lives until the allowance is whole again; deleting
	// it lifts the ban.
	ban string
	// used is a hash of counters BUCKET:LANE, where BUCKET is the time in steps of bucket. It
	// lives a minute after the last call.
	used string
}

func keysOf(account string) keys {
	p := "issuance:{budget:" + account + "}:"
	return keys{tat: p + "tat", ban: p + "ban", used: p + "used"}
}

func (k keys) all() []string { return []string{k.tat, k.ban, k.used} }

// bucket is the step of the usage counters; keep is how many of them State looks back.
const (
	bucket = 5 * time.Second
	keep   = 12
)

var (
	//go:embed pass.lua
	passSource string
	//go:embed ban.lua
	banSource string

	passScript = redis.NewScript(passSource)
	banScript  = redis.NewScript(banSource)
	// leftScript: KEYS[1] ban, ARGV[1] now or "". How many microseconds of the ban are left.
	leftScript = redis.NewScript(`
local now = tonumber(ARGV[1])
if not now then
	local t = redis.call('TIME')
	now = t[1] * 1000000 + t[2]
end
return math.max(0, math.ceil(tonumber(redis.call('HGET', KEYS[1], 'until') or '0') - now))`)
)

type verdict int

const (
	leave  verdict = iota // after wait, the slot is reserved
	again                 // ask again after wait
	banned                // for wait
)

type answer struct {
	verdict verdict
	wait    time.Duration
}

// ask runs pass.lua. reach bounds how far ahead a slot is of any use.
func (b *Budget) ask(ctx context.Context, l Lane, p policy, reach time.Duration) (answer, error) {
	n, err := passScript.Run(ctx, b.rdb, b.keys.all(), string(l),
		b.spacing.Microseconds(), p.tolerance.Microseconds(), min(p.ahead, reach).Microseconds(),
		p.patience.Microseconds(), min(p.impatient, reach).Microseconds(),
		b.cfg.Ramp.Microseconds(), rampFrom, b.now(), bucket.Microseconds(), keep).Int64Slice()
	if err == nil && len(n) != 2 {
		err = fmt.Errorf("unexpected answer %v", n)
	}
	if err != nil {
		return answer{}, b.unreachable(err)
	}
	return answer{verdict(n[0]), time.Duration(n[1]) * time.Microsecond}, nil
}

// banLeft tells how long the ban lasts, 0 without one.
func (b *Budget) banLeft(ctx context.Context) (time.Duration, error) {
	n, err := leftScript.Run(ctx, b.rdb, []string{b.keys.ban}, b.now()).Int64()
	if err != nil {
		return 0, b.unreachable(err)
	}
	return time.Duration(n) * time.Microsecond, nil
}

// now is the scripts' argument: empty for Redis' own clock.
func (b *Budget) now() string {
	if b.cfg.Now == nil {
		return ""
	}
	return strconv.FormatInt(b.cfg.Now().UnixMicro(), 10)
}

func (b *Budget) unreachable(err error) error {
	return fmt.Errorf("call budget of %s: Redis does not say whether a call may leave, so none does: %w", b.cfg.Account, err)
}
