package pollers

import (
	"context"
	"embed"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/providers"
)

// The provider issues in scheduled jobs, everything it has received by then, so the oldest pending
// order, the sentinel, speaks for all: while it is not issued, nobody younger is asked. When it is,
// a job has run since it was asked last, and whatever was accepted before that is issued, too:
// those are woken, the oldest first, each that turns out issued waking more. What was accepted
// later may have missed the job; it is asked one by one, until one is not issued: the new sentinel.
// Under load that is one poll an order and one more a job, besides the sentinel's own.
//
// One state in Redis serves all workers; nobody is elected. Its answer counts only for orders about
// which it says something, and only while it is fresh; without one, the first order whose time
// comes by its own schedule is asked and takes over. The rules for what does not go by the book:
//
//   - An order that is late stops being the sentinel as soon as there is another that is not, and
//     once it has answered "not yet" it is woken last: the provider may never issue it.
//   - Every few rounds another order, the scout, is asked in the sentinel's place.
//   - An order that is not issued although younger ones are, has been overtaken. It is left to its
//     own schedule. No more orders are overtaken than younger ones were found issued, because the
//     exception may be the other.
//   - An order that the provider accepted and now does not know is left to its own schedule at once, until it is known again.
//   - An order whose answer is not clear is left to its own schedule, and the next one is asked: that may be its own trouble. Where
//     it is everybody's, ever fewer are.
//   - An order that is issued while what is shown of it is of no use proves that a job has run, and is left to its own schedule.

//go:embed scripts/*.lua
var sentinelFiles embed.FS

func sentinelScript(name string) *redis.Script {
	prelude, err := sentinelFiles.ReadFile("scripts/prelude.lua")
	if err != nil {
		panic(err) // embedded at build time
	}
	body, err := sentinelFiles.ReadFile("scripts/" + name + ".lua")
	if err != nil {
		panic(err)
	}
	return redis.NewScript(string(prelude) + "\n" + string(body))
}

var (
	enterScript        = sentinelScript("enter")
	maySkipScript      = sentinelScript("may_skip")
	stillPendingScript = sentinelScript("still_pending")
	finishedScript     = sentinelScript("finished")
	asideScript        = sentinelScript("aside")
)

// SentinelConfig of a Sentinel. The zero value of a field means its default.
type SentinelConfig struct {
	// Every is the pause between polls of the oldest pending order. Default 5 s.
	Every time.Duration
	// Expected is the age from which an order is late. Default 5 min.
	Expected time.Duration
	// Window is how many orders may be woken and not yet answered. It bounds what a wrong guess
	// costs and has to be more than the budget's calls per second times a call's duration in
	// seconds. Default 8.
	Window int
	// ScoutEvery is at which of its rounds the sentinel lets a scout be asked. Default 3.
	ScoutEvery int
	// Now replaces Redis's clock, for tests and simulations.
	Now func() time.Time
}

// Sentinel decides which pending orders of one account are worth a call. Safe for concurrent use
// by any number of workers.
type Sentinel struct {
	rdb  redis.UniversalClient
	keys []string
	cfg  SentinelConfig
}

// NewSentinel makes a sentinel over rdb, which stays the caller's to close.
func NewSentinel(rdb redis.UniversalClient, a providers.Account, c SentinelConfig) *Sentinel {
	if c.Every <= 0 {
		c.Every = 5 * time.Second
	}
	if c.Expected <= 0 {
		c.Expected = 5 * time.Minute
	}
	if c.Window <= 0 {
		c.Window = 8
	}
	if c.ScoutEvery <= 0 {
		c.ScoutEvery = 3
	}
	tag := keys.Pending(a)
	return &Sentinel{rdb: rdb, keys: []string{tag + "waiting", tag + "asked", tag + "woken", tag + "sentinel", tag + "behind"}, cfg: c}
}

// Advice is what the sentinel's state says about one order.
type Advice struct {
	// Sentinel: the order is the one to ask again soon, after Again.
	Sentinel bool
	Again    time.Duration
	// Skip: it need not be asked now.
	Skip bool
	Age  time.Duration // since it was accepted, with Skip
	// Unclear: it depends on when the order was accepted, which was not given.
	Unclear bool
	// Wake names orders to ask at once.
	Wake []string
}

// Enter adds an accepted order; a zero time means now. oldest means that it is the sentinel from
// now on. An order that was asked for without a clear answer, and is not put aside, is entered again.
func (s *Sentinel) Enter(ctx context.Context, orderID string, accepted time.Time) (oldest bool, err error) {
	n, err := enterScript.Run(ctx, s.rdb, s.keys, s.args(orderID, accepted)...).Int()
	if err != nil {
		return false, fmt.Errorf("pollers: sentinel: %w", err)
	}
	return n == 1, nil
}

// MaySkip says whether the poll of an order whose time has come can be left out. With a zero time it was accepted, it says so
// only of orders that are not late. pause is when the order is polled again should it be the sentinel; one that has not
// answered for trust is asked in any case.
func (s *Sentinel) MaySkip(ctx context.Context, orderID string, accepted time.Time, pause, trust time.Duration) (Advice, error) {
	r, err := s.run(ctx, maySkipScript, orderID, accepted, pause.Milliseconds(), trust.Milliseconds(), s.cfg.ScoutEvery)
	if err != nil {
		return Advice{}, err
	}
	age, err := strconv.ParseInt(r[1], 10, 64)
	if err != nil {
		return Advice{}, fmt.Errorf("pollers: sentinel: unexpected age %q", r[1])
	}
	a, err := advice(r[2], r[3:])
	a.Skip, a.Unclear, a.Age = r[0] == "1", r[0] == "?", time.Duration(age)*time.Millisecond
	return a, err
}

