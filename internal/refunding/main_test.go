package refunding_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"
	"go.uber.org/goleak"

	"issuance/internal/fakeprovider"
	"issuance/internal/handler"
	"issuance/internal/handlertest"
	"issuance/internal/ledger"
	"issuance/internal/refunding"
	"issuance/internal/vault"
	"issuance/providers"
	"issuance/tasks/order"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	lease       = 10 * time.Second
	settleAfter = 12 * time.Minute
	merchant    = fakeprovider.Merchant
)

// world is one order with refunds on their way.
type world struct {
	*handlertest.Bench
	provider *fakeprovider.Provider
	gate     *handlertest.Gate
}

func newWorld(b *handlertest.Bench, account providers.Account) *world {
	w := &world{Bench: b, provider: fakeprovider.ForAccount(b.T, account), gate: &handlertest.Gate{}}
	w.provider.SetTraits(providers.Traits{SettleAfter: settleAfter})
	w.provider.ShowRefunds()
	return w
}

func (w *world) config(name string) refunding.Config {
	c := refunding.Config{Config: handler.Config{Provider: w.provider, Ledger: w.Ledger, Ring: w.Ring, Gate: providers.Prepayable(w.gate),
		Worker: name, Rules: w.ProviderRules, Log: w.Log, Lease: lease}}
	if w.provider.Account().Provider == providers.Pass2U {
		c.Provider = byNumber{w.provider, w.provider, w.provider}
	}
	return c
}

// byNumber is a provider that cannot refund ticket by ticket.
type byNumber struct {
	providers.Provider
	providers.CountRefunder
	providers.Credentialed
}

func (w *world) worker(name string) asynq.Handler { return w.handler(w.config(name)) }

func (w *world) handler(c refunding.Config) asynq.Handler {
	w.T.Helper()
	h, err := refunding.New(c)
	if err != nil {
		w.T.Fatal(err)
	}
	return h
}

// run has a fresh worker run a refund's task.
func (w *world) run(task *asynq.Task) error { return w.Run(w.worker("w"), task) }

func (w *world) order() order.Ref { return order.Ref{Account: w.provider.Account(), OrderID: "ORDER1"} }

func (w *world) ref(refundID string) order.Ref { return w.order().Refund(refundID) }

// calls expects exactly these calls since the last time it was asked.
func (w *world) calls(want string) {
	w.T.Helper()
	if got := w.provider.Sequence(); got != want {
		w.T.Errorf("the provider was called %q, want %q", got, want)
	}
	w.provider.Forget()
}

// state expects refund R1 to be in a state for a reason (its code), with so many tickets refunded,
// and its event published when it is final.
func (w *world) state(want order.State, code string, refunded int) *ledger.Record {
	w.T.Helper()
	return w.stateOf("R1", want, code, refunded)
}

func (w *world) stateOf(id string, want order.State, code string, refunded int) *ledger.Record {
	w.T.Helper()
	rec := w.Record(w.ref(id))
	if rec.State != want || rec.Reason.Code != code || rec.Refunded != refunded {
		w.T.Errorf("refund %s is %s (%q: %s) with %d refunded, want %s (%q) with %d", id, rec.State, rec.Reason.Code, rec.Reason.Message, rec.Refunded, want, code, refunded)
	}
	published := false
	for _, e := range w.Events() {
		published = published || strings.HasPrefix(e, fmt.Sprintf("%s/%s/", w.ref(id), want))
	}
	if want.Final() != published || want.Final() && rec.Event == "" {
		w.T.Errorf("%s: the events are %v", want, w.Events())
	}
	if rec.Runner != "" {
		w.T.Errorf("the claim is still held by %s", rec.Runner)
	}
	return rec
}

// tickets expects the states of R1's tickets, such as "refunded", "rejected:redeemed".
func (w *world) tickets(want ...string) {
	w.T.Helper()
	var got []string
	for _, t := range w.Record(w.ref("R1")).Tickets {
		s := string(t.State)
		if t.Code != "" {
			s += ":" + t.Code
		}
		got = append(got, s)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.T.Errorf("tickets (-want +got):\n%s", diff)
	}
}

// quiet expects that running a finished refund again changes nothing.
func (w *world) quiet(task *asynq.Task) {
	w.T.Helper()
	w.provider.Forget()
	events := len(w.Events())
	w.Done(w.run(task))
	w.calls("")
	if len(w.Events()) != events {
		w.T.Errorf("another event was published: %v", w.Events())
	}
}

const ecticketOrder = `{"provider":"ecticket","request":{"MerchantTradeNo":"ORDER1","IssueType":"1","Operator":"Shop1","StoreID":"TP1001",
	"CustomerEmail":"` + handlertest.CustomerEmail + `","TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":4}]}}`

// no is the number of ticket n.
func no(n int) string { return fmt.Sprintf("%s%02d", handlertest.TicketNo, n) }

// list is the provider's list of the order's tickets, in these use statuses.
func list(statuses ...providers.UseStatus) []providers.Ticket {
	var out []providers.Ticket
	for i, s := range statuses {
		out = append(out, providers.Ticket{TicketNo: no(i + 1), WriteOffNo: handlertest.WriteOffNo, UseStatus: s})
	}
	return out
}

var unused = []providers.UseStatus{providers.Unused, providers.Unused, providers.Unused, providers.Unused}

// status is what the provider says of one ticket. A refund is dated now, by the merchant given.
func (w *world) status(use providers.UseStatus, by string) providers.TicketStatus {
	s := providers.TicketStatus{Ticket: providers.Ticket{UseStatus: use}, OrderID: "ORDER1"}
	if use == providers.Refunded {
		s.RefundedAt, s.RefundedBy = w.Clock.Now().In(providers.Taiwan).Format("20060102 15:04"), by
	}
	return s
}

// ecticket is a world with an issued ECTicket order of four tickets, whose numbers are stored.
func ecticket(b *handlertest.Bench) *world {
	w := newWorld(b, handlertest.ECTicket)
	w.stored(ecticketOrder, 4)
	return w
}

// stored makes the record of an issued order, with the numbers of its n tickets.
func (w *world) stored(document string, n int) {
	w.T.Helper()
	r := w.OrderIn(order.Accepted, document)
	stored, err := vault.SealResult(w.Ring, r, &providers.Result{Ref: "REF1", Tickets: list(make([]providers.UseStatus, n)...)})
	if err != nil {
		w.T.Fatal(err)
	}
	if a, err := w.Ledger.Finish(w.T.Context(), r, "", ledger.Ending{State: order.Issued, ProviderRef: "REF1", Result: stored}); err != nil || !a.Applied {
		w.T.Fatal(a, err)
	}
}

// vouches has the provider answer that the next ticket it is asked for is unused, and the order's.
func (w *world) vouches() { w.provider.AnswerStatus(w.status(providers.Unused, ""), fakeprovider.Yes) }

// refundOf enqueues a refund of the ECTicket order: what is `"quantity":2`, `"all":true` or
// `"TicketNo":[…]`.
func (w *world) refundOf(id, what string) *asynq.Task {
	w.T.Helper()
	return w.EnqueueRefund(fmt.Sprintf(`{"provider":"ecticket","refund_id":%q,"request":{"MerchantTradeNo":"ORDER1",%s}}`, id, what))
}

// named is the TicketNo field that names tickets.
func named(numbers ...int) string {
	what := ""
	for _, n := range numbers {
		what += fmt.Sprintf(",%q", no(n))
	}
	return `"TicketNo":[` + what[1:] + `]`
}
