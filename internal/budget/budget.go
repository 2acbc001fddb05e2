// Package budget keeps all workers together within what a provider allows: so many calls per
// second of an allowance, whoever makes them, and none at all during a ban or while an operator has
// paused the account. It is a providers.Gate over Redis.
//
// It imports packages providers, tasks/order and internal/keys.
//
// # Arithmetic
//
// One allowance has one virtual line of slots, kept as a single time in Redis, the theoretical
// arrival time TAT of a GCRA (generic cell rate algorithm). With the spacing T = 1.01/PerSecond, a
// call that asks at time now gets
//
//	slot = max(TAT, now)     when it may leave
//	TAT  = slot + T          for the next one
//
// Slots are at least T apart: time that was not used is not made up for, because a provider that counts the calls of
// each second does not either. Hence
//
//	calls in ANY window of W seconds, both ends included  <=  PerSecond·W/1.01 + 1
//
// and no second, both ends included, holds more than PerSecond of them (rounded up). The hundredth (margin) is there for a provider
// that counts the calls of any second by its own clock. With T = 1/PerSecond the fifth of four calls a second had its slot exactly
// a second after the first, so that it was one too many whenever the first arrived a little late; with it five slots span 1.01 s.
//
// Slots are moments by Redis' clock, the same for all workers. A call that was given one may leave later: it writes its intent
// first, its answer travels, the machine is busy. So that it does not leave together with those behind it, the calls of one process
// leave one after the other, T apart (Depart, see departure.go). Where several processes call under an allowance (Config.Shared), that
// is not enough: one that was held up would send its calls right beside those of another one. There a call passes some milliseconds
// ahead of its slot, as many as intents took to be written lately, leaves at the slot, and takes another one when it has missed it by
// more than onTime. One that has missed three leaves with the next, late or not.
//
// # Lanes
//
// Lanes differ in how far ahead of now they may take a slot; a lane that may take it farther ahead
// goes first, because the others find it taken.
//
//	lane      may take a slot                patience
//	checkout  up to MaxWait ahead            -
//	poll      up to T/2 ahead                8·T
//	bulk      only when it is free now       20·T
//
// So a checkout call gets the next slot while bulk uses up the rest, and waits at most T/2 longer behind
// polls; checkouts among themselves are served in order. A lane whose callers were all refused
// for as long as its patience may once take a slot like a checkout: under any load polls keep an
// eighth of the calls and bulk a twentieth.
//
// A slot within reach is reserved and waited for on the spot. A caller that is cancelled
// meanwhile has wasted it, nothing worse. A caller that misses its slot, by more than T/2 (or 100 ms)
// and the time that Redis' answers take, asks for another one: its process or Redis stood still, and
// otherwise all callers that waited would leave at once. For the same reason an answer that travelled
// longer than T/2 (or 100 ms) and half a second does not let a call leave. Lower lanes wait by asking
// again, those of one process one after the other, each when the slot comes that is left for it. When
// no slot is within MaxWait the answer is a providers.HeldError. Pass blocks no longer than MaxWait (out
// of patience: twice that and 3·T), and never beyond its context's deadline.
//
// # Bans
//
// After Banned no call gets a slot until the ban is over, and calls that wait for a slot are stopped.
// Then the allowance grows from a quarter to the whole within a minute (Ramp).
//
// # Pauses
//
// An operator pauses an account, or one lane of it, with Pause. It holds calls as a ban does, but of
// that account alone where several share an allowance, and until Resume.
//
// # Health
//
// Every call reports what it says of the account (providers.Condition). Three troubles in a row over at
// least a second, with no authentic answer to any worker in between, or one call that waits 10 s for
// nothing, or one Retry-After, make the account down: its calls are held, whatever they are about, and
// one probe leaves per interval, made by one of the workers (ClaimProbe). The first authentic answer ends
// that. The second is there so that a few calls which fail at the same moment are no outage. While
// nothing is wrong, answers cost Redis nothing.
//
// An account that nobody calls is probed, too, now and then (ClaimIdleProbe), so that an outage is known before an order
// meets it. What such a probe is answered counts once a proper answer was seen (fitness).
//
// When Redis does not answer, Pass returns a plain error: no call leaves unbudgeted. A Redis
// that forgets (a failover, a flush) allows at most one call more than it should, because
// slots of the forgotten line are not used any more; but it forgets bans and pauses as well.
package budget

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/providers"
	"issuance/tasks/order"
)

