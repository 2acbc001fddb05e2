package refunding_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"issuance/internal/handlertest"
	"issuance/internal/ledger"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/tasks/order"
)

type answer = map[string]any

// listed are the tickets of an answer to QueryOrderInfo.
func listed(c ecticketsim.Call, a answer) []any {
	list, _ := a["TicketList"].([]any)
	return list
}

// keep makes such an answer show n of its tickets, as if these were all.
func keep(c ecticketsim.Call, a answer, n int) {
	if list := listed(c, a); n < len(list) {
		a["TicketList"], a["TotalCount"] = list[:n], n
	}
}

// eachTicket rewrites every ticket that an answer shows.
func eachTicket(c ecticketsim.Call, a answer, f func(t answer)) {
	for _, t := range listed(c, a) {
		f(t.(answer))
	}
	if _, ok := a["UseStatus"]; ok {
		f(a)
	}
}

// respell writes the numbers of an answer otherwise.
func respell(c ecticketsim.Call, a answer, f func(string) string) {
	for _, field := range []string{"MerchantTradeNo", "TicketTradeNo"} {
		if no, ok := a[field].(string); ok {
			a[field] = f(no)
		}
	}
	eachTicket(c, a, func(t answer) {
		if no, ok := t["TicketNo"].(string); ok {
			t["TicketNo"] = f(no)
		}
	})
}

