// Package handlertest is what tests of handlers share: a ledger on a test Redis with a clock the test
// moves, documents that are enqueued the way producers do it, and a watch over everything that was
// logged, returned or stored, which fails the test when a customer's data or a bearer secret is
// found there.
//
// It is imported by tests only.
package handlertest

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/fakeprovider"
	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/internal/seal"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks"
	"issuance/tasks/order"
)

// The accounts of the bench: ECTicket's is configured, Pass2U's is its default.
var (
	ECTicket = providers.Account{Provider: providers.ECTicket, Merchant: "2000132"}
	Pass2U   = providers.Account{Provider: providers.Pass2U, Merchant: "main"}
)

// Start is the bench's first moment: 10:00 in Taiwan.
var Start = time.Date(2026, 5, 4, 2, 0, 0, 0, time.UTC)

// Bench is one test's world. Its methods may be called from any goroutine of the test.
type Bench struct {
	T      testing.TB
	Redis  *testredis.Server
	RDB    *redis.Client
	Clock  *Clock
	Ring   *seal.Ring
	Ledger *ledger.Ledger
	Log    *slog.Logger
	Rules  tasks.Rules
	said   *record
}

// New makes a bench over s.
func New(t testing.TB, s *testredis.Server) *Bench {
	t.Helper()
	b := &Bench{T: t, Redis: s, RDB: s.Client(), Clock: &Clock{now: Start}, Ring: Ring(t, 1), said: &record{}}
	b.Ledger = ledger.New(b.RDB, ledger.Options{Now: b.Clock.Now})
	b.Log = slog.New(slog.NewJSONHandler(b.said, &slog.HandlerOptions{Level: slog.LevelDebug}))
	b.Rules = tasks.Rules{MerchantID: ECTicket.Merchant, Now: b.Clock.Now}
	t.Cleanup(b.watch)
	return b
}

// Mini is New over miniredis.
func Mini(t testing.TB) *Bench {
	t.Helper()
	return New(t, testredis.Mini(t))
}

// Each runs the same promises over both kinds of Redis.
func Each(t *testing.T, run func(b *Bench)) {
	t.Helper()
	testredis.Each(t, func(t *testing.T, s *testredis.Server) { run(New(t, s)) })
}

// Key is seal key n as ISSUANCE_SEAL_KEYS takes it.
func Key(n int) string {
	return base64.StdEncoding.EncodeToString([]byte(fmt.Sprintf("handlertest key number %9d", n)))
}

