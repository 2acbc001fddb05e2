package servers_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/fakeprovider"
	"issuance/internal/handler"
	"issuance/internal/handlertest"
	"issuance/internal/issuing"
	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/internal/refunding"
	"issuance/internal/servers"
	"issuance/internal/testredis"
	"issuance/internal/toyprovider"
	"issuance/pollers"
	"issuance/providers"
	"issuance/tasks"
	"issuance/tasks/order"
)

// journey is a whole way: documents, the real queue, the real handlers.
type journey struct {
	*handlertest.Bench
	inspector *asynq.Inspector
	client    *asynq.Client
}

func newJourney(t *testing.T) *journey {
	t.Helper()
	t.Parallel() // asynq's own pace is a second
	b := handlertest.New(t, testredis.Start(t))
	return &journey{Bench: b, inspector: asynq.NewInspectorFromRedisClient(b.RDB), client: asynq.NewClientFromRedisClient(b.RDB)}
}

// serve starts servers for lanes of a provider, which are stopped with the test.
func (j *journey) serve(p providers.Name, h asynq.Handler, lanes ...order.Lane) {
	j.T.Helper()
	var list []servers.Lane
	for _, l := range lanes {
		list = append(list, servers.Lane{Provider: p, Lane: l, Concurrency: 8, Handler: h})
	}
	set := servers.New(j.Redis.Client(), list, servers.Options{Log: j.Log})
	if err := set.Start(); err != nil {
		j.T.Fatal(err)
	}
	j.T.Cleanup(set.Stop)
}

// until waits for a condition that the handlers bring about.
func (j *journey) until(what string, over func() bool) {
	j.T.Helper()
	limit, tick := time.NewTimer(30*time.Second), time.NewTicker(5*time.Millisecond)
	defer limit.Stop()
	defer tick.Stop()
	for !over() {
		select {
		case <-limit.C:
			j.T.Fatalf("waited in vain for %s", what)
		case <-tick.C:
		}
	}
}

// worker runs the real handlers of a provider's account on the real queue. Time is real there.
func (j *journey) worker(name string, p providers.Provider) {
	j.T.Helper()
	l := ledger.New(j.RDB, ledger.Options{})
	course := handler.Config{Provider: p, Ledger: l, Ring: j.Ring, Worker: name, Rules: j.ProviderRules, Log: j.Log, LookAfter: time.Second}
	schedule := pollers.Schedule{Interval: time.Second}
	refunds, err := refunding.New(refunding.Config{Config: course})
	if err != nil {
		j.T.Fatal(err)
	}
	of := p.Account().Provider
	mux := asynq.NewServeMux()
	mux.Handle(queue.IssueType(of), issuing.New(course, pollers.NewFollower(j.RDB, schedule, pollers.FollowerOptions{})))
	mux.Handle(queue.RefundType(of), refunds)
	mux.Handle(queue.PollType(of), pollers.New(pollers.Config{Provider: p, Ledger: l, Ring: j.Ring, Schedule: schedule, Log: j.Log}))
	j.serve(of, mux, order.Checkout, order.Poll)
}

// quiet waits until a queue holds nothing but tasks that succeeded.
func (j *journey) quiet(queues ...string) {
	j.T.Helper()
	for _, name := range queues {
		j.until(name+" to be done", func() bool {
			q, err := j.inspector.GetQueueInfo(name)
			return err == nil && q.Size == q.Completed
		})
		if q, err := j.inspector.GetQueueInfo(name); err != nil || q.FailedTotal != 0 || q.Archived != 0 {
			j.T.Errorf("%s: %d failures, %d archived, %v", name, q.FailedTotal, q.Archived, err)
		}
	}
}

func document(n int) string {
	return fmt.Sprintf(`{"provider":"ecticket","request":{"MerchantTradeNo":"ORDER%d","IssueType":"1","Operator":"Shop1","CustomerEmail":%q,
		"TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":2}]}}`, n, handlertest.CustomerEmail)
}

