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
	// minutes is a hash of counters of the last hour, MINUTE since 1970 → calls of all lanes. It lives an hour after the
	// last minute with a call.
	minutes string
	// paused is a hash, lane or pauseAll → a pauseEntry as JSON. It lives until an operator resumes.
	paused string
	// health is a hash of what the account's calls have said of it: n, how many troubles in a row there
	// were; first, when they began; kind and code of the last one; began, when those of its kind began;
	// since, the same of an account that is down; down, since when it is, of whatever kind;
	// until, the end of a Retry-After; probe, when the next probe leaves; prober, the worker of the last
	// one; tried, with which settings probes of this trouble were made (WithAccess), keyed digests with a space in
	// between, the latest first; cleared and clearer, when which worker's answer ended the last troubles; pages,
	// how many pages in place of answers came in a row while it is unreachable; key_missing, when a
	// worker met a document whose seal key it does not hold. It is empty or absent while all is well,
	// and lives minutes without a change, a day while the account is down.
	health string
}

func keysOf(allowance string, a providers.Account) keySet {
	p := keys.Budget(allowance)
	return keySet{tat: p + "tat", ban: p + "ban", used: p + "used", minutes: p + "minutes", paused: keys.Paused(allowance, a), health: keys.Health(allowance, a)}
}

func (k keySet) all() []string { return []string{k.tat, k.ban, k.used, k.paused, k.health, k.minutes} }

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
	//go:embed health.lua
	healthSource string
	//go:embed claim.lua
	claimSource string
	//go:embed unasked.lua
	unaskedSource string
	//go:embed idle.lua
	idleSource string
	//go:embed report.lua
	reportSource string

	passScript    = redis.NewScript(passSource)
	banScript     = redis.NewScript(banSource)
	confirmScript = redis.NewScript(confirmSource)
	healthScript  = redis.NewScript(healthSource)
	claimScript   = redis.NewScript(claimSource)
	unaskedScript = redis.NewScript(unaskedSource)
	idleScript    = redis.NewScript(idleSource)
	reportScript  = redis.NewScript(reportSource)
)

// verdict is the first number of a script's answer.
type verdict int

const (
	leave  verdict = iota // after wait, the slot is reserved
	again                 // ask again after wait
	banned                // for wait
	paused                // by pause
	missed                // the slot has passed or does not count any more; ask for another one
	down                  // by trouble; the next probe leaves after wait
)

type answer struct {
	verdict verdict
	wait    time.Duration
	pause   string        // a pauseEntry
	trouble Trouble       // kind, code and since
	suspect bool          // an authentic answer would be news
	took    time.Duration // how long the answer travelled
	due     time.Time     // when the slot is, by this process's clock
	// What confirm needs to know of a slot, in Redis' microseconds. With again, slot is the next free one.
	slot, tat, line int64
}

// ask runs pass.lua. reach bounds how far ahead a slot is of any use, lead how near.
func (b *Budget) ask(ctx context.Context, l order.Lane, p policy, reach, lead time.Duration, probing bool) (answer, error) {
	return b.run(ctx, passScript, b.keys.all(), string(l),
		b.spacing.Microseconds(), min(p.ahead, reach).Microseconds(),
		p.patience.Microseconds(), min(p.impatient, reach).Microseconds(),
		b.cfg.Ramp.Microseconds(), rampFrom, b.now(), bucket.Microseconds(), keep, flag(probing), lead.Microseconds())
}

// confirm asks whether a slot that was waited for is still good: a ban or a pause may have come, this
// process or Redis may have stood still, and Redis may have forgotten which call it has given what. A
// waiting call always comes late by what an answer travels, and would never leave without that allowance.
func (b *Budget) confirm(ctx context.Context, l order.Lane, a answer, probing bool) (answer, error) {
	return b.run(ctx, confirmScript, []string{b.keys.tat, b.keys.ban, b.keys.paused, b.keys.health}, string(l),
		b.now(), a.slot, a.tat, a.line, b.late(a.took).Microseconds(), flag(probing))
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
	a.due = asked.Add(a.took/2 + a.wait) // Redis looked at its clock halfway, by and large
	return a, nil
}

// parse reads the answer of pass.lua or confirm.lua.
func parse(reply []any) (a answer, ok bool) {
	n := make([]int64, 6)
	s := make([]string, 6)
	if len(reply) < 2 || len(reply) > len(n) {
		return answer{}, false
	}
	numbers := 0
	for i, r := range reply {
		switch r := r.(type) {
		case int64:
			n[i] = r
			numbers++
		case string:
			s[i] = r
		}
	}
	a = answer{verdict: verdict(n[0]), wait: time.Duration(n[1]) * time.Microsecond}
	switch {
	case a.verdict == paused:
		a.pause = s[1]
		return a, len(reply) == 2 && numbers == 1
	case a.verdict == down:
		a.trouble = Trouble{Kind: providers.Health(s[2]), Code: s[3], Since: time.UnixMicro(n[4])}
		return a, len(reply) == 5 && numbers == 3
	case a.verdict == leave && len(reply) == 2: // confirm.lua
		a.suspect, a.wait = n[1] == 1, 0
		return a, numbers == 2
	case a.verdict == leave:
		a.slot, a.tat, a.line, a.suspect = n[2], n[3], n[4], n[5] == 1
		return a, numbers == 6
	case a.verdict == again:
		a.slot = n[2]
		return a, len(reply) == 3 && numbers == 3
	}
	return a, numbers == len(reply) && len(reply) == 2
}

func flag(on bool) string {
	if on {
		return "1"
	}
	return ""
}

// now is the scripts' argument: empty for Redis' own clock.
func (b *Budget) now() string {
	if b.cfg.Now == nil {
		return ""
	}
	return strconv.FormatInt(b.cfg.Now().UnixMicro(), 10)
}
