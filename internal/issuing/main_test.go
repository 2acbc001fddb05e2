package issuing_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"go.uber.org/goleak"

	"issuance/internal/fakeprovider"
	"issuance/internal/ledger"
	"issuance/internal/testbench"
	"issuance/providers"
	"issuance/tasks"
	"issuance/tasks/issue"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	lease       = 10 * time.Second
	settleAfter = 12 * time.Minute
)

var key = ledger.Key{Provider: providers.ECTicket, OrderID: "ORDER1"}

// document is an order for electronic tickets that start the day after the bench's first.
const document = `{"provider":"ecticket","request":{"MerchantTradeNo":"ORDER1","IssueType":"3","IsImmediate":"2","Operator":"Shop1",
	"CustomerName":"` + testbench.CustomerName + `","CustomerPhone":"` + testbench.CustomerPhone + `","CustomerEmail":"` + testbench.CustomerEmail + `",
	"TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":2,"StartDate":"20260505"}]}}`

// other is another order under the same number.
const other = `{"provider":"ecticket","request":{"MerchantTradeNo":"ORDER1","IssueType":"1","Operator":"Shop2",
	"CustomerEmail":"` + testbench.CustomerEmail + `","TicketInfo":[{"ItemNo":"VNS21400","TicketAmount":8}]}}`

// result is what the provider tells of the order; every part of it is a secret.
func result() *providers.Result {
	return &providers.Result{Ref: "REF1", Access: &providers.Access{URL: testbench.VoucherURL, Passcode: testbench.Passcode},
		Tickets: []providers.Ticket{{TicketNo: testbench.TicketNo + "1", WriteOffNo: testbench.WriteOffNo, Barcode: testbench.Barcode, UseStatus: providers.Unused}}}
}

// follow is one Follow that was asked for.
type follow struct {
	key   ledger.Key
	delay time.Duration
}

// follower remembers whom it was asked to follow.
type follower struct {
	mu   sync.Mutex
	list []follow
	err  error
}

func (f *follower) Follow(_ context.Context, k ledger.Key, delay time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, follow{k, delay})
	return f.err
}

// world is one order on its way.
type world struct {
	*testbench.Bench
	provider *fakeprovider.Provider
	follower *follower
	gate     *testbench.Gate
	task     *asynq.Task
}

func newWorld(b *testbench.Bench) *world {
	w := &world{Bench: b, provider: fakeprovider.New(b.T, providers.ECTicket), follower: &follower{}, gate: &testbench.Gate{}}
	w.provider.SetTraits(providers.Traits{SettleAfter: settleAfter})
	w.task = b.Enqueue(document)
	return w
}

func mini(t *testing.T) *world {
	t.Helper()
	return newWorld(testbench.Mini(t))
}

// each runs a promise over both kinds of Redis.
func each(t *testing.T, run func(w *world)) {
	t.Helper()
	testbench.Each(t, func(b *testbench.Bench) { run(newWorld(b)) })
}

// config is the configuration of a worker of its own over the world's Redis.
func (w *world) config(name string) issue.Config {
	return issue.Config{Provider: w.provider, Ledger: w.Ledger, Ring: w.Ring, Follower: w.follower, Gate: providers.Prepayable(w.gate),
		Worker: name, Rules: w.Rules, Log: w.Log, Lease: lease}
}

func (w *world) worker(name string) *issue.Handler { return issue.New(w.config(name)) }

// run has a fresh worker run the order's task.
func (w *world) run() error { return w.Run(w.worker("w"), w.task) }

// order is the order's record.
func (w *world) order() *ledger.Record { return w.Order(key) }

// calls expects exactly these calls so far, such as "issue, look_up".
func (w *world) calls(want string) {
	w.T.Helper()
	if got := w.provider.Sequence(); got != want {
		w.T.Errorf("the provider was called %q, want %q", got, want)
	}
}

// state expects the order to be in a state, for a reason (its code), with its event when it is final.
func (w *world) state(want ledger.State, code string) *ledger.Record {
	w.T.Helper()
	rec := w.order()
	if rec.State != want || rec.Reason.Code != code {
		w.T.Errorf("the order is %s (%q: %s), want %s (%q)", rec.State, rec.Reason.Code, rec.Reason.Message, want, code)
	}
	events := w.Events()
	if want.Final() && (len(events) == 0 || events[len(events)-1] != fmt.Sprintf("%s/%s", key, want) || rec.Event == "") {
		w.T.Errorf("the events are %v, the last must be of %s", events, want)
	}
	if !want.Final() && len(events) != 0 {
		w.T.Errorf("there are events %v of an order that is not final", events)
	}
	return rec
}

// stop expects the rest of the order's life to be quiet: a task that is run again makes no call.
func (w *world) quiet() {
	w.T.Helper()
	calls, events := w.provider.Sequence(), len(w.Events())
	w.Done(w.run())
	w.calls(calls)
	if len(w.Events()) != events {
		w.T.Errorf("running a finished order again published another event: %v", w.Events())
	}
}

// opened is the record's result, opened.
func (w *world) opened() *providers.Result {
	w.T.Helper()
	res, err := tasks.OpenResult(w.Ring, key, w.order().Result)
	if err != nil {
		w.T.Fatal(err)
	}
	return res
}
