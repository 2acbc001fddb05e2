package issuing_test

import (
	"fmt"
	"testing"
	"time"

	"issuance/internal/handlertest"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/tasks/order"
)

// soldTo is an order of the documents' electronic kind; its customer is theirs.
const soldTo = `{"provider":"ecticket","request":{"MerchantTradeNo":"ORDER1","IssueType":"3","IsImmediate":"1","Operator":"Shop1",
	"CustomerName":"王珊珊","CustomerPhone":"0912345678","CustomerEmail":"` + handlertest.CustomerEmail + `","TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":2}]}}`

// theirs is another customer's order that is otherwise like it.
var theirs = ecticketsim.Stranger{ID: "ORDER1", Items: []ecticketsim.StrangerItem{{ItemNo: "VQT04959", Count: 2}},
	CustomerName: "陳大文", CustomerPhone: "0987654321", CustomerEmail: "chen@example.com"}

// reaches runs the order against a simulated ECTicket, whose job runs all the time, until it has ended.
func reaches(t *testing.T, prepare func(b *handlertest.Bench, sim *ecticketsim.Sim, p providers.Provider)) (*ledger.Record, *ecticketsim.Sim) {
	t.Helper()
	b := handlertest.Mini(t)
	sim := ecticketsim.New(ecticketsim.Config{Now: b.Clock.Now})
	p := clientOf(b, sim)
	prepare(b, sim, p)
	rec := travels(b, p, soldTo, ref)
	return rec, sim
}

// once misbehaves at the first call of an operation, and runs the job at every other.
func once(sim *ecticketsim.Sim, kind ecticketsim.FaultKind, during func()) {
	n := 0
	sim.SetFault(func(c ecticketsim.Call) ecticketsim.Fault {
		if c.Op != ecticketsim.OpIssue {
			sim.RunJob()
			return ecticketsim.Fault{}
		}
		if n++; n == 1 {
			if during != nil {
				during()
			}
			return ecticketsim.Fault{Kind: kind}
		}
		return ecticketsim.Fault{}
	})
}

func measured(b *handlertest.Bench, p providers.Provider) {
	for range 8 {
		p.LookUp(b.T.Context(), providers.Order{ID: "OTHER"})
		b.Clock.Advance(time.Second)
	}
}

// Another customer's order of the same content has our number: by a worker that knows the provider's clock and by one that
// does not, seconds or days older, and also when it was made while our request was lost.
func TestAnotherCustomersOrderIsNeverOurs(t *testing.T) {
	for _, warm := range []bool{false, true} {
		for name, begin := range map[string]func(b *handlertest.Bench, sim *ecticketsim.Sim){
			"made after our request was lost": func(b *handlertest.Bench, sim *ecticketsim.Sim) {
				once(sim, ecticketsim.CutBefore, func() {
					x := theirs
					x.IssuedAt = b.Clock.Now().Add(400 * time.Millisecond)
					sim.AddStranger(x)
				})
			},
			"masked": func(b *handlertest.Bench, sim *ecticketsim.Sim) {
				once(sim, ecticketsim.None, nil)
				x := theirs
				x.IssuedAt, x.CustomerName, x.CustomerPhone, x.CustomerEmail = b.Clock.Now().Add(-time.Second), "陳*文", "09****4321", ""
				sim.AddStranger(x)
			},
		} {
			t.Run(fmt.Sprintf("%s, %v", name, warm), func(t *testing.T) { isTaken(t, warm, begin) })
		}
		for _, age := range []time.Duration{0, 6 * time.Second, 26 * time.Second, 8 * time.Hour, 72 * time.Hour} {
			t.Run(fmt.Sprintf("%s older, %v", age, warm), func(t *testing.T) {
				isTaken(t, warm, func(b *handlertest.Bench, sim *ecticketsim.Sim) {
					once(sim, ecticketsim.None, nil)
					x := theirs
					x.IssuedAt = b.Clock.Now().Add(-age)
					sim.AddStranger(x)
				})
			})
		}
	}
}

func isTaken(t *testing.T, warm bool, begin func(b *handlertest.Bench, sim *ecticketsim.Sim)) {
	t.Helper()
	rec, _ := reaches(t, func(b *handlertest.Bench, sim *ecticketsim.Sim, p providers.Provider) {
		if warm {
			measured(b, p)
		}
		begin(b, sim)
	})
	if rec.State != order.Review || rec.Reason.Code != string(order.CodeNumberTaken) || rec.ProviderRef != "" {
		t.Errorf("%s (%s: %s), ref %q", rec.State, rec.Reason.Code, rec.Reason.Message, rec.ProviderRef)
	}
}

// Of another system's order nothing shows the customer: what is left is its age, which a worker has to know the provider's
// clock for. It looks again until it does.
func TestAFreshWorkerDoesNotTakeAnOrderOfSecondsAgoForIts(t *testing.T) {
	for _, age := range []time.Duration{6 * time.Second, 12 * time.Second, 26 * time.Second} {
		rec, _ := reaches(t, func(b *handlertest.Bench, sim *ecticketsim.Sim, _ providers.Provider) {
			once(sim, ecticketsim.None, nil)
			x := theirs
			x.CustomerName, x.CustomerPhone, x.CustomerEmail = "", "", ""
			x.IssuedAt = b.Clock.Now().Add(-age)
			sim.AddStranger(x)
		})
		if rec.State != order.Review || rec.Reason.Code != string(order.CodeNumberTaken) {
			t.Errorf("%s older: %s (%s: %s)", age, rec.State, rec.Reason.Code, rec.Reason.Message)
		}
	}
}

