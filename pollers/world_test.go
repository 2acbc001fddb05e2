package pollers_test

import (
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/internal/ledger"
	"issuance/pollers"
	"issuance/providers"
	"issuance/tasks/order"
)

const document = `{"provider":"ecticket","request":{"MerchantTradeNo":"ORDER1","IssueType":"4","Operator":"Shop1","CustomerEmail":"` + handlertest.CustomerEmail + `",
	"TicketInfo":[{"ItemName":"SPA課程體驗券","TicketPrice":3200,"TicketAmount":2}]}}`

var ref = order.Ref{Account: handlertest.ECTicket, OrderID: "ORDER1"}

// world is one accepted order and its poll task.
type world struct {
	*handlertest.Bench
	provider *fakeprovider.Provider
	task     *asynq.Task
}

func newWorld(b *handlertest.Bench, s order.State) *world {
	b.T.Helper()
	w := &world{Bench: b, provider: fakeprovider.New(b.T, providers.ECTicket)}
	b.OrderIn(s, document)
	w.task = b.PollTask(ref)
	return w
}

func accepted(b *handlertest.Bench) *world { return newWorld(b, order.Accepted) }

func each(t *testing.T, run func(w *world)) {
	t.Helper()
	handlertest.Each(t, func(b *handlertest.Bench) { run(accepted(b)) })
}

func (w *world) handler() *pollers.Handler {
	return pollers.New(pollers.Config{Provider: w.provider, Ledger: w.Ledger, Ring: w.Ring, Log: w.Log})
}

func (w *world) run() error { return w.Run(w.handler(), w.task) }

// pending has the provider answer "not yet" to the next poll and returns the wait after it.
func (w *world) pending() time.Duration {
	w.T.Helper()
	w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundPending))
	return w.Waits(w.run())
}

func (w *world) state(want order.State, code string, polls int) *ledger.Record {
	w.T.Helper()
	rec := w.Record(ref)
	if rec.State != want || rec.Reason.Code != code || rec.Polls != polls {
		w.T.Errorf("the order is %s (%q: %s) after %d polls, want %s (%q) after %d", rec.State, rec.Reason.Code, rec.Reason.Message, rec.Polls, want, code, polls)
	}
	published := len(w.Events()) == 1 && w.Events()[0] == ref.String()+"/"+string(want)+"/1"
	if want.Final() != published {
		w.T.Errorf("the events are %v", w.Events())
	}
	return rec
}

func (w *world) calls(want string) {
	w.T.Helper()
	if got := w.provider.Sequence(); got != want {
		w.T.Errorf("the provider was called %q, want %q", got, want)
	}
}

// soon expects the wait of a call that never left.
func (w *world) soon(got time.Duration) {
	w.T.Helper()
	if got < time.Second || got > 10*time.Second {
		w.T.Errorf("waits %s", got)
	}
}

// near expects a wait of the schedule, less its jitter.
func (w *world) near(got, want time.Duration) {
	w.T.Helper()
	if got > want || got < want-want/10 {
		w.T.Errorf("waits %s, want %s less up to a tenth", got, want)
	}
}
