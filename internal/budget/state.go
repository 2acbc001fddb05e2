package budget

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/providers"
	"issuance/tasks/order"
)

// State is an account's budget at one moment.
type State struct {
	Account   providers.Account
	Allowance string
	PerSecond float64 // what is allowed now: 0 while calls of all lanes are held, a part of Limit after a ban
	Limit     float64 // what is configured
	// Used counts the allowance's calls of the last minute (to five seconds) by lane; every lane is there.
	Used map[order.Lane]int
	// LastCall is since when the allowance has made no call, to five seconds: the call was made then or that much later.
	// It is zero if there was none in the last minute.
	LastCall time.Time
	// Ahead is how much of the future is taken: a bulk call would have to wait so long.
	Ahead time.Duration
	Ban   *Ban // nil without one
	// Paused lists what operators have paused, the whole account first, then by lane.
	Paused []Hold
	// Trouble is what stands against the account; nil when nothing does. It holds calls once it is Down.
	Trouble *Trouble
	// KeyMissing says that a worker has just met a document whose seal key it does not hold.
	KeyMissing bool
	// NoWorker says that no worker has announced the account for two minutes. It is known of what States
	// returns.
	NoWorker bool
	// Unprobed says that too few probes of this process have been answered to know what the provider answers them; Unfit that
	// enough were, and none properly.
	Unprobed, Unfit bool
	// At is the moment of all this, by Redis' clock.
	At time.Time
}

// Health is how the account is, with a reason that is safe to show; see providers.Healths for what counts
// first. since is zero where nobody knows.
func (s State) Health() (h providers.Health, since time.Time, why string) {
	switch t := s.Trouble; {
	case s.NoWorker:
		return providers.HealthNoWorker, time.Time{}, "no worker serves it"
	case len(s.Paused) > 0 && s.Paused[0].Lane == "":
		return providers.HealthPaused, s.Paused[0].Since, s.Paused[0].String()
	case s.Ban != nil:
		return providers.HealthBanned, s.Ban.Since, s.Ban.Reason
	case t != nil && t.Down:
		return t.Kind, t.Since, t.Code
	case s.KeyMissing:
		return providers.HealthKeyMissing, time.Time{}, "a document's seal key is not in ISSUANCE_SEAL_KEYS"
	}
	return providers.HealthOK, time.Time{}, ""
}

// ProbeDue reports whether it is time to ask whether a trouble is over. Nobody asks during a ban or a
// pause of the polls.
func (s State) ProbeDue() bool {
	if s.Trouble == nil || !s.Trouble.Down || s.Ban != nil {
		return false
	}
	return !s.pollsPaused() && !s.At.Before(s.Trouble.NextProbe.Add(-goesFirst))
}

// ProbeDueWith is ProbeDue of a worker with these credentials and addresses (WithAccess): it is due at once where probes of this trouble
// were made with others only, and it is a kind of trouble that these can end.
func (s State) ProbeDueWith(access string) bool {
	if s.ProbeDue() {
		return true
	}
	t := s.Trouble
	return t != nil && t.Down && t.Kind != providers.HealthUnreachable && s.Ban == nil && !s.pollsPaused() && !s.At.Before(t.Until) &&
		access != "" && len(t.tried) > 0 && !slices.Contains(t.tried, access)
}

// IdleProbeDue reports whether an account whose allowance has made no call for so long should be asked whether its
// provider still answers: soon where the last call has failed, so that one failure is no outage for long, and at once where none
// was asked so before, whether it is called or not. Nobody asks during a ban or a pause of the polls; one that is down is asked anyway (ProbeDue).
func (s State) IdleProbeDue(after time.Duration) bool {
	if after <= 0 || s.Ban != nil || s.pollsPaused() || s.Trouble != nil && s.Trouble.Down {
		return false
	}
	if s.Unprobed && s.Trouble == nil {
		return true
	}
	switch {
	case s.Trouble != nil:
		after = min(after, probeEvery)
	case s.Unfit:
		after = max(after, probeRarely)
	}
	return s.At.Sub(s.LastCall) >= after
}

func (s State) pollsPaused() bool {
	return slices.ContainsFunc(s.Paused, func(h Hold) bool { return h.Lane == "" || h.Lane == order.Poll })
}

// Ban is a provider's refusal that is still on.
type Ban struct {
	Reason       string
	Since, Until time.Time
}

// Halt is why no call of a lane may leave.
type Halt struct {
	Reason string // safe to show, without times
	Since  time.Time
	// Until is the end of a ban or of a Retry-After. A pause and an outage have no known end: it is zero then.
	Until time.Time
}

// bannedFor begins the Reason of the Halt of a ban.
const bannedFor = "banned: "

// bannedUntil ends what a call that a ban held back says of the account, before the time.
const bannedUntil = " is banned by the provider until "

