package handler_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"
	"go.uber.org/goleak"

	"issuance/internal/fakeprovider"
	"issuance/internal/handler"
	"issuance/internal/handlertest"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	lease     = 10 * time.Second
	orderDoc  = `{"provider":"pass2u","request":{"productSaleId":"S1","channelOrderId":"A1","quantity":2,"pickupType":"order"}}`
	refundDoc = `{"provider":"pass2u","refund_id":"R1","request":{"channelOrderId":"A1","quantity":1}}`
)

// world is one record on its course, which makes one call for it.
type world struct {
	*handlertest.Bench
	provider *fakeprovider.Provider
	gate     providers.Gate
	ref      order.Ref
	task     *asynq.Task
	lease    time.Duration
	acts     int // runs that came as far as the handler's own part
}

// kinds runs a promise for an order and for a refund, over both kinds of Redis.
func kinds(t *testing.T, run func(w *world)) {
	for _, kind := range []string{"order", "refund"} {
		t.Run(kind, func(t *testing.T) {
			handlertest.Each(t, func(b *handlertest.Bench) { run(newWorld(b, kind)) })
		})
	}
}

func newWorld(b *handlertest.Bench, kind string) *world {
	w := &world{Bench: b, provider: fakeprovider.ForAccount(b.T, handlertest.Pass2U), gate: &handlertest.Gate{}, lease: lease,
		ref: order.Ref{Account: handlertest.Pass2U, OrderID: "A1"}}
	if kind == "order" {
		w.task = b.Enqueue(orderDoc)
		return w
	}
	w.ref = w.ref.Refund("R1")
	w.task = b.EnqueueRefund(refundDoc)
	return w
}

func (w *world) config(name string) handler.Config {
	return handler.Config{Provider: w.provider, Ledger: w.Ledger, Ring: w.Ring, Gate: providers.Prepayable(w.gate), Worker: name,
		Rules: w.ProviderRules, Log: w.Log, Lease: w.lease}
}

func (w *world) worker(name string) *handler.Course {
	return handler.New(w.config(name), w.ref.IsRefund(), w.act)
}

// act plans a refund and makes the one call. What is in doubt it sends again at once, unlike a real handler.
func (w *world) act(ctx context.Context, r *handler.Run) (handler.Result, error) {
	w.acts++
	if w.ref.IsRefund() && !r.Rec.Planned {
		if a, err := w.Bench.Ledger.WritePlan(ctx, r.Ref, r.Rec.Fence, ledger.Plan{Count: 1}); err != nil || !a.Applied {
			return handler.GoOn(), r.Written("plan", a, err)
		}
	}
	end := ledger.Ending{State: order.Issued}
	call := func(ctx context.Context) providers.Outcome { return w.provider.Issue(ctx, r.Order) }
	if w.ref.IsRefund() {
		end = ledger.Ending{State: order.Refunded, Refunded: 1}
		call = func(ctx context.Context) providers.Outcome { return w.provider.RefundCount(ctx, r.Order, 1) }
	}
	out, stop, err := r.Send(ctx, handler.All, call)
	switch {
	case err != nil || stop.Ends():
		return stop, err
	case out.Kind == providers.Done:
		return handler.End(end), nil
	case out.Unasked():
		return handler.WaitFor(time.Second, handler.Reason(out), "not sent").As(ledger.NotSent), nil
	}
	return handler.WaitFor(time.Second, handler.Reason(out), "in doubt").As(ledger.Unknown), nil
}

// answer scripts the answer to the next call.
func (w *world) answer(out providers.Outcome, during ...fakeprovider.During) {
	if w.ref.IsRefund() {
		w.provider.AnswerRefundCount(out, during...)
	} else {
		w.provider.AnswerIssue(out, during...)
	}
}

func (w *world) run() error { return w.Run(w.worker("w"), w.task) }

func (w *world) record() *ledger.Record { return w.Record(w.ref) }

// calls expects so many calls so far.
func (w *world) calls(want int) {
	w.T.Helper()
	if got := len(w.provider.Calls()); got != want {
		w.T.Errorf("the provider was called %d times (%s), want %d", got, w.provider.Sequence(), want)
	}
}

// alarmed expects an alarm that says a text.
func (w *world) alarmed(text string) {
	w.T.Helper()
	if !w.Said(`"msg":"alarm: ` + text) {
		w.T.Errorf("no alarm says %q", text)
	}
}

// dump is all of Redis, to compare.
func (w *world) dump() map[string]string { return w.Redis.Dump(w.T.Context()) }

// unchanged expects that Redis holds what it held before.
func (w *world) unchanged(before map[string]string) {
	w.T.Helper()
	if diff := cmp.Diff(before, w.dump()); diff != "" {
		w.T.Errorf("Redis has changed (-before +after):\n%s", diff)
	}
}

// gateFunc is a gate that lets every call through, after something has happened.
type gateFunc func() error

func (f gateFunc) Pass(context.Context) error { return f() }
