package budget

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/providers"
	"issuance/tasks/order"
)

// keySet is what an account's calls depend on, all in one cluster slot. Times are microseconds since
// 1970 by Redis' clock.
type keySet struct {
	// tat is a hash: tat, the theoretical arrival time; line, when this line of slots began, which
	// distinguishes it from one that was forgotten; since:LANE, when the lane's callers began to be
	// refused. It lives a minute longer than its tat.
	tat string
	// ban is a hash: since, until, reason. It lives until the allowance is whole again; deleting
	// it lifts the ban.
	ban string
	// used is a hash of counters BUCKET:LANE, where BUCKET is the time in steps of bucket. It
	// lives a minute after the last call.
	used string
	// paused is a hash, lane or pauseAll → a pauseEntry as JSON. It lives until an operator resumes.
	paused string
}

func keysOf(allowance string, a providers.Account) keySet {
	p := keys.Budget(allowance)
	return keySet{tat: p + "tat", ban: p + "ban", used: p + "used", paused: keys.Paused(allowance, a)}
}

func (k keySet) all() []string { return []string{k.tat, k.ban, k.used, k.paused} }

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

// verdict is the first number of a script's answer.
type verdict int

const (
	leave  verdict = iota // after wait, the slot is reserved
	again                 // ask again after wait
	banned                // for wait
	paused                // by pause
	missed                // the slot has passed or does not count any more; ask for another one
)

type answer struct {
	verdict verdict
	wait    time.Duration
	pause   string        // a pauseEntry
	took    time.Duration // how long the answer travelled
	// What confirm needs to know of a slot, in Redis' microseconds.
	slot, tat, line int64
}

// ask runs pass.lua. reach bounds how far ahead a slot is of any use.
func (b *Budget) ask(ctx context.Context, l order.Lane, p policy, reach time.Duration) (answer, error) {
	return b.run(ctx, passScript, b.keys.all(), string(l),
		b.spacing.Microseconds(), p.tolerance.Microseconds(), min(p.ahead, reach).Microseconds(),
		p.patience.Microseconds(), min(p.impatient, reach).Microseconds(),
		b.cfg.Ramp.Microseconds(), rampFrom, b.now(), bucket.Microseconds(), keep)
}

// confirm asks whether a slot that was waited for is still good: a ban or a pause may have come, this
// process or Redis may have stood still, and Redis may have forgotten which call it has given what. A
// waiting call always comes late by what an answer travels, and would never leave without that allowance.
func (b *Budget) confirm(ctx context.Context, l order.Lane, a answer) (answer, error) {
	return b.run(ctx, confirmScript, []string{b.keys.tat, b.keys.ban, b.keys.paused}, string(l),
		b.now(), a.slot, a.tat, a.line, b.late(a.took).Microseconds())
}

func (b *Budget) run(ctx context.Context, s *redis.Script, on []string, args ...any) (answer, error) {
	asked := b.clock()
	reply, err := s.Run(ctx, b.rdb, on, args...).Slice()
	if err != nil {
		return answer{}, b.unreachable(err)
	}
	a, ok := parse(reply)
	if !ok {
		return answer{}, b.unreachable(fmt.Errorf("unexpected answer %v", reply))
	}
	a.took = b.clock().Sub(asked)
	return a, nil
}

// parse reads the answer of pass.lua or confirm.lua.
func parse(reply []any) (a answer, ok bool) {
	if len(reply) != 2 && len(reply) != 5 {
		return answer{}, false
	}
	n := make([]int64, len(reply))
	for i, r := range reply {
		var isNumber bool
		if n[i], isNumber = r.(int64); !isNumber && (i != 1 || verdict(n[0]) != paused) {
			return answer{}, false
		}
	}
	a.verdict = verdict(n[0])
	if a.verdict == paused {
		a.pause, ok = reply[1].(string)
		return a, ok
	}
	a.wait = time.Duration(n[1]) * time.Microsecond
	if len(n) == 5 {
		a.slot, a.tat, a.line = n[2], n[3], n[4]
		return a, a.verdict == leave
	}
	return a, true
}

// now is the scripts' argument: empty for Redis' own clock.
func (b *Budget) now() string {
	if b.cfg.Now == nil {
		return ""
	}
	return strconv.FormatInt(b.cfg.Now().UnixMicro(), 10)
}