// Ring is a ring of the numbered keys.
func Ring(t testing.TB, numbers ...int) *seal.Ring {
	t.Helper()
	var keys []string
	for _, n := range numbers {
		keys = append(keys, Key(n))
	}
	r, err := seal.ParseRing(strings.Join(keys, ","))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Clock is a clock that stands still until it is moved. Safe for concurrent use.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// Now is the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock on.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Enqueue enqueues an order document as a producer does, sealed with key 1, and returns the task a
// handler is given.
func (b *Bench) Enqueue(document string) *asynq.Task { return b.EnqueueSealedWith(1, document) }

// EnqueueSealedWith is Enqueue with the numbered seal key.
func (b *Bench) EnqueueSealedWith(key int, document string) *asynq.Task {
	b.T.Helper()
	r, err := b.client(key).Enqueue(context.Background(), []byte(document))
	if err != nil {
		b.T.Fatal(err)
	}
	return b.Task(r.Ref())
}

// EnqueueRefund enqueues a refund document and returns the task a handler is given.
func (b *Bench) EnqueueRefund(document string) *asynq.Task {
	b.T.Helper()
	return b.EnqueueRefundSealedWith(1, document)
}

// EnqueueRefundSealedWith is EnqueueRefund with the numbered seal key.
func (b *Bench) EnqueueRefundSealedWith(key int, document string) *asynq.Task {
	b.T.Helper()
	r, err := b.client(key).EnqueueRefund(context.Background(), []byte(document))
	if err != nil {
		b.T.Fatal(err)
	}
	return b.Task(r.Ref())
}

// Client is a producer's client, which seals with key 1.
func (b *Bench) Client() *tasks.Client { return b.client(1) }

func (b *Bench) client(key int) *tasks.Client {
	b.T.Helper()
	c, err := tasks.NewClient(b.RDB, tasks.Options{SealKeys: Key(key), Rules: b.Rules, Now: b.Clock.Now})
	if err != nil {
		b.T.Fatal(err)
	}
	return c
}

// Task is the task that a handler is given for a record, wherever its own is.
func (b *Bench) Task(r order.Ref) *asynq.Task {
	h := queue.HomeOf(r, order.Queued, order.Checkout)
	return asynq.NewTask(h.Type, queue.Encode(r, ""))
}

// PollTask is the task that the poller is given for an order.
func (b *Bench) PollTask(r order.Ref) *asynq.Task {
	return asynq.NewTask(queue.PollHome(r).Type, queue.Encode(r, ""))
}

// ProviderRules are the bench's rules as handlers take them.
func (b *Bench) ProviderRules() providers.Rules {
	return providers.Rules{Merchant: b.Rules.MerchantID, Escrow: b.Rules.Escrow, Now: b.Clock.Now()}
}

// Forget deletes a record, as a Redis that loses data does.
func (b *Bench) Forget(r order.Ref) {
	b.T.Helper()
	if err := b.RDB.Del(context.Background(), keys.Record(r), keys.Details(r)).Err(); err != nil {
		b.T.Fatal(err)
	}
}

// death is the value of a panic that stands for the end of a worker.
type death struct{}

// Dies ends the worker that makes the call it runs in: nothing of that run happens any more.
func Dies(context.Context) { panic(death{}) }

// ErrDied is how the run of a worker that died ends.
var ErrDied = errors.New("the worker died")

// Run gives a task to a handler, as the queue does.
func (b *Bench) Run(h asynq.Handler, t *asynq.Task) error {
	return b.RunContext(context.Background(), h, t)
}

// RunContext is Run with a context of the test's.
func (b *Bench) RunContext(ctx context.Context, h asynq.Handler, t *asynq.Task) (err error) {
	defer func() {
		switch v := recover(); v {
		case nil:
			if err != nil {
				b.said.add("returned: " + err.Error())
			}
		case death{}:
			err = ErrDied
		default:
			panic(v)
		}
	}()
	return h.ProcessTask(ctx, t)
}

// Done expects a run to have come to its end.
func (b *Bench) Done(err error) {
	b.T.Helper()
	if err != nil {
		b.T.Fatalf("the run ended with %v, want none", err)
	}
}

// Waits expects a run to have ended with a wait, which is no failure, and returns how long.
func (b *Bench) Waits(err error) time.Duration {
	b.T.Helper()
	var w *queue.WaitError
	if !errors.As(err, &w) || queue.IsFailure(err) {
		b.T.Fatalf("the run ended with %v, want a wait that is no failure", err)
	}
	return w.After
}

// Said reports whether a text was logged or returned.
func (b *Bench) Said(text string) bool { return strings.Contains(b.said.text(), text) }

// OrderIn makes the record of an order in a state, without a provider: queued, submitting,
// accepted, or an end.
func (b *Bench) OrderIn(s order.State, document string) order.Ref {
	b.T.Helper()
	ctx := context.Background()
	receipt, err := b.Client().Enqueue(ctx, []byte(document))
	if err != nil {
		b.T.Fatal(err)
	}
	r := receipt.Ref()
	must := func(a ledger.Answer, err error) {
		b.T.Helper()
		if err != nil || !a.Applied {
			b.T.Fatalf("making %s %s: %+v, %v", r, s, a, err)
		}
	}
	switch s {
	case order.Queued:
		return r
	case order.Cancelled:
		must(b.Ledger.Cancel(ctx, r, "bench", "made by the test"))
		return r
	}
	c, err := b.Ledger.Claim(ctx, r, "bench", time.Minute)
	if err != nil {
		b.T.Fatal(err)
	}
	fence := c.Record.Fence
	a, _, err := b.Ledger.Submit(ctx, r, fence, ledger.Intent{Host: fakeprovider.Host, Lease: time.Minute, Ticket: -1})
	must(a, err)
	switch s {
	case order.Submitting:
		must(b.Ledger.GiveBack(ctx, r, fence, ledger.Unknown, ledger.Reason{}))
	case order.Accepted:
		must(b.Ledger.Accept(ctx, r, fence, ledger.Acceptance{ProviderRef: "REF1"}))
	default:
		must(b.Ledger.Finish(ctx, r, fence, ledger.Ending{State: s, ProviderRef: "REF1", Reason: ledger.Reason{Code: "made", Message: "by the test"}}))
	}
	return r
}
