package issuing_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/handler"
	"issuance/internal/handlertest"
	"issuance/internal/issuing"
	"issuance/internal/ledger"
	"issuance/pollers"
	"issuance/providers"
	"issuance/providers/ecticket"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/providers/ecticket/wire"
	"issuance/tasks/order"
)

type answer = map[string]any

// respell writes the numbers of an answer otherwise.
func respell(a answer, f func(string) string) {
	for _, field := range []string{"MerchantTradeNo", "TicketTradeNo"} {
		if no, ok := a[field].(string); ok {
			a[field] = f(no)
		}
	}
}

// denies makes every nth answer to a question about the order that of a machine which does not know it.
func denies(nth int) func(ecticketsim.Call, answer) {
	n := 0
	return func(c ecticketsim.Call, a answer) {
		if c.Op != ecticketsim.OpQueryIssueResult && c.Op != ecticketsim.OpQueryOrderInfo {
			return
		}
		if n++; n%nth == 0 {
			clear(a)
			a["RtnCode"], a["RtnMsg"] = ecticketsim.RtnNotFound, "no such order"
		}
	}
}

// adversaries are ECTickets that answer as no document says, and whether the order is issued all the same.
var adversaries = map[string]struct {
	twist  func() func(ecticketsim.Call, answer)
	issued bool
}{
	"duplicates have another code": {func() func(ecticketsim.Call, answer) {
		return func(c ecticketsim.Call, a answer) {
			if c.Op == ecticketsim.OpIssue && fmt.Sprint(a["RtnCode"]) != "1" {
				a["RtnCode"], a["RtnMsg"] = 777, "資料錯誤"
			}
		}
	}, true},
	"every second machine does not know it": {func() func(ecticketsim.Call, answer) { return denies(2) }, false},
	"two of three machines know it":         {func() func(ecticketsim.Call, answer) { return denies(3) }, true},
	"issue answers have empty numbers": {func() func(ecticketsim.Call, answer) {
		return func(c ecticketsim.Call, a answer) {
			if c.Op == ecticketsim.OpIssue {
				respell(a, func(string) string { return "" })
			}
		}
	}, true},
	"no answer has a number": {func() func(ecticketsim.Call, answer) {
		return func(_ ecticketsim.Call, a answer) { respell(a, func(string) string { return "" }) }
	}, true},
	"space around numbers": {func() func(ecticketsim.Call, answer) {
		return func(_ ecticketsim.Call, a answer) { respell(a, func(no string) string { return "\t" + no + " " }) }
	}, true},
	"numbers in lower case": {func() func(ecticketsim.Call, answer) {
		return func(_ ecticketsim.Call, a answer) { respell(a, strings.ToLower) }
	}, false},
	"numbers are strings": {func() func(ecticketsim.Call, answer) {
		return func(_ ecticketsim.Call, a answer) {
			for _, field := range []string{"RtnCode", "Status", "TotalCount"} {
				if v, ok := a[field]; ok {
					a[field] = fmt.Sprint(v)
				}
			}
		}
	}, true},
	"an unknown status for a while": {func() func(ecticketsim.Call, answer) {
		n := 0
		return func(c ecticketsim.Call, a answer) {
			if _, ok := a["Status"]; ok && n < 12 {
				n++
				a["Status"] = 9
			}
		}
	}, true},
	"the list shows nothing for a while": {func() func(ecticketsim.Call, answer) {
		n := 0
		return func(c ecticketsim.Call, a answer) {
			if _, ok := a["TicketList"]; ok && n < 6 {
				n++
				a["TicketList"], a["TotalCount"], a["IssueDate"] = []any{}, 0, ""
			}
		}
	}, true},
}