// dated shows the dates of orders in another zone.
func dated(sim *ecticketsim.Sim, shift time.Duration) {
	sim.SetTwist(func(_ ecticketsim.Call, a answer) {
		const layout = "2006/01/02 15:04:05"
		if at, err := time.Parse(layout, fmt.Sprint(a["IssueDate"])); err == nil {
			a["IssueDate"] = at.Add(shift).Format(layout)
		}
	})
}

// accepts has the provider accept and issue another order of the account, which this worker sees.
func accepts(t *testing.T, p providers.Provider) {
	t.Helper()
	own := providers.Order{ID: "OWN", Request: []byte(`{"MerchantTradeNo":"OWN","IssueType":"2","PrintType":"2","Operator":"Shop1","CustomerName":"王珊珊","TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":1}]}`)}
	if out := p.Issue(t.Context(), own); out.Kind != providers.Accepted {
		t.Fatalf("%+v", out)
	}
	p.LookUp(t.Context(), own)
}

// In which zone the dates are, the documents do not say: an order of ours is ours in every one, once one that was accepted has
// shown it.
func TestNoTimeZoneMakesAnOrderSomebodyElses(t *testing.T) {
	for _, shift := range []time.Duration{0, -8 * time.Hour, -150 * time.Minute, time.Hour} {
		for _, kind := range []ecticketsim.FaultKind{ecticketsim.LoseAnswer, ecticketsim.RejectAfter} {
			rec, sim := reaches(t, func(b *handlertest.Bench, sim *ecticketsim.Sim, p providers.Provider) {
				dated(sim, shift)
				accepts(t, p)
				once(sim, kind, nil)
			})
			o, _ := sim.Books().Order("ORDER1")
			if rec.State != order.Issued || o.TimesIssued != 1 {
				t.Errorf("dates %s off, %d: %s (%s: %s), issued %d times", shift, kind, rec.State, rec.Reason.Code, rec.Reason.Message, o.TimesIssued)
			}
		}
	}
}

// The header's Timestamp is that of a zone, and the dates are not; nothing shows the customer.
func TestAClockOfAnotherZoneMakesNoOrderSomebodyElses(t *testing.T) {
	b := handlertest.Mini(t)
	sim := ecticketsim.New(ecticketsim.Config{Now: b.Clock.Now})
	sim.SetClocks(func(ecticketsim.Call) time.Duration { return 8 * time.Hour })
	dated(sim, -8*time.Hour)
	once(sim, ecticketsim.LoseAnswer, nil)
	rec := travels(b, clientOf(b, sim), `{"provider":"ecticket","request":{"MerchantTradeNo":"ORDER1","IssueType":"4","Operator":"Shop1",
		"TicketInfo":[{"ItemName":"SPA課程體驗券","TicketPrice":3200,"TicketAmount":2}]}}`, ref)
	if rec.State != order.Issued {
		t.Errorf("%s (%s: %s)", rec.State, rec.Reason.Code, rec.Reason.Message)
	}
}

// An order of our own that was accepted and seen shows the zone, so that an older one of the same customer is another's again.
func TestWhereTheZoneIsKnownAnOlderOrderOfTheSameCustomerIsNotOurs(t *testing.T) {
	for _, shift := range []time.Duration{0, -8 * time.Hour} {
		rec, _ := reaches(t, func(b *handlertest.Bench, sim *ecticketsim.Sim, p providers.Provider) {
			once(sim, ecticketsim.None, nil)
			dated(sim, shift)
			accepts(t, p)
			sim.SetFault(nil)
			once(sim, ecticketsim.None, nil)
			measured(b, p)
			x := theirs
			x.CustomerName, x.CustomerPhone, x.CustomerEmail = "王珊珊", "0912345678", handlertest.CustomerEmail
			x.IssuedAt = b.Clock.Now().Add(-8 * time.Hour)
			sim.AddStranger(x)
		})
		if rec.State != order.Review || rec.Reason.Code != string(order.CodeNumberTaken) {
			t.Errorf("dates %s off: %s (%s: %s)", shift, rec.State, rec.Reason.Code, rec.Reason.Message)
		}
	}
}

// On a fresh account, an order that another system made hours ago for the same customer would be ours in another zone. It is
// looked at until an accepted order has shown the zone, or half an hour has, after which any time is of some zone; it is never
// taken for ours.
func TestAnOlderOrderOfTheSameCustomerIsNotOursInAZoneThatNothingHasShown(t *testing.T) {
	for _, age := range []time.Duration{30 * time.Minute, time.Hour, 2 * time.Hour, 8 * time.Hour} {
		for _, kind := range []ecticketsim.FaultKind{ecticketsim.None, ecticketsim.CutBefore} {
			var b *handlertest.Bench
			rec, _ := reaches(t, func(bench *handlertest.Bench, sim *ecticketsim.Sim, p providers.Provider) {
				b = bench
				once(sim, kind, nil)
				x := theirs
				x.CustomerName, x.CustomerPhone, x.CustomerEmail = "王珊珊", "0912345678", handlertest.CustomerEmail
				x.IssuedAt = b.Clock.Now().Add(-age)
				sim.AddStranger(x)
			})
			if rec.State != order.Review || rec.Reason.Code != string(order.CodeNumberTaken) {
				t.Errorf("%s older, %d: %s (%s: %s)", age, kind, rec.State, rec.Reason.Code, rec.Reason.Message)
			}
			if took := b.Clock.Now().Sub(rec.CreatedAt); took < 25*time.Minute || took > 50*time.Minute {
				t.Errorf("%s older, %d: review after %s", age, kind, took)
			}
		}
	}
}
