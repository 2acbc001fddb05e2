package issuing_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"issuance/internal/handler"
	"issuance/internal/handlertest"
	"issuance/internal/issuing"
	"issuance/providers"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/tasks/order"
)

// jobOrder is an order that ECTicket issues in its job, five minutes after the start.
const jobOrder = `{"provider":"ecticket","request":{"MerchantTradeNo":"ORDER1","IssueType":"3","IsImmediate":"2","Operator":"Shop1",
	"CustomerName":"王珊珊","CustomerPhone":"0912345678","CustomerEmail":"` + handlertest.CustomerEmail + `","TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":2,"StartDate":"20260505"}]}}`

// repeats are which of its own earlier answers a question is answered with, by how often it was asked before; ok is false
// for the truth.
var repeats = map[string]func(n int) (which int, ok bool){
	"the first answer, four times":          func(n int) (int, bool) { return 0, n >= 1 && n <= 4 },
	"every second one of them is the first": func(n int) (int, bool) { return 0, n%2 == 1 },
	"two of three are the second one":       func(n int) (int, bool) { return 1, n > 1 && n%3 != 0 },
	"each is sent twice":                    func(n int) (int, bool) { return -1, n%2 == 1 },
	"the first one, for an hour":            func(n int) (int, bool) { return 0, n >= 1 && n <= 40 },
}

// Authentic answers of earlier come again, while an order is issued and asked for: it ends as what it is.
func TestOldAnswersMakeNoOrdersStatusUntrue(t *testing.T) {
	for name, repeat := range repeats {
		for trouble, kinds := range map[string]map[int]ecticketsim.FaultKind{
			"all goes well": {}, "the answer is lost": {1: ecticketsim.LoseAnswer}, "the request is lost": {1: ecticketsim.CutBefore},
			"rejected although it took effect": {1: ecticketsim.RejectAfter},
		} {
			for _, doc := range []string{sites[0].doc, jobOrder} {
				for _, fails := range []bool{false, true} {
					if fails && (doc != jobOrder || strings.Contains(name, " of ")) {
						continue // between two looks that say so there is always an old answer: it is looked at on
					}
					t.Run(fmt.Sprintf("%s, %s, by a job: %t, fails: %t", name, trouble, doc == jobOrder, fails), func(t *testing.T) {
						b := handlertest.Mini(t)
						sim := ecticketsim.New(ecticketsim.Config{Now: b.Clock.Now, KeepAnswers: true})
						sim.SetLag(ecticketsim.Lag{IssueResult: 4 * time.Second, OrderInfo: 6 * time.Second})
						if fails {
							sim.FailOrder("ORDER1", "sold out")
						}
						issues, asked := 0, map[string]int{}
						sim.SetFault(func(c ecticketsim.Call) ecticketsim.Fault {
							if b.Clock.Now().After(handlertest.Start.Add(5 * time.Minute)) {
								sim.RunJob()
							}
							switch {
							case c.OrderID != "ORDER1":
								return ecticketsim.Fault{}
							case c.Op == ecticketsim.OpIssue:
								issues++
								return ecticketsim.Fault{Kind: kinds[issues]}
							}
							n := asked[c.Op]
							asked[c.Op]++
							if which, ok := repeat(n); ok {
								return ecticketsim.Fault{Kind: ecticketsim.ReplayOwn, Answer: which}
							}
							return ecticketsim.Fault{}
						})
						p := clientOf(b, sim)
						for range 6 { // as one that has worked for a while, it knows the provider's clock
							p.LookUp(t.Context(), providers.Order{ID: "ANOTHER"})
							b.Clock.Advance(time.Second)
						}
						rec := travels(b, p, doc, ref)
						o, ok := sim.Books().Order("ORDER1")
						want := order.Issued
						if fails {
							want = order.Failed
						}
						if !ok || o.TimesIssued > 1 || rec.State != want {
							t.Errorf("%s (%s: %s), and at the provider: %+v", rec.State, rec.Reason.Code, rec.Reason.Message, o)
						}
					})
				}
			}
		}
	}
}

// An answer of long ago says that the number's issuing failed: at any look, once.
func TestAnOldFailureFailsNoOrder(t *testing.T) {
	for at := range 6 {
		for _, doc := range []string{sites[0].doc, jobOrder} {
			for _, lost := range []ecticketsim.FaultKind{ecticketsim.None, ecticketsim.LoseAnswer, ecticketsim.RejectAfter} {
				t.Run(fmt.Sprintf("look %d, by a job: %t, %d", at, doc == jobOrder, lost), func(t *testing.T) {
					b := handlertest.Mini(t)
					sim := ecticketsim.New(ecticketsim.Config{Now: b.Clock.Now})
					looks, issues := 0, 0
					sim.SetTwist(func(c ecticketsim.Call, a answer) {
						if c.Op != ecticketsim.OpQueryIssueResult {
							return
						}
						if looks++; looks == at+1 {
							a["RtnCode"], a["Status"], a["Remark"] = 1, 2, "sold out"
						}
					})
					sim.SetFault(func(c ecticketsim.Call) ecticketsim.Fault {
						if b.Clock.Now().After(handlertest.Start.Add(5 * time.Minute)) {
							sim.RunJob()
						}
						if c.Op == ecticketsim.OpIssue {
							if issues++; issues == 1 {
								return ecticketsim.Fault{Kind: lost}
							}
						}
						return ecticketsim.Fault{}
					})
					rec := travels(b, clientOf(b, sim), doc, ref)
					if o, _ := sim.Books().Order("ORDER1"); rec.State != order.Issued || o.TimesIssued != 1 {
						t.Errorf("%s (%s: %s), and at the provider: %+v", rec.State, rec.Reason.Code, rec.Reason.Message, o)
					}
				})
			}
		}
	}
}

// A request takes effect, is rejected and does not show yet; nobody looks for an hour, and then one look, whichever, is
// answered with what the first one was: that is the second look that does not find it, and no proof.
func TestAnOldAbsenceAfterALongPauseFailsNoOrder(t *testing.T) {
	for old := 1; old < 5; old++ {
		t.Run(fmt.Sprintf("look %d is old", old), func(t *testing.T) {
			b := handlertest.Mini(t)
			sim := ecticketsim.New(ecticketsim.Config{Now: b.Clock.Now, KeepAnswers: true})
			sim.SetLag(ecticketsim.Lag{IssueResult: 4 * time.Second, OrderInfo: 4 * time.Second})
			looks := 0
			sim.SetFault(func(c ecticketsim.Call) ecticketsim.Fault {
				switch {
				case c.OrderID != "ORDER1":
				case c.Op == ecticketsim.OpIssue:
					return ecticketsim.Fault{Kind: ecticketsim.RejectAfter}
				case c.Op == ecticketsim.OpQueryIssueResult:
					if looks++; looks == old+1 {
						return ecticketsim.Fault{Kind: ecticketsim.ReplayOwn}
					}
				}
				return ecticketsim.Fault{}
			})
			p := clientOf(b, sim)
			task := b.Enqueue(sites[0].doc)
			b.Waits(b.Run(issuing.New(handler.Config{Provider: p, Ledger: b.Ledger, Ring: b.Ring, Worker: "w", Rules: b.ProviderRules, Log: b.Log}, &follower{}), task))
			if looks != 1 {
				t.Fatalf("%d looks", looks)
			}
			b.Clock.Advance(time.Hour)
			if rec := goesOn(b, p, task, ref); rec.State != order.Issued {
				t.Errorf("%s (%s: %s)", rec.State, rec.Reason.Code, rec.Reason.Message)
			}
		})
	}
}
