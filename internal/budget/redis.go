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
	// tat is a hash: tat, the theoretical arrival time; line, when this line of slots began, by
	// which it is told from one that was forgotten; since:LANE, when the lane's callers began to be
	// refused. It lives a minute longer than its tat.
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

	//go:embed confirm.lua
	confirmSource string

	passScript    = redis.NewScript(passSource)
	banScript     = redis.NewScript(banSource)
	confirmScript = redis.NewScript(confirmSource)
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
	// What confirm needs to know of a slot, in Redis' microseconds.
	slot, tat, line int64
}

// ask runs pass.lua. reach bounds how far ahead a slot is of any use.
func (b *Budget) ask(ctx context.Context, l Lane, p policy, reach time.Duration) (answer, error) {
	n, err := passScript.Run(ctx, b.rdb, b.keys.all(), string(l),
		b.spacing.Microseconds(), p.tolerance.Microseconds(), min(p.ahead, reach).Microseconds(),
		p.patience.Microseconds(), min(p.impatient, reach).Microseconds(),
		b.cfg.Ramp.Microseconds(), rampFrom, b.now(), bucket.Microseconds(), keep).Int64Slice()
	if err == nil && len(n) != 2 && (len(n) != 5 || verdict(n[0]) != leave) {
		err = fmt.Errorf("unexpected answer %v", n)
	}
	if err != nil {
		return answer{}, b.unreachable(err)
	}
	a := answer{verdict: verdict(n[0]), wait: time.Duration(n[1]) * time.Microsecond}
	if len(n) == 5 {
		a.slot, a.tat, a.line = n[2], n[3], n[4]
	}
	return a, nil
}

// confirm asks whether a slot that was waited for is still good: a ban may have come, this process or
// Redis may have stood still, and Redis may have forgotten to whom it has given what. took is how long
// Redis' answer travelled: by that much who waits always comes late, and would never leave.
func (b *Budget) confirm(ctx context.Context, a answer, took time.Duration) (answer, error) {
	late := max(b.spacing, leastLate) + min(took, farthest)
	n, err := confirmScript.Run(ctx, b.rdb, []string{b.keys.tat, b.keys.ban}, b.now(), a.slot, a.tat, a.line, late.Microseconds()).Int64Slice()
	if err == nil && len(n) != 2 {
		err = fmt.Errorf("unexpected answer %v", n)
	}
	if err != nil {
		return answer{}, b.unreachable(err)
	}
	return answer{verdict: verdict(n[0]), wait: time.Duration(n[1]) * time.Microsecond}, nil
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