func TestAnOrderTravelsFromTheDocumentToItsRefund(t *testing.T) {
	j := newJourney(t)
	p := fakeprovider.New(t, providers.ECTicket)
	p.SetIssuesAtOnce(true)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	client := j.Client()
	if _, err := client.Enqueue(ctx, []byte(document(1))); err != nil {
		t.Fatal(err)
	}
	p.AnswerIssue(fakeprovider.Lost)
	p.AnswerLookUp(fakeprovider.Known(providers.FoundPending)) // the handler's
	p.AnswerLookUp(fakeprovider.Known(providers.FoundPending)) // the poller's, at once
	p.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))  // and a second later
	j.worker("w", p)
	s, err := client.Wait(ctx, handlertest.ECTicket, "ORDER1")
	if err != nil || s.State != order.Issued || s.Attempts != 1 || s.Polls != 3 {
		t.Fatalf("%+v, %v", s, err)
	}
	if got := p.Sequence(); got != "issue, look_up, look_up, look_up" {
		t.Errorf("the provider was called %s", got)
	}

	p.AnswerTickets([]providers.Ticket{{TicketNo: handlertest.TicketNo + "01", UseStatus: providers.Unused},
		{TicketNo: handlertest.TicketNo + "02", UseStatus: providers.Unused}}, fakeprovider.Yes)
	for _, n := range []string{"01", "02"} { // whose tickets they are, as no answer has shown their numbers before
		p.AnswerStatus(providers.TicketStatus{OrderID: "ORDER1", Ticket: providers.Ticket{TicketNo: handlertest.TicketNo + n, UseStatus: providers.Unused}}, fakeprovider.Yes)
		p.AnswerRefundTicket(fakeprovider.Yes)
	}
	p.ShowRefunds()
	if _, err := client.EnqueueRefund(ctx, []byte(`{"provider":"ecticket","refund_id":"R1","request":{"MerchantTradeNo":"ORDER1","all":true}}`)); err != nil {
		t.Fatal(err)
	}
	s, err = client.WaitRefund(ctx, handlertest.ECTicket, "ORDER1", "R1")
	if err != nil || s.Refunds[0].State != order.Refunded || s.Refunds[0].Refunded != 2 {
		t.Fatalf("%+v, %v", s, err)
	}
	j.quiet("ecticket-checkout", "ecticket-poll")
}

// A provider that the product does not know travels the same way, with nothing but its own folder and its
// entry in the table.
func TestAThirdProviderNeedsNothingButItsOwnFolder(t *testing.T) {
	j := newJourney(t)
	sim, toy := toyprovider.Start(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	client := j.Client()
	receipt, err := client.Enqueue(ctx, []byte(`{"provider":"toy","request":{"toyNumber":"A1","seats":2,"buyer":"Ann"}}`))
	if err != nil || receipt.Account != toy.Account() {
		t.Fatalf("%+v %v", receipt, err)
	}
	j.worker("w", toy)
	j.until("the toy to have the order", func() bool {
		states, err := client.States(ctx, []tasks.Ref{receipt.Ref()})
		return err == nil && states[0] == order.Accepted
	})
	sim.Settle()
	if s, err := client.Wait(ctx, toy.Account(), "A1"); err != nil || s.State != order.Issued || sim.Issued("A1") != 1 {
		t.Fatalf("%+v %v, issued %d times", s, err, sim.Issued("A1"))
	}
	if _, err := client.EnqueueRefund(ctx, []byte(`{"provider":"toy","refund_id":"R1","request":{"toyNumber":"A1","seats":1}}`)); err != nil {
		t.Fatal(err)
	}
	s, err := client.WaitRefund(ctx, toy.Account(), "A1", "R1")
	if err != nil || s.Refunds[0].State != order.Refunded || sim.Refunded("A1") != 1 {
		t.Fatalf("%+v, %v, refunded %d", s, err, sim.Refunded("A1"))
	}
	j.quiet("toy-checkout", "toy-poll")
}

// asynq can run a task twice at the same time. Here both copies of every task are there from the
// start, one in each lane, and two workers take them.
func TestTwoWorkersAndTwoTasksPerOrderMakeOneCallPerOrder(t *testing.T) {
	j := newJourney(t)
	p := fakeprovider.New(t, providers.ECTicket)
	const orders = 25
	var calls atomic.Int64
	for range orders {
		p.AnswerIssue(providers.Outcome{Kind: providers.Done}, func(context.Context) { calls.Add(1) })
	}
	for n := range orders {
		task := j.Enqueue(document(n))
		id := queue.HomeOf(order.Ref{Account: handlertest.ECTicket, OrderID: fmt.Sprintf("ORDER%d", n)}, order.Queued, order.Bulk)
		_, err := j.client.Enqueue(asynq.NewTask(task.Type(), task.Payload()), asynq.Queue(id.Queue),
			asynq.TaskID(id.ID), asynq.MaxRetry(queue.MaxRetry), asynq.Retention(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"w1", "w2"} {
		h := issuing.New(handler.Config{Provider: p, Ledger: ledger.New(j.RDB, ledger.Options{}), Ring: j.Ring,
			Worker: name, Rules: j.ProviderRules, Log: j.Log, Lease: 2 * time.Second}, nil)
		j.serve(providers.ECTicket, h, order.Checkout, order.Bulk)
	}
	for _, name := range []string{"ecticket-checkout", "ecticket-bulk"} {
		j.until(name+" to be done", func() bool {
			q, err := j.inspector.GetQueueInfo(name)
			return err == nil && q.Completed == orders
		})
	}
	if n := calls.Load(); n != orders {
		t.Errorf("%d calls for %d orders", n, orders)
	}
	ended := map[string]bool{} // an event may come twice, under one id
	for _, event := range j.Events() {
		ended[event] = true
	}
	if len(ended) != orders {
		t.Errorf("%d ends for %d orders", len(ended), orders)
	}
}