// Config of one account's budget. All workers should use the same.
type Config struct {
	Account   providers.Account // whose calls they are; its merchant is named
	Allowance string            // accounts of one allowance share calls and bans. Default Account.String()
	Default   bool              // announces the account as its provider's default. Default false
	PerSecond float64           // calls per second of the allowance, on average; above 0
	Ban       time.Duration     // how long a ban lasts. Default 30 min
	Ramp      time.Duration     // how long the allowance grows after a ban. Default 1 min
	MaxWait   time.Duration     // how long Pass waits in place, see the package comment. Default 5 s
	// Now replaces Redis' clock. Default nil: Redis' TIME, the only clock all workers share.
	Now func() time.Time
	// Sleep replaces waiting by timers, for simulations whose clock is their own. It returns the
	// context's error when that ends first. Default: timers.
	Sleep func(ctx context.Context, d time.Duration) error
	// Departures lets accounts of one allowance leave in one line. Default nil: a line of the budget's own.
	Departures *Departures
	// Shared reports whether other processes call under the allowance at the same time: calls then leave at their slots or take
	// others. Default nil: none does.
	Shared func(context.Context) bool
	Log    *slog.Logger // Default: none
}

const (
	defaultBan     = 30 * time.Minute
	defaultRamp    = time.Minute
	defaultMaxWait = 5 * time.Second

	// margin is by how much slots are farther apart than PerSecond says, so that calls which leave, travel and arrive some
	// milliseconds later or sooner than others are not too many for a provider that counts those of any second.
	margin = 0.01

	rampFrom     = 0.25 // share of the allowance right after a ban
	minRetry     = time.Second
	leastLate    = 100 * time.Millisecond // a waiting call may miss its slot by this much, or by half of T,
	farthest     = 500 * time.Millisecond // and by Redis' own round trip, up to this
	publishLimit = 5 * time.Second
)

// Budget is one account's. Safe for concurrent use; it holds no connection of its own.
type Budget struct {
	cfg     Config
	spacing time.Duration // T
	rdb     redis.UniversalClient
	keys    keySet
	line    *departures

	waiters waiters

	worker string // distinguishes this process's reports from those of others

	mu          sync.Mutex
	unpublished *refusal // a ban that is not in Redis yet
	own         record
}

// refusal is a provider's answer "too fast".
type refusal struct {
	reason string
	at     time.Time // by this process's clock
	logged bool      // guarded by Budget.mu
}

var (
	_ providers.Gate           = (*Budget)(nil)
	_ providers.BanReporter    = (*Budget)(nil)
	_ providers.HealthReporter = (*Budget)(nil)
	_ providers.Departer       = (*Budget)(nil)
	_ providers.BanReporter    = guest{}
)

// allowancePattern keeps names out that would leave the hash tag of the allowance's keys.
var allowancePattern = regexp.MustCompile(`^[A-Za-z0-9_.:-]{1,100}$`)

// New checks the configuration; it does not talk to Redis.
func New(rdb redis.UniversalClient, cfg Config) (*Budget, error) {
	if cfg.Account.Provider == "" || !providers.ValidMerchant(cfg.Account.Merchant) {
		return nil, fmt.Errorf("call budget: account %q does not name a provider and a merchant", cfg.Account)
	}
	if cfg.Allowance == "" {
		cfg.Allowance = cfg.Account.String()
	}
	if !allowancePattern.MatchString(cfg.Allowance) {
		return nil, fmt.Errorf("call budget of %s: invalid allowance %q", cfg.Account, cfg.Allowance)
	}
	if !(cfg.PerSecond > 0) || math.IsInf(cfg.PerSecond, 0) {
		return nil, fmt.Errorf("call budget of %s: %g calls per second; it must be above 0", cfg.Account, cfg.PerSecond)
	}
	cfg.setDefaults()
	micros := math.Ceil((1 + margin) * 1e6 / cfg.PerSecond) // rounded to the safe side
	return &Budget{
		cfg:     cfg,
		spacing: time.Duration(micros) * time.Microsecond,
		rdb:     rdb,
		keys:    keysOf(cfg.Allowance, cfg.Account),
		line:    cfg.Departures.of(cfg.Allowance),
		worker:  strconv.FormatUint(rand.Uint64(), 36),
	}, nil
}