// adversaries are providers that answer as no document says.
var adversaries = map[string]func(s *simulated, sim *ecticketsim.Sim) func(ecticketsim.Call, answer){
	"tickets appear one by one": func(*simulated, *ecticketsim.Sim) func(ecticketsim.Call, answer) {
		shown := 0
		return func(c ecticketsim.Call, a answer) {
			if listed(c, a) != nil {
				keep(c, a, shown)
				shown++
			}
		}
	},
	"every second list shows one ticket": func(*simulated, *ecticketsim.Sim) func(ecticketsim.Call, answer) {
		n := 0
		return func(c ecticketsim.Call, a answer) {
			if listed(c, a) != nil {
				if n++; n%2 == 0 {
					keep(c, a, 1)
				}
			}
		}
	},
	"lists hold another order's ticket as well": func(_ *simulated, sim *ecticketsim.Sim) func(ecticketsim.Call, answer) {
		return func(c ecticketsim.Call, a answer) {
			if list := listed(c, a); len(list) > 0 && c.OrderID == "ORDER1" {
				o, _ := sim.Books().Order("OTHER")
				t := answer{"TicketNo": o.Tickets[0].TicketNo, "UseStatus": 1, "ItemNo": "VQT04959"}
				a["TicketList"], a["TotalCount"] = append([]any{t}, list...), len(list)+1
			}
		}
	},
	"lists hold another order's ticket in place of one of ours, for a while": func(_ *simulated, sim *ecticketsim.Sim) func(ecticketsim.Call, answer) {
		n := 0
		return func(c ecticketsim.Call, a answer) {
			if list := listed(c, a); len(list) > 0 && c.OrderID == "ORDER1" && n < 4 {
				n++
				o, _ := sim.Books().Order("OTHER")
				list[0] = answer{"TicketNo": o.Tickets[0].TicketNo, "UseStatus": 1, "ItemNo": "VQT04959"}
			}
		}
	},
	"lists always hold another order's ticket in place of one of ours": func(_ *simulated, sim *ecticketsim.Sim) func(ecticketsim.Call, answer) {
		return func(c ecticketsim.Call, a answer) {
			if list := listed(c, a); len(list) > 0 && c.OrderID == "ORDER1" {
				o, _ := sim.Books().Order("OTHER")
				list[0] = answer{"TicketNo": o.Tickets[0].TicketNo, "UseStatus": 1, "ItemNo": "VQT04959"}
			}
		}
	},
	"every second answer does not know of refunds": func(*simulated, *ecticketsim.Sim) func(ecticketsim.Call, answer) {
		n := 0
		return func(c ecticketsim.Call, a answer) {
			if n++; n%2 == 0 {
				eachTicket(c, a, func(t answer) {
					if fmt.Sprint(t["UseStatus"]) == "3" {
						t["UseStatus"], t["RefundDate"], t["RefundMID"] = 1, "", ""
					}
				})
			}
		}
	},
	"a refund shows in one answer and is hidden for five minutes": func(s *simulated, _ *ecticketsim.Sim) func(ecticketsim.Call, answer) {
		hidden := map[string]time.Time{}
		return func(c ecticketsim.Call, a answer) {
			eachTicket(c, a, func(t answer) {
				if fmt.Sprint(t["UseStatus"]) != "3" {
					return
				}
				no := fmt.Sprint(c.Op, c.TicketNo, t["TicketNo"])
				if _, shown := hidden[no]; !shown {
					hidden[no] = s.Clock.Now().Add(5 * time.Minute)
				} else if s.Clock.Now().Before(hidden[no]) {
					t["UseStatus"], t["RefundDate"], t["RefundMID"] = 1, "", ""
				}
			})
		}
	},
	"the ticket's own status never shows a refund, and the list does": func(*simulated, *ecticketsim.Sim) func(ecticketsim.Call, answer) {
		return func(c ecticketsim.Call, a answer) {
			if c.Op == ecticketsim.OpQueryTicketStatus && fmt.Sprint(a["UseStatus"]) == "3" {
				a["UseStatus"], a["RefundDate"], a["RefundMID"] = 1, "", ""
			}
		}
	},
	"the ticket's own status shows a refund as invalid, and the list as one": func(*simulated, *ecticketsim.Sim) func(ecticketsim.Call, answer) {
		return func(c ecticketsim.Call, a answer) {
			if c.Op == ecticketsim.OpQueryTicketStatus && fmt.Sprint(a["UseStatus"]) == "3" {
				a["UseStatus"] = 4
			}
		}
	},
	"a refunded ticket is in an unknown status for a while": func(*simulated, *ecticketsim.Sim) func(ecticketsim.Call, answer) {
		n := 0
		return func(c ecticketsim.Call, a answer) {
			eachTicket(c, a, func(t answer) {
				if fmt.Sprint(t["UseStatus"]) == "3" && n < 9 {
					n++
					t["UseStatus"] = "退款中"
				}
			})
		}
	},
	"space around numbers": func(*simulated, *ecticketsim.Sim) func(ecticketsim.Call, answer) {
		return func(c ecticketsim.Call, a answer) {
			respell(c, a, func(no string) string { return " " + no + "\n" })
		}
	},
	"numbers in lower case": func(*simulated, *ecticketsim.Sim) func(ecticketsim.Call, answer) {
		return func(c ecticketsim.Call, a answer) { respell(c, a, strings.ToLower) }
	},
	"numbers are strings and strings are numbers": func(*simulated, *ecticketsim.Sim) func(ecticketsim.Call, answer) {
		return func(_ ecticketsim.Call, a answer) {
			for _, field := range []string{"RtnCode", "Status", "UseStatus", "TotalCount"} {
				if v, ok := a[field]; ok {
					a[field] = fmt.Sprint(v)
				}
			}
			for _, field := range []string{"IssueType", "RefundMID"} {
				if v, ok := a[field].(string); ok && v != "" {
					a[field] = json.Number(v)
				}
			}
		}
	},
	"answers name no order": func(*simulated, *ecticketsim.Sim) func(ecticketsim.Call, answer) {
		return func(_ ecticketsim.Call, a answer) {
			for _, field := range []string{"MerchantTradeNo", "FreeTradeNo", "TicketTradeNo"} {
				if _, ok := a[field]; ok {
					a[field] = ""
				}
			}
		}
	},
	"the vendor's office refunds a ticket that is not in the plan": func(s *simulated, sim *ecticketsim.Sim) func(ecticketsim.Call, answer) {
		done := false
		return func(c ecticketsim.Call, a answer) {
			if o, _ := sim.Books().Order("ORDER1"); c.Op == ecticketsim.OpRefund && !done {
				done = true
				if err := sim.RefundInOffice(o.Tickets[3].TicketNo); err != nil {
					s.T.Error(err)
				}
			}
		}
	},
}