// IsBan reports whether a text is a ban's Halt.Reason, or the Reason with which it held a call back.
func IsBan(text string) bool {
	return strings.HasPrefix(text, bannedFor) || strings.Contains(text, bannedUntil)
}

// Held reports whether no call of a lane may leave, and why.
func (s State) Held(l order.Lane) (Halt, bool) {
	if s.Ban != nil {
		return Halt{bannedFor + s.Ban.Reason, s.Ban.Since, s.Ban.Until}, true
	}
	for _, h := range s.Paused {
		if h.Lane == "" || h.Lane == l {
			return Halt{Reason: h.String(), Since: h.Since}, true
		}
	}
	if t := s.Trouble; t != nil && t.Down {
		return Halt{t.what(), t.Since, t.Until}, true
	}
	return Halt{}, false
}

// State reads the budget without using any of it. A ban that only this process knows of is published
// first.
func (b *Budget) State(ctx context.Context) (State, error) {
	list, err := StatesOf(ctx, b.rdb, []*Budget{b})
	if err != nil {
		return State{}, err
	}
	return list[0], nil
}

// atOnce is how many budgets are read in one round trip.
const atOnce = 200

// StatesOf is State of many budgets, in their order, in a few round trips.
func StatesOf(ctx context.Context, rdb redis.UniversalClient, budgets []*Budget) ([]State, error) {
	out := make([]State, 0, len(budgets))
	for some := range slices.Chunk(budgets, atOnce) {
		for _, b := range some {
			if err := b.publish(ctx); err != nil {
				return nil, err
			}
		}
		var clock *redis.TimeCmd
		asked := make([]questions, len(some))
		_, err := rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
			clock = p.Time(ctx)
			for i, b := range some {
				asked[i] = b.questions(ctx, p)
			}
			return nil
		})
		if err != nil {
			return nil, some[0].unreachable(err)
		}
		for i, b := range some {
			out = append(out, b.state(asked[i], clock.Val()))
		}
	}
	return out, nil
}

// questions are what a state is made of.
type questions struct{ tat, ban, used, paused, health *redis.MapStringStringCmd }

func (b *Budget) questions(ctx context.Context, p redis.Pipeliner) questions {
	return questions{p.HGetAll(ctx, b.keys.tat), p.HGetAll(ctx, b.keys.ban), p.HGetAll(ctx, b.keys.used), p.HGetAll(ctx, b.keys.paused), p.HGetAll(ctx, b.keys.health)}
}

func (b *Budget) state(q questions, now time.Time) State {
	if b.cfg.Now != nil {
		now = b.cfg.Now()
	}
	ban, health := q.ban.Val(), q.health.Val()
	s := State{Account: b.cfg.Account, Allowance: b.cfg.Allowance, PerSecond: b.cfg.PerSecond, Limit: b.cfg.PerSecond,
		Paused: holdsOf(q.paused.Val()), Trouble: troubleOf(health), At: now,
		KeyMissing: now.Sub(micros(health["key_missing"])) < keyMissingFor}
	f := b.fitness()
	s.Unprobed, s.Unfit = f.unknown(), f.unfit()
	s.Used, s.LastCall = usedSince(q.used.Val(), now)
	if d := micros(q.tat.Val()["tat"]).Sub(now); d > 0 {
		s.Ahead = d
	}
	if until := micros(ban["until"]); now.Before(until) {
		s.PerSecond = 0
		s.Ban = &Ban{Reason: ban["reason"], Since: micros(ban["since"]), Until: until}
	} else if d := now.Sub(until); d < b.cfg.Ramp {
		s.PerSecond *= rampFrom + (1-rampFrom)*d.Seconds()/b.cfg.Ramp.Seconds()
	}
	if len(s.Paused) > 0 && s.Paused[0].Lane == "" || s.Trouble != nil && s.Trouble.Down {
		s.PerSecond = 0
	}
	return s
}

// usedSince adds up the counters of the last minute. last is when the latest of them began.
func usedSince(counters map[string]string, now time.Time) (used map[order.Lane]int, last time.Time) {
	used = map[order.Lane]int{}
	for _, l := range order.Lanes() {
		used[l] = 0
	}
	current := now.UnixMicro() / bucket.Microseconds()
	for field, count := range counters {
		at, lane, _ := strings.Cut(field, ":")
		i, errAt := strconv.ParseInt(at, 10, 64)
		n, errN := strconv.Atoi(count)
		if errAt == nil && errN == nil && i > current-keep && i <= current {
			used[order.Lane(lane)] += n
			if began := time.UnixMicro(i * bucket.Microseconds()); began.After(last) {
				last = began
			}
		}
	}
	return used, last
}

// micros reads a time of ours; an absent one is 1970.
func micros(s string) time.Time {
	n, _ := strconv.ParseInt(s, 10, 64)
	return time.UnixMicro(n)
}