// Whatever ECTicket answers, an order that it has issued is never recorded as failed.
func TestNoAnswerMakesAnOrdersStatusUntrue(t *testing.T) {
	for name, a := range adversaries {
		for trouble, kinds := range map[string]map[int]ecticketsim.FaultKind{
			"all goes well":                      {},
			"the answer is lost":                 {1: ecticketsim.LoseAnswer},
			"rejected although it took effect":   {1: ecticketsim.RejectAfter},
			"lost twice":                         {1: ecticketsim.LoseAnswer, 2: ecticketsim.LoseAnswer},
			"a request that is lost, and a copy": {1: ecticketsim.CutBefore, 2: ecticketsim.RejectAfter},
		} {
			t.Run(name+", "+trouble, func(t *testing.T) {
				handlertest.Sampled(t)
				b := handlertest.Mini(t)
				sim := ecticketsim.New(ecticketsim.Config{Now: b.Clock.Now})
				sim.SetLag(ecticketsim.Lag{IssueResult: 4 * time.Second, OrderInfo: 6 * time.Second})
				sim.SetTwist(a.twist())
				issues := 0
				sim.SetFault(func(c ecticketsim.Call) ecticketsim.Fault {
					if c.Op != ecticketsim.OpIssue {
						return ecticketsim.Fault{}
					}
					issues++
					return ecticketsim.Fault{Kind: kinds[issues]}
				})
				rec := ends(b, sim)
				o, ok := sim.Books().Order("ORDER1")
				switch {
				case ok && o.TimesIssued != 1 || !ok && rec.State == order.Issued:
					t.Errorf("%s, and at the provider: %+v", rec.State, o)
				case rec.State == order.Issued:
				case a.issued || rec.State == order.Failed:
					t.Errorf("%s (%s: %s)", rec.State, rec.Reason.Code, rec.Reason.Message)
				}
			})
		}
	}
}

// ends runs an order's tasks until it has ended, for up to two days.
func ends(b *handlertest.Bench, sim *ecticketsim.Sim) *ledger.Record {
	b.T.Helper()
	return travels(b, clientOf(b, sim), sites[0].doc, ref)
}

// clientOf is a client of a simulated ECTicket.
func clientOf(b *handlertest.Bench, sim *ecticketsim.Sim) *ecticket.Client {
	b.T.Helper()
	merchant := ecticketsim.DefaultAccounts()[0]
	p, err := ecticket.New(ecticket.Config{BaseURL: serve(b, sim), MerchantID: merchant.MerchantID, Now: b.Clock.Now,
		Keys: wire.Keys{HashKey: merchant.HashKey, HashIV: merchant.HashIV}})
	if err != nil {
		b.T.Fatal(err)
	}
	b.T.Cleanup(p.Close)
	return p
}

// travels enqueues an order and runs its tasks until it has ended, for up to two days.
func travels(b *handlertest.Bench, p providers.Provider, doc string, r order.Ref) *ledger.Record {
	b.T.Helper()
	return goesOn(b, p, b.Enqueue(doc), r)
}

// goesOn runs an order's tasks until it has ended, or the two days are over.
func goesOn(b *handlertest.Bench, p providers.Provider, task *asynq.Task, r order.Ref) *ledger.Record {
	b.T.Helper()
	f := &follower{}
	issue := issuing.New(handler.Config{Provider: p, Ledger: b.Ledger, Ring: b.Ring, Worker: "w", Rules: b.ProviderRules, Log: b.Log}, f)
	poll := pollers.New(pollers.Config{Provider: p, Ledger: b.Ledger, Ring: b.Ring, Log: b.Log})
	begun := handlertest.Start
	if now := b.Clock.Now(); now.After(begun.Add(24 * time.Hour)) { // a test of what is remembered for long
		begun = now
	}
	for b.Clock.Now().Before(begun.Add(48 * time.Hour)) {
		rec := b.Record(r)
		var err error
		switch {
		case rec.State.Final():
			return rec
		case rec.State == order.Accepted:
			for _, follow := range f.list {
				b.Clock.Advance(max(follow.delay, 0))
			}
			f.list = nil
			err = b.Run(poll, b.PollTask(r))
		default:
			err = b.Run(issue, task)
		}
		if err != nil {
			b.Clock.Advance(b.Waits(err))
		}
	}
	return b.Record(r)
}
