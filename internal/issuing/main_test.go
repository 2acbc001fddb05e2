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
	"issuance/internal/handler"
	"issuance/internal/handlertest"
	"issuance/internal/issuing"
	"issuance/internal/ledger"
	"issuance/internal/vault"
	"issuance/providers"
	"issuance/tasks/order"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	lease       = 10 * time.Second
	settleAfter = 12 * time.Minute
)

var ref = order.Ref{Account: handlertest.ECTicket, OrderID: "ORDER1"}

// document is an order for electronic tickets that start the day after the bench's first.
const document = `{"provider":"ecticket","request":{"MerchantTradeNo":"ORDER1","IssueType":"3","IsImmediate":"2","Operator":"Shop1",
	"CustomerName":"` + handlertest.CustomerName + `","CustomerPhone":"` + handlertest.CustomerPhone + `","CustomerEmail":"` + handlertest.CustomerEmail + `",
	"TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":2,"StartDate":"20260505"}]}}`

// other is another order under the same number.
const other = `{"provider":"ecticket","request":{"MerchantTradeNo":"ORDER1","IssueType":"1","Operator":"Shop2",
	"CustomerEmail":"` + handlertest.CustomerEmail + `","TicketInfo":[{"ItemNo":"VNS21400","TicketAmount":8}]}}`

// result is what the provider reports about the order; every part of it is a secret.
func result() *providers.Result {
	return &providers.Result{Ref: "REF1", Access: &providers.Access{URL: handlertest.VoucherURL, Passcode: handlertest.Passcode},
		Tickets: []providers.Ticket{{TicketNo: handlertest.TicketNo + "1", WriteOffNo: handlertest.WriteOffNo, Barcode: handlertest.Barcode, UseStatus: providers.Unused}}}
}

// follow is one Follow that was asked for.
type follow struct {
	ref   order.Ref
	delay time.Duration
}

// follower remembers whom it was asked to follow.
type follower struct {
	mu   sync.Mutex
	list []follow
	err  error
}

func (f *follower) Follow(_ context.Context, r order.Ref, delay time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, follow{r, delay})
	return f.err
}

// world is one order on its way.
type world struct {
	*handlertest.Bench
	provider *fakeprovider.Provider
	follower *follower
	gate     *handlertest.Gate
	task     *asynq.Task
}

func newWorld(b *handlertest.Bench) *world {
	w := &world{Bench: b, provider: fakeprovider.New(b.T, providers.ECTicket), follower: &follower{}, gate: &handlertest.Gate{}}
	w.provider.SetTraits(providers.Traits{SettleAfter: settleAfter})
	w.task = b.Enqueue(document)
	return w
}

func mini(t *testing.T) *world {
	t.Helper()
	return newWorld(handlertest.Mini(t))
}

// each runs a promise over both kinds of Redis.
func each(t *testing.T, run func(w *world)) {
	t.Helper()
	handlertest.Each(t, func(b *handlertest.Bench) { run(newWorld(b)) })
}

// config is the configuration of a worker of its own over the world's Redis.
func (w *world) config(name string) handler.Config {
	return handler.Config{Provider: w.provider, Ledger: w.Ledger, Ring: w.Ring, Gate: providers.Prepayable(w.gate),
		Worker: name, Rules: w.ProviderRules, Log: w.Log, Lease: lease}
}

func (w *world) worker(name string) *issuing.Handler { return w.configured(w.config(name)) }

// configured is a worker of a configuration of the test's.
func (w *world) configured(c handler.Config) *issuing.Handler { return issuing.New(c, w.follower) }

// document replaces the order's document, and with it the record.
func (w *world) document(doc string) {
	w.T.Helper()
	w.Forget(ref)
	w.task = w.Enqueue(doc)
}

// run has a fresh worker run the order's task.
func (w *world) run() error { return w.Run(w.worker("w"), w.task) }

// record is the order's record.
func (w *world) record() *ledger.Record { return w.Record(ref) }

// calls expects exactly these calls so far, such as "issue, look_up".
func (w *world) calls(want string) {
	w.T.Helper()
	if got := w.provider.Sequence(); got != want {
		w.T.Errorf("the provider was called %q, want %q", got, want)
	}
}

// state expects the order to be in a state, for a reason (its code), with its event when it is final.
func (w *world) state(want order.State, code string) *ledger.Record {
	w.T.Helper()
	rec := w.record()
	if rec.State != want || rec.Reason.Code != code {
		w.T.Errorf("the order is %s (%q: %s), want %s (%q)", rec.State, rec.Reason.Code, rec.Reason.Message, want, code)
	}
	events := w.Events()
	if want.Final() && (len(events) == 0 || events[len(events)-1] != fmt.Sprintf("%s/%s/%d", ref, want, len(events)) || rec.Event == "") {
		w.T.Errorf("the events are %v, the last must be of %s", events, want)
	}
	if !want.Final() && len(events) != 0 {
		w.T.Errorf("there are events %v of an order that is not final", events)
	}
	return rec
}

// quiet expects the rest of the order's life to be quiet: a task that is run again makes no call.
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
	res, err := vault.OpenResult(w.Ring, ref, w.record().Result)
	if err != nil {
		w.T.Fatal(err)
	}
	return res
}
