package ledger

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/tracing"
	"issuance/tasks/order"
)

// Options of a Ledger. The zero value is good for production.
type Options struct {
	// Now replaces Redis's clock, for tests. Default: every script asks Redis for the time, so
	// that workers whose clocks differ agree on who holds a fence.
	Now func() time.Time
	// KeepDetails is how long document, result and history of a settled record are kept. Default 90 days.
	KeepDetails time.Duration
	// KeepRecords is how long a settled record is kept, at least KeepDetails. A document enqueued again
	// after that is sent again; the provider refuses its number and it ends in review. Default 400 days.
	KeepRecords time.Duration
	// KeepEvents is about how many entries the event stream keeps. Default 1,000,000.
	KeepEvents int64
	// WaitReplicas makes every write of an intent, and Replicated, wait until so many replicas have it.
	// Default 0. Fewer acknowledgements within a second are an error, and nothing is sent.
	WaitReplicas int
	// Observer, when set, is called with every transition this process applies, right after it. It is
	// called from many goroutines and must not block. Default: none.
	Observer func(Change)
}

const day = 24 * time.Hour

// Ledger reads and changes records. Safe for concurrent use.
type Ledger struct {
	rdb redis.UniversalClient
	opt Options
	// sharded says that records, events and open set may be on different nodes, so that no script can
	// change them together; what belongs together is then written step by step, in the order that
	// loses nothing.
	sharded bool
}

// New makes a ledger over rdb.
func New(rdb redis.UniversalClient, opt Options) *Ledger {
	if opt.KeepDetails <= 0 {
		opt.KeepDetails = 90 * day
	}
	if opt.KeepRecords <= 0 {
		opt.KeepRecords = 400 * day
	}
	opt.KeepRecords = max(opt.KeepRecords, opt.KeepDetails)
	if opt.KeepEvents <= 0 {
		opt.KeepEvents = 1_000_000
	}
	_, one := rdb.(*redis.Client)
	return &Ledger{rdb: rdb, opt: opt, sharded: !one}
}

// now is the ARGV that carries a test's clock; empty lets the script ask Redis.
func (l *Ledger) now() string {
	if l.opt.Now == nil {
		return ""
	}
	return strconv.FormatInt(l.opt.Now().UnixMilli(), 10)
}

// Time is the ledger's clock: Redis's own, or the test's.
func (l *Ledger) Time(ctx context.Context) (time.Time, error) {
	if l.opt.Now != nil {
		return l.opt.Now(), nil
	}
	return l.rdb.Time(ctx).Result()
}

// timeIn is Time in a pipeline; the function it returns is good once that was executed.
func (l *Ledger) timeIn(ctx context.Context, pipe redis.Pipeliner) func() time.Time {
	if l.opt.Now != nil {
		return l.opt.Now
	}
	return pipe.Time(ctx).Val
}

// Answer is what a conditional transition answered. A refusal is an answer, not an error: somebody
// else was faster, and State is what the record holds now.
type Answer struct {
	Applied bool
	State   order.State
	// At is when an intent or a plan was written, a ticket settled or a confirmation kept, by the ledger's clock.
	At time.Time
	// Refunds is how many refunds an order has that has just ended: they may wait for that.
	Refunds int
}

// reply is what a script answered, by name.
type reply map[string]string

func (r reply) answer() Answer {
	return Answer{Applied: r["verdict"] == "ok", State: order.State(r["state"]), At: millis(r["now"])}
}

func newReply(name string, list []string, err error) (reply, error) {
	if err == nil && len(list)%2 != 0 {
		err = fmt.Errorf("unexpected answer of %d values", len(list))
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: %s: %w", name, err)
	}
	r := make(reply, len(list)/2)
	for i := 0; i < len(list); i += 2 {
		r[list[i]] = list[i+1]
	}
	return r, nil
}

// args are a script's arguments behind the time.
func (l *Ledger) args(args []any) []any { return append([]any{l.now()}, args...) }

// run runs a script on keys of one slot.
func (l *Ledger) run(ctx context.Context, ref order.Ref, name string, keys []string, args ...any) (reply, error) {
	ctx, span := tracing.Child(ctx, tracing.Internal, "ledger", name)
	list, err := scripts[name].Run(ctx, l.rdb, keys, l.args(args)...).StringSlice()
	return l.came(ctx, span, ref, name, args, list, err)
}

// came ends a script: what it answered, if it did, is observed.
func (l *Ledger) came(ctx context.Context, span *tracing.Span, ref order.Ref, name string, args []any, list []string, err error) (reply, error) {
	r, err := newReply(name, list, err)
	if err == nil {
		span.Set(tracing.Outcome(r["verdict"]), tracing.State(order.State(r["state"])))
		l.observe(ctx, ref, name, args, r)
	}
	span.End(err)
	return r, err
}

// runListed is run for a transition that makes a record one that people search for by text: what leads there is written
// in the same round trip.
func (l *Ledger) runListed(ctx context.Context, ref order.Ref, text, name string, keys []string, args ...any) (reply, error) {
	p := l.pointer(ref, text)
	if p.value == "" {
		return l.run(ctx, ref, name, keys, args...)
	}
	ctx, span := tracing.Child(ctx, tracing.Internal, "ledger", name)
	if !l.sharded {
		list, err := pointing[name].Run(ctx, l.rdb, append(keys, p.key), append(l.args(args), p.args()...)...).StringSlice()
		return l.came(ctx, span, ref, name, args, list, err)
	}
	pipe := l.rdb.Pipeline()
	l.point(ctx, pipe, p)
	cmd := scripts[name].EvalSha(ctx, pipe, keys, l.args(args)...)
	_, _ = pipe.Exec(ctx) // the answer has its error; what cannot be pointed at is found by its own number
	list, err := cmd.StringSlice()
	if NoScript(err) {
		span.End(nil)
		return l.run(ctx, ref, name, keys, args...)
	}
	return l.came(ctx, span, ref, name, args, list, err)
}

// transition is run for a script whose answer is all there is to it.
func (l *Ledger) transition(ctx context.Context, ref order.Ref, name string, keys []string, args ...any) (Answer, error) {
	r, err := l.run(ctx, ref, name, keys, args...)
	if err != nil {
		return Answer{}, err
	}
	return r.answer(), nil
}

// runIntent is run for a write that a provider call will follow: it must survive a failover.
func (l *Ledger) runIntent(ctx context.Context, ref order.Ref, name string, keys []string, args ...any) (reply, error) {
	if l.opt.WaitReplicas == 0 {
		return l.run(ctx, ref, name, keys, args...)
	}
	ctx, span := tracing.Child(ctx, tracing.Internal, "ledger", name)
	list, err := l.runReplicated(ctx, name, keys, args...)
	return l.came(ctx, span, ref, name, args, list, err)
}

func millis(s string) time.Time {
	ms, err := strconv.ParseInt(s, 10, 64)
	if err != nil || ms <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