// Unasked takes back that an order is about to be asked: the others do not wait for its answer.
func (s *Sentinel) Unasked(ctx context.Context, orderID string) error {
	if err := s.rdb.ZRem(ctx, s.keys[2], orderID).Err(); err != nil {
		return fmt.Errorf("pollers: sentinel: %w", err)
	}
	return nil
}

// StillPending records that an order was asked for and is not issued yet. pause is when it is
// polled again should it be the sentinel.
func (s *Sentinel) StillPending(ctx context.Context, orderID string, accepted time.Time, pause time.Duration) (Advice, error) {
	r, err := s.run(ctx, stillPendingScript, orderID, accepted, pause.Milliseconds(), s.cfg.Window)
	if err != nil {
		return Advice{}, err
	}
	return advice(r[0], r[1:])
}

func advice(again string, wake []string) (Advice, error) {
	ms, err := strconv.ParseInt(again, 10, 64)
	if err != nil {
		return Advice{}, fmt.Errorf("pollers: sentinel: unexpected answer %q", again)
	}
	return Advice{Sentinel: ms > 0, Again: time.Duration(ms) * time.Millisecond, Wake: wake}, nil
}

// Finished removes an order that the provider has finished; wake names orders to ask at once. accepted may be zero: then one
// that was put aside says nothing about the others.
func (s *Sentinel) Finished(ctx context.Context, orderID string, accepted time.Time) (wake []string, err error) {
	return s.run(ctx, finishedScript, orderID, accepted, s.cfg.Window, "finished")
}

// Kept is Finished for an order that is issued and has to be asked for again: it is left to its own schedule.
func (s *Sentinel) Kept(ctx context.Context, orderID string, accepted time.Time) (wake []string, err error) {
	return s.run(ctx, finishedScript, orderID, accepted, s.cfg.Window, "kept")
}

// GivenUp removes an order that is not asked for any more although the provider has not finished it;
// wake names orders to ask at once.
func (s *Sentinel) GivenUp(ctx context.Context, orderID string) (wake []string, err error) {
	return s.run(ctx, finishedScript, orderID, time.Time{}, s.cfg.Window, "given_up")
}

// Aside leaves an order to its own schedule, of which the provider now says that it does not know it although it accepted
// it, until StillPending: the others do not wait for it. wake names orders to ask at once.
func (s *Sentinel) Aside(ctx context.Context, orderID string) (wake []string, err error) {
	_, wake, err = s.aside(ctx, orderID, time.Time{}, "denied")
	return wake, err
}

// Mute is Aside for an order that was asked for without a clear answer. It is not put aside where that seems to be everybody's
// trouble; then it is to be entered again.
func (s *Sentinel) Mute(ctx context.Context, orderID string, accepted time.Time) (aside bool, wake []string, err error) {
	return s.aside(ctx, orderID, accepted, "mute")
}

func (s *Sentinel) aside(ctx context.Context, orderID string, accepted time.Time, why string) (aside bool, wake []string, err error) {
	r, err := s.run(ctx, asideScript, orderID, accepted, why)
	if err != nil {
		return false, nil, err
	}
	return r[0] == "1", r[1:], nil
}

// Pending counts the orders that are followed, but for those that were overtaken.
func (s *Sentinel) Pending(ctx context.Context) (int64, error) {
	pipe := s.rdb.Pipeline()
	waiting, behind := pipe.ZCard(ctx, s.keys[0]), pipe.ZCard(ctx, s.keys[4])
	if _, err := pipe.Exec(ctx); err != nil {
		return 0, fmt.Errorf("pollers: sentinel: %w", err)
	}
	return waiting.Val() + behind.Val(), nil
}

// Oldest is when the order was accepted that has been followed longest, but for those that were overtaken; zero when none
// is followed.
func (s *Sentinel) Oldest(ctx context.Context) (time.Time, error) {
	list, err := s.rdb.ZRangeWithScores(ctx, s.keys[0], 0, 0).Result()
	if err != nil || len(list) == 0 {
		return time.Time{}, err
	}
	return time.UnixMilli(int64(list[0].Score)), nil
}

func (s *Sentinel) run(ctx context.Context, script *redis.Script, orderID string, accepted time.Time, more ...any) ([]string, error) {
	r, err := script.Run(ctx, s.rdb, s.keys, s.args(orderID, accepted, more...)...).StringSlice()
	if err != nil {
		return nil, fmt.Errorf("pollers: sentinel: %w", err)
	}
	return r, nil
}

func (s *Sentinel) args(orderID string, accepted time.Time, more ...any) []any {
	now, at := "", ""
	if s.cfg.Now != nil {
		now = strconv.FormatInt(s.cfg.Now().UnixMilli(), 10)
	}
	if !accepted.IsZero() {
		at = strconv.FormatInt(accepted.UnixMilli(), 10)
	}
	return append([]any{now, s.cfg.Expected.Milliseconds(), orderID, at, s.cfg.Every.Milliseconds()}, more...)
}
