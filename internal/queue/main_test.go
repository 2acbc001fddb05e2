package queue

import (
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"issuance/internal/ledger"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const lease = 10 * time.Second

var (
	shop  = providers.Account{Provider: providers.ECTicket, Merchant: "2000132"}
	other = providers.Account{Provider: providers.ECTicket, Merchant: "3002607"}
	a1    = order.Ref{Account: shop, OrderID: "A1"}
)

// bench is a ledger whose clock the test moves, and the queue under test.
type bench struct {
	*Client
	rdb    *redis.Client
	ledger *ledger.Ledger
	now    time.Time
}

func newBench(s *testredis.Server) *bench {
	b := &bench{rdb: s.Client(), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	b.ledger = ledger.New(b.rdb, ledger.Options{Now: func() time.Time { return b.now }})
	b.Client = NewClient(b.rdb, Options{})
	return b
}

func each(t *testing.T, run func(t *testing.T, b *bench)) {
	t.Helper()
	testredis.Each(t, func(t *testing.T, s *testredis.Server) { run(t, newBench(s)) })
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// record makes a record in the bulk lane.
func (b *bench) record(t testing.TB, r order.Ref) {
	t.Helper()
	k, err := b.ledger.Record(t.Context(), ledger.Intake{Ref: r, Lane: order.Bulk, Fingerprint: "k.f", Shape: []byte("{}"), Document: "s1.k.doc"})
	if err != nil || !k.New {
		t.Fatalf("record %s: %+v, %v", r, k, err)
	}
}

// claim claims a record as a worker does.
func (b *bench) claim(t testing.TB, r order.Ref) string {
	t.Helper()
	c, err := b.ledger.Claim(t.Context(), r, "w1", lease)
	if err != nil || c.Record == nil {
		t.Fatalf("claim %s: %+v, %v", r, c, err)
	}
	return c.Record.Fence
}

// reach brings a record that waits, with its claim given back, into a state.
func (b *bench) reach(t testing.TB, r order.Ref, s order.State) {
	t.Helper()
	b.record(t, r)
	f := b.claim(t, r)
	if s == order.Queued {
		_, err := b.ledger.GiveBack(t.Context(), r, f, ledger.Idle, ledger.Reason{})
		must(t, err)
		return
	}
	_, _, err := b.ledger.Submit(t.Context(), r, f, ledger.Intent{Lease: lease, Ticket: -1})
	must(t, err)
	if s == order.Accepted {
		_, err = b.ledger.Accept(t.Context(), r, f, ledger.Acceptance{ProviderRef: "REF"})
	} else {
		_, err = b.ledger.GiveBack(t.Context(), r, f, ledger.Unknown, ledger.Reason{Code: "timeout"})
	}
	must(t, err)
}

func (b *bench) view(t testing.TB, r order.Ref) *ledger.View {
	t.Helper()
	v, err := b.ledger.Views(t.Context(), []order.Ref{r})
	must(t, err)
	if v[0] == nil {
		t.Fatalf("%s has no record", r)
	}
	return v[0]
}

// ensure is Ensure, which the test needs to work.
func (b *bench) ensure(t testing.TB, r order.Ref) (why string) {
	t.Helper()
	why, err := b.Ensure(t.Context(), r, b.view(t, r))
	must(t, err)
	return why
}

// state is the state of a task, "" when there is none.
func (b *bench) state(queue, id string) string {
	info, err := b.inspector.GetTaskInfo(queue, id)
	if err != nil {
		return ""
	}
	return info.State.String()
}

func (b *bench) want(t testing.TB, queue, id, state string) {
	t.Helper()
	if got := b.state(queue, id); got != state {
		t.Fatalf("task %s is %q, want %q", id, got, state)
	}
}

// activate leaves the pending task of the queue "active", as a worker that was killed does.
func (b *bench) activate(t testing.TB, queue string) {
	t.Helper()
	moved, err := b.rdb.LMove(t.Context(), "asynq:{"+queue+"}:pending", "asynq:{"+queue+"}:active", "RIGHT", "LEFT").Result()
	must(t, err)
	must(t, b.rdb.HSet(t.Context(), "asynq:{"+queue+"}:t:"+moved, "state", asynq.TaskStateActive.String()).Err())
}