func (cfg *Config) setDefaults() {
	if cfg.Ban <= 0 {
		cfg.Ban = defaultBan
	}
	if cfg.Ramp <= 0 {
		cfg.Ramp = defaultRamp
	}
	if cfg.MaxWait <= 0 {
		cfg.MaxWait = defaultMaxWait
	}
	if cfg.Sleep == nil {
		cfg.Sleep = wait
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
}

// Lane is the gate of one lane. A lane in the context (WithLane) wins over it.
func (b *Budget) Lane(l order.Lane) providers.Gate { return gate{b, l} }

// Pass lets the next call of the context's lane leave; without one it is bulk, which hurts
// nobody. See providers.Gate.
func (b *Budget) Pass(ctx context.Context) error {
	return report(ctx, b.pass(ctx, LaneOf(ctx, order.Bulk)))
}

type gate struct {
	*Budget
	lane order.Lane
}

func (g gate) Pass(ctx context.Context) error {
	return report(ctx, g.pass(ctx, LaneOf(ctx, g.lane)))
}

// Guest is Lane for programs that serve nothing, such as a person's command. Their calls count like any other, and a ban that one
// draws holds all calls; what an answer says of the account is not recorded, because it may be about the keys of that program alone.
func (b *Budget) Guest(l order.Lane) providers.Gate { return guest{b, l} }

type guest struct {
	budget *Budget
	lane   order.Lane
}

// Pass implements providers.Gate.
func (g guest) Pass(ctx context.Context) error { return gate{g.budget, g.lane}.Pass(ctx) }

// Banned implements providers.BanReporter.
func (g guest) Banned(ctx context.Context, reason string) { g.budget.Banned(ctx, reason) }

func (b *Budget) pass(ctx context.Context, lane order.Lane) error {
	policy, ok := b.policy(lane)
	if !ok {
		return fmt.Errorf("call budget of %s: unknown lane %q", b.cfg.Account, lane)
	}
	if err := b.publish(ctx); err != nil {
		return err
	}
	p := probeOf(ctx)
	if p != nil && p.over.Load() {
		return &providers.HeldError{RetryAfter: minRetry, Reason: "the probe was not answered"}
	}
	slot, lead := providers.SlotOf(ctx), time.Duration(0)
	if slot != nil && b.cfg.Shared != nil && b.cfg.Shared(ctx) {
		lead = b.lead()
		policy.ahead = max(policy.ahead, lead)
	}
	w := b.waiters.join(lane)
	defer w.leave(0)
	giveUp := b.clock().Add(b.cfg.MaxWait)
	deadline, bounded := ctx.Deadline()
	for {
		reach := time.Duration(math.MaxInt64)
		if bounded {
			reach = time.Until(deadline)
		}
		a, err := b.ask(ctx, lane, policy, reach, lead, p != nil)
		if err == nil && a.verdict == leave {
			w.leave(a.slot)
			a, err = b.atSlot(ctx, lane, a, lead, p != nil)
		}
		if err != nil {
			return err
		}
		switch a.verdict {
		case leave:
			b.suspects(a.suspect)
			if p != nil {
				p.left.Store(true)
			}
			if lead > 0 {
				slot.Set(b.clock(), a.due)
			}
			return nil
		case banned:
			return b.heldByBan(a)
		case paused:
			return heldByPause(a)
		case down:
			return heldByTrouble(a)
		case missed:
			if b.clock().After(giveUp) {
				return b.usedUp(minRetry)
			}
		case again:
			// A checkout's slot only moves away; for the others, is it worth waiting here? Those before it go first.
			w.refused(a.slot)
			asked := b.clock()
			for ahead, early := w.ahead(), time.Duration(0); ; ahead, early = w.ahead(), b.clock().Sub(asked) {
				own := a.wait + time.Duration(ahead)*b.spacing - early
				if own <= 0 {
					break
				}
				if policy.patience == 0 || own > giveUp.Sub(b.clock()) || own >= reach-early {
					return b.usedUp(max(a.wait, minRetry))
				}
				if err := w.sleep(ctx, ahead, own, b.cfg.Sleep); err != nil {
					return err
				}
			}
		default:
			return b.unreachable(fmt.Errorf("unknown verdict %d", a.verdict))
		}
	}
}

// atSlot waits until so much ahead of the slot of an answer, and says whether the call may leave then. A slot that is
// as near now needs no second question, unless the answer comes late.
func (b *Budget) atSlot(ctx context.Context, lane order.Lane, a answer, lead time.Duration, probing bool) (answer, error) {
	if a.wait <= lead && a.took <= b.late(farthest) {
		return a, nil
	}
	if err := b.cfg.Sleep(ctx, a.wait-lead); err != nil {
		return answer{}, err
	}
	c, err := b.confirm(ctx, lane, a, probing)
	c.due = a.due
	if err == nil && c.verdict == leave && c.took > b.late(farthest) {
		c.verdict = missed
	}
	return c, err
}

// late is by how much a call may miss its slot when Redis' answers take so long.
func (b *Budget) late(took time.Duration) time.Duration {
	return max(b.spacing/2, leastLate) + min(took, farthest)
}

func (b *Budget) usedUp(retry time.Duration) error {
	whose := b.cfg.Account.String()
	if b.cfg.Allowance != whose {
		whose = "allowance " + b.cfg.Allowance
	}
	return &providers.HeldError{
		RetryAfter: spread(retry),
		Reason:     fmt.Sprintf("call budget of %s (%g per second) is used up", whose, b.cfg.PerSecond),
	}
}

// spread adds up to half of d, so that not all held calls come back at once.
func spread(d time.Duration) time.Duration { return d + rand.N(d/2) }

// clock is this process's; it only measures how long a caller has waited.
func (b *Budget) clock() time.Time {
	if b.cfg.Now != nil {
		return b.cfg.Now()
	}
	return time.Now()
}

// unreachable says that Redis gave no usable answer.
func (b *Budget) unreachable(err error) error {
	return fmt.Errorf("call budget of %s: no answer from Redis, so no call leaves: %w", b.cfg.Account, err)
}

// wait blocks for d or until the context ends, whose error it then returns.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for the call budget: %w", context.Cause(ctx))
	}
}
