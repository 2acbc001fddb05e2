package ledger

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// Options of a Ledger. The zero value is good for production.
type Options struct {
	// Now replaces Redis's clock, for tests. Default: every script asks Redis for the time, so
	// that workers whose clocks differ agree on who holds a fence.
	Now func() time.Time
	// KeepFinal is how long a finished record is kept. Default 90 days. A document enqueued
	// again after that is sent again; the provider refuses its number and it ends in review.
	KeepFinal time.Duration
	// KeepEvents is about how many entries the event stream keeps. Default 1,000,000.
	KeepEvents int64
	// WaitReplicas makes every write of an intent wait until so many replicas have it.
	// Default 0. Fewer acknowledgements within a second are an error, and nothing is sent.
	WaitReplicas int
	// Observer, when set, hears of every transition this process applies, right after it. It is
	// called from many goroutines and must not block. Default: none.
	Observer func(Change)
}

// Ledger reads and changes records. Safe for concurrent use.
type Ledger struct {
	rdb redis.UniversalClient
	opt Options
	// apart says that records, events and open set may be on different nodes, so that no script can
	// change them together; what belongs together is then written step by step, in the order that
	// loses nothing.
	apart bool
}

// New makes a ledger over rdb.
func New(rdb redis.UniversalClient, opt Options) *Ledger {
	if opt.KeepFinal <= 0 {
		opt.KeepFinal = 90 * 24 * time.Hour
	}
	if opt.KeepEvents <= 0 {
		opt.KeepEvents = 1_000_000
	}
	_, one := rdb.(*redis.Client)
	return &Ledger{rdb: rdb, opt: opt, apart: !one}
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

// Answer is what a conditional transition said. A refusal is an answer, not an error: somebody
// else was faster, and State tells what the record holds now.
type Answer struct {
	Applied bool
	State   State
}

func answer(reply []string) Answer {
	return Answer{Applied: reply[0] == "ok", State: State(reply[1])}
}

// run runs a script on keys of one slot and returns its reply, an array of strings.
func (l *Ledger) run(ctx context.Context, name string, keys []string, args ...any) ([]string, error) {
	reply, err := scripts[name].Run(ctx, l.rdb, keys, append([]any{l.now()}, args...)...).StringSlice()
	if err != nil {
		return nil, fmt.Errorf("ledger: %s: %w", name, err)
	}
	l.observe(name, keys, args, reply)
	return reply, nil
}

// runIntent is run for a write that a provider call will follow: it must survive a failover.
func (l *Ledger) runIntent(ctx context.Context, name string, keys []string, args ...any) ([]string, error) {
	if l.opt.WaitReplicas == 0 {
		return l.run(ctx, name, keys, args...)
	}
	reply, err := l.runReplicated(ctx, name, keys, args...)
	if err == nil {
		l.observe(name, keys, args, reply)
	}
	return reply, err
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
