package wiring

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"go.uber.org/goleak"

	"issuance/internal/fakeprovider"
	"issuance/internal/ledger"
	"issuance/internal/servers"
	"issuance/internal/testbench"
	"issuance/internal/testredis"
	"issuance/pollers"
	"issuance/providers"
	"issuance/tasks"
	"issuance/tasks/issue"
	"issuance/tasks/order"
	"issuance/tasks/refund"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a queue on a Redis of the test's own.
type world struct {
	*testbench.Bench
	inspector *asynq.Inspector
	client    *asynq.Client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel() // asynq's own pace is a second
	b := testbench.New(t, testredis.Start(t))
	return &world{Bench: b, inspector: asynq.NewInspectorFromRedisClient(b.RDB), client: asynq.NewClientFromRedisClient(b.RDB)}
}

// handle makes a lane of ECTicket's.
func handle(l order.Lane, concurrency int, h asynq.HandlerFunc) servers.Lane {
	return servers.Lane{Provider: providers.ECTicket, Lane: l, Concurrency: concurrency, Handler: h}
}

// start starts a set, which is stopped with the test.
func (w *world) start(opt servers.Options, lanes ...servers.Lane) *servers.Set {
	w.T.Helper()
	opt.Log = w.Log
	set := servers.New(w.Redis.Client(), lanes, opt)
	if err := set.Start(); err != nil {
		w.T.Fatal(err)
	}
	w.T.Cleanup(set.Stop)
	return set
}

// until waits for a condition that the handlers bring about.
func (w *world) until(what string, over func() bool) {
	w.T.Helper()
	limit, tick := time.NewTimer(30*time.Second), time.NewTicker(5*time.Millisecond)
	defer limit.Stop()
	defer tick.Stop()
	for !over() {
		select {
		case <-limit.C:
			w.T.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}

// worker runs the real handlers of ECTicket on the real queue.
func (w *world) worker(name string, p *fakeprovider.Provider) *servers.Set {
	l := ledger.New(w.RDB, ledger.Options{})
	gate := providers.Prepayable(nil)
	follower := pollers.NewFollower(w.RDB, pollers.Schedule{Interval: time.Second}, pollers.FollowerOptions{})
	mux := asynq.NewServeMux()
	mux.Handle(tasks.IssueType(providers.ECTicket), issue.New(issue.Config{Provider: p, Ledger: l, Ring: w.Ring, Follower: follower, Gate: gate,
		Worker: name, Rules: w.Rules, Log: w.Log, LookAfter: time.Second}))
	mux.Handle(tasks.RefundType(providers.ECTicket), refund.New(refund.Config{Provider: p, Tickets: p, Ledger: l, Ring: w.Ring, Gate: gate,
		Queued: func(context.Context, ledger.Key) (bool, error) { return false, nil }, Worker: name, Log: w.Log}))
	poll := pollers.New(pollers.Config{Provider: p, Ledger: l, Ring: w.Ring, Schedule: pollers.Schedule{Interval: time.Second}, Log: w.Log})
	return w.start(servers.Options{}, handle(order.Checkout, 8, mux.ProcessTask), handle(order.Poll, 4, poll.ProcessTask))
}

func document(n int) string {
	return fmt.Sprintf(`{"provider":"ecticket","request":{"MerchantTradeNo":"ORDER%d","IssueType":"1","Operator":"Shop1","CustomerEmail":%q,
		"TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":2}]}}`, n, testbench.CustomerEmail)
}

func TestAnOrderTravelsFromTheDocumentToItsRefund(t *testing.T) {
	w := newWorld(t)
	p := fakeprovider.New(t, providers.ECTicket)
	p.SetIssuesAtOnce(true)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	client := w.Client()
	if _, err := client.Enqueue(ctx, []byte(document(1))); err != nil {
		t.Fatal(err)
	}
	p.AnswerIssue(fakeprovider.Lost)
	p.AnswerLookUp(fakeprovider.Known(providers.FoundPending)) // the handler's
	p.AnswerLookUp(fakeprovider.Known(providers.FoundPending)) // the poller's, at once
	p.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))  // and a second later
	w.worker("w", p)
	s, err := client.Wait(ctx, providers.ECTicket, "ORDER1")
	if err != nil || s.State != ledger.Issued || s.Attempts != 1 || s.Polls != 2 {
		t.Fatalf("%+v, %v", s, err)
	}
	if got := p.Sequence(); got != "issue, look_up, look_up, look_up" {
		t.Errorf("the provider was called %s", got)
	}

	p.AnswerTickets([]providers.Ticket{{TicketNo: testbench.TicketNo + "01", UseStatus: providers.Unused}}, fakeprovider.Yes)
	p.AnswerRefundTicket(fakeprovider.Yes)
	if _, err := client.EnqueueRefund(ctx, []byte(`{"provider":"ecticket","refund_id":"R1","request":{"MerchantTradeNo":"ORDER1","all":true}}`)); err != nil {
		t.Fatal(err)
	}
	s, err = client.WaitRefund(ctx, providers.ECTicket, "ORDER1", "R1")
	if err != nil || s.Refunds[0].State != ledger.Refunded || s.Refunds[0].Refunded != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	for _, queue := range []string{"ecticket-checkout", "ecticket-poll"} {
		w.until(queue+" to be done", func() bool {
			q, err := w.inspector.GetQueueInfo(queue)
			return err == nil && q.Size == q.Completed
		})
		if q, err := w.inspector.GetQueueInfo(queue); err != nil || q.FailedTotal != 0 || q.Archived != 0 {
			t.Errorf("%s: %d failures, %d archived, %v", queue, q.FailedTotal, q.Archived, err)
		}
	}
}

// asynq can run a task twice at the same time. Here both copies of every task are there from the
// start, one in each lane, and two workers take them.
func TestTwoWorkersAndTwoTasksPerOrderMakeOneCallPerOrder(t *testing.T) {
	w := newWorld(t)
	p := fakeprovider.New(t, providers.ECTicket)
	const orders = 25
	var calls atomic.Int64
	for range orders {
		p.AnswerIssue(providers.Outcome{Kind: providers.Done}, func(context.Context) { calls.Add(1) })
	}
	for n := range orders {
		task := w.Enqueue(document(n))
		_, err := w.client.Enqueue(asynq.NewTask(task.Type(), task.Payload()), asynq.Queue("ecticket-bulk"),
			asynq.TaskID(tasks.IssueID(providers.ECTicket, fmt.Sprintf("ORDER%d", n))), asynq.MaxRetry(tasks.MaxRetry), asynq.Retention(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"w1", "w2"} {
		h := issue.New(issue.Config{Provider: p, Ledger: ledger.New(w.RDB, ledger.Options{}), Ring: w.Ring, Gate: providers.Prepayable(nil),
			Worker: name, Rules: w.Rules, Log: w.Log, Lease: 2 * time.Second})
		w.start(servers.Options{}, handle(order.Checkout, 8, h.ProcessTask), handle(order.Bulk, 8, h.ProcessTask))
	}
	for _, queue := range []string{"ecticket-checkout", "ecticket-bulk"} {
		w.until(queue+" to be done", func() bool {
			q, err := w.inspector.GetQueueInfo(queue)
			return err == nil && q.Completed == orders
		})
	}
	if n := calls.Load(); n != orders {
		t.Errorf("%d calls for %d orders", n, orders)
	}
	ended := map[string]bool{} // an event may come twice, under one id
	for _, event := range w.Events() {
		ended[event] = true
	}
	if len(ended) != orders {
		t.Errorf("%d ends for %d orders", len(ended), orders)
	}
}