// Whatever the provider shows: what is recorded as refunded is, what is recorded as failed is not, and nobody else's ticket is touched.
func TestNoAnswerMakesARefundsStatusUntrue(t *testing.T) {
	misbehaves := map[string]func(ecticketsim.Call) bool{
		"all goes well":                  func(ecticketsim.Call) bool { return false },
		"the first request is lost":      func(c ecticketsim.Call) bool { return c.Op == ecticketsim.OpRefund },
		"every second one has no answer": func(c ecticketsim.Call) bool { return c.Op == ecticketsim.OpRefund && c.N%2 == 0 },
	}
	for name, twist := range adversaries {
		for trouble, hits := range misbehaves {
			for _, kind := range []ecticketsim.FaultKind{ecticketsim.LoseAnswer, ecticketsim.CutBefore, ecticketsim.RejectAfter, ecticketsim.Replay} {
				if trouble == "all goes well" && kind != ecticketsim.LoseAnswer {
					continue
				}
				t.Run(fmt.Sprintf("%s, %s, %d", name, trouble, kind), func(t *testing.T) {
					handlertest.Sampled(t)
					s, sim := atECTicket(t)
					sim.AddStranger(ecticketsim.Stranger{ID: "OTHER", Items: []ecticketsim.StrangerItem{{ItemNo: "VQT04959"}}})
					s.issue(paperOrder, false)
					sim.SetTwist(twist(s, sim))
					first := true
					sim.SetFault(func(c ecticketsim.Call) ecticketsim.Fault {
						if hits(c) && (first || trouble != "the first request is lost") {
							first = false
							return ecticketsim.Fault{Kind: kind}
						}
						return ecticketsim.Fault{}
					})
					task := s.EnqueueRefund(`{"provider":"ecticket","refund_id":"R1","request":{"MerchantTradeNo":"ORDER1","quantity":2}}`)
					s.toEnd(task, 300)
					s.true(sim, s.Record(order.Ref{Account: s.account, OrderID: "ORDER1", RefundID: "R1"}))
				})
			}
		}
	}
}

// true expects a refund's record to be as the books say.
func (s *simulated) true(sim *ecticketsim.Sim, rec *ledger.Record) {
	s.T.Helper()
	books := sim.Books()
	refunded := 0
	for _, o := range books.Orders {
		for _, t := range o.Tickets {
			if t.Refunds > 1 || t.Refunds == 1 && o.ID != "ORDER1" {
				s.T.Errorf("a ticket of %s is refunded %d times", o.ID, t.Refunds)
			}
			refunded += t.Refunds
		}
	}
	switch {
	case rec.State == order.Review:
		s.T.Logf("review (%s): %s", rec.Reason.Code, rec.Reason.Message)
	case !rec.State.Final():
		s.T.Errorf("it is still %s (%s)", rec.State, rec.Reason.Code)
	case rec.Refunded != refunded:
		s.T.Errorf("%s (%s: %s) with %d refunded, and %d are", rec.State, rec.Reason.Code, rec.Reason.Message, rec.Refunded, refunded)
	case rec.State != order.Refunded:
		s.T.Logf("%s (%s): %s", rec.State, rec.Reason.Code, rec.Reason.Message)
	}
}

// A cache on the way answers about one ticket with what the provider has just said of another one of the order. The
// answer is authentic, of the order, and names no ticket.
func TestTheStatusOfAnotherTicketIsNoProof(t *testing.T) {
	s, sim := atECTicket(t)
	s.issue(paperOrder, false)
	refunds, statuses := 0, 0
	sim.SetFault(func(c ecticketsim.Call) ecticketsim.Fault {
		if c.Op == ecticketsim.OpRefund {
			refunds++
			return ecticketsim.Fault{Kind: map[int]ecticketsim.FaultKind{1: ecticketsim.LoseAnswer, 2: ecticketsim.CutBefore}[refunds]}
		}
		return ecticketsim.Fault{}
	})
	var first answer
	sim.SetTwist(func(c ecticketsim.Call, a answer) {
		if c.Op != ecticketsim.OpQueryTicketStatus {
			return
		}
		switch statuses++; statuses {
		case 1:
			first = maps.Clone(a)
		case 2:
			maps.Copy(a, first)
		}
	})
	task := s.EnqueueRefund(`{"provider":"ecticket","refund_id":"R1","request":{"MerchantTradeNo":"ORDER1","quantity":2}}`)
	s.ends("R1", task, order.Refunded, 2)
	if done := refundedAt(sim); done != 2 || statuses < 2 {
		t.Errorf("%d tickets are refunded, after %d answers about tickets", done, statuses)
	}
}
