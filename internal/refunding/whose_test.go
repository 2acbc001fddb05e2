package refunding_test

import (
	"fmt"
	"testing"
	"time"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/providers"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/tasks/order"
)

// shownAs rewrites the date of a refund wherever an answer shows it, and in whose name it is.
func shownAs(shift time.Duration, merchant string) func(ecticketsim.Call, answer) {
	const layout = "20060102 15:04"
	return func(c ecticketsim.Call, a answer) {
		eachTicket(c, a, func(t answer) {
			if at, err := time.Parse(layout, fmt.Sprint(t["RefundDate"])); err == nil {
				t["RefundDate"] = at.Add(shift).Format(layout)
			}
			if by, ok := t["RefundMID"]; ok && by != "" && merchant != "" {
				t["RefundMID"] = merchant
			}
		})
	}
}

// refundLost answers no refund, or rejects each, though all take effect.
func refundLost(kind ecticketsim.FaultKind) func(ecticketsim.Call) ecticketsim.Fault {
	return func(c ecticketsim.Call) ecticketsim.Fault {
		if c.Op == ecticketsim.OpRefund {
			return ecticketsim.Fault{Kind: kind}
		}
		return ecticketsim.Fault{}
	}
}

// The documents do not say in which zone a refund's date is, and what the header's time means differs between them. The
// ticket was unused a moment before our request, so a date of hours before that is none.
func TestNoTimeZoneMakesARefundSomebodyElses(t *testing.T) {
	for name, world := range map[string]func(*ecticketsim.Sim){
		"dates in UTC":          func(sim *ecticketsim.Sim) { sim.SetTwist(shownAs(-8*time.Hour, "")) },
		"dates in India's time": func(sim *ecticketsim.Sim) { sim.SetTwist(shownAs(-150*time.Minute, "")) },
	} {
		for kind, want := range map[ecticketsim.FaultKind]order.State{
			ecticketsim.LoseAnswer: order.Refunded, ecticketsim.Error5xxAfter: order.Refunded,
			ecticketsim.RejectAfter: order.Review, // or it was somebody else's, and the list an old one
		} {
			t.Run(fmt.Sprintf("%s, %d", name, kind), func(t *testing.T) {
				s, sim := atECTicket(t)
				world(sim)
				sim.SetFault(refundLost(kind))
				s.issue(paperOrder, false)
				task := s.EnqueueRefund(`{"provider":"ecticket","refund_id":"R1","request":{"MerchantTradeNo":"ORDER1","quantity":1}}`)
				refunded := 1
				if want == order.Review {
					refunded = 0
				}
				s.ends("R1", task, want, refunded)
				if done := refundedAt(sim); done != 1 {
					t.Errorf("%d tickets are refunded", done)
				}
			})
		}
	}
}

// An order of the account has shown the zone of its dates, so that one which is hours before our request is not.
func TestAMeasuredZoneMakesARejectedRefundOurs(t *testing.T) {
	for zone, want := range map[time.Duration]order.State{-8 * time.Hour: order.Refunded, 0: order.Review} { // of a zone that does not explain it
		s, sim := atECTicket(t)
		refunds := shownAs(-8*time.Hour, "")
		sim.SetTwist(func(c ecticketsim.Call, a answer) {
			refunds(c, a)
			const layout = "2006/01/02 15:04:05"
			if at, err := time.Parse(layout, fmt.Sprint(a["IssueDate"])); err == nil {
				a["IssueDate"] = at.Add(zone).Format(layout)
			}
		})
		sim.SetFault(refundLost(ecticketsim.RejectAfter))
		s.issue(paperOrder, false)
		s.Clock.Advance(time.Minute)
		if f := s.client.LookUp(t.Context(), providers.Order{ID: "ORDER1", Request: []byte(`{"MerchantTradeNo":"ORDER1"}`)}); f.State != providers.FoundIssued {
			t.Fatal(f)
		}
		refunded := map[order.State]int{order.Refunded: 1}[want]
		task := s.EnqueueRefund(`{"provider":"ecticket","refund_id":"R1","request":{"MerchantTradeNo":"ORDER1","quantity":1}}`)
		s.ends("R1", task, want, refunded)
	}
}

// The header's Timestamp is that of a zone, and the dates are not.
func TestAClockOfAnotherZoneMakesNoRefundSomebodyElses(t *testing.T) {
	for _, kind := range []ecticketsim.FaultKind{ecticketsim.LoseAnswer, ecticketsim.RejectAfter} {
		s, sim := atECTicket(t)
		sim.SetClocks(func(ecticketsim.Call) time.Duration { return 8 * time.Hour })
		sim.SetTwist(shownAs(-8*time.Hour, ""))
		sim.SetFault(refundLost(kind))
		s.issue(paperOrder, false)
		task := s.EnqueueRefund(`{"provider":"ecticket","refund_id":"R1","request":{"MerchantTradeNo":"ORDER1","quantity":1}}`)
		s.ends("R1", task, order.Refunded, 1)
	}
}

// A date that no zone and no lag explains is left to a person.
func TestADateThatContradictsOurOwnLookNeedsReview(t *testing.T) {
	s, sim := atECTicket(t)
	sim.SetTwist(shownAs(-47*time.Minute, ""))
	sim.SetFault(refundLost(ecticketsim.LoseAnswer))
	s.issue(paperOrder, false)
	task := s.EnqueueRefund(`{"provider":"ecticket","refund_id":"R1","request":{"MerchantTradeNo":"ORDER1","quantity":1}}`)
	s.ends("R1", task, order.Review, 0)
}

// Between the plan and the first request lie hours, and the office refunds in them: its date contradicts nothing.
func TestARefundByTheOfficeBeforeALateRequestIsElsewhere(t *testing.T) {
	w := ecticket(handlertest.Mini(t))
	w.provider.SetSkew(0)
	task := w.refundOf("R1", named(1))
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(providers.Outcome{Kind: providers.Held, RetryAfter: time.Hour})
	w.Waits(w.run(task))
	w.Clock.Advance(2 * time.Hour)
	w.provider.AnswerRefundTicket(fakeprovider.Lost)
	w.Waits(w.run(task))
	s := w.status(providers.Refunded, merchant)
	s.RefundedAt = handlertest.Start.Add(74 * time.Minute).In(providers.Taiwan).Format("20060102 15:04")
	w.provider.AnswerStatus(s, fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.Failed, "refunded_elsewhere", 0)
}

// In whose name a refund by the API is shown, the documents leave open: refunds that were confirmed show it.
func TestAnotherNameIsSomebodyElsesWhereOursIsKnown(t *testing.T) {
	for name, c := range map[string]struct {
		own, shown string
		want       order.State
		refunded   int
	}{
		"ours are shown as the merchant's":   {merchant, "1111111", order.PartiallyRefunded, 1},
		"ours are shown under another id":    {"9999999", "9999999", order.Refunded, 2},
		"another id than ours":               {"9999999", "1111111", order.PartiallyRefunded, 1},
		"what ours are shown as is not said": {"", "1111111", order.Review, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := ecticket(handlertest.Mini(t))
			h := w.worker("w")
			task := w.refundOf("R1", named(1, 2))
			w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
			w.provider.AnswerRefundTicket(fakeprovider.Yes)
			w.provider.AnswerRefundTicket(fakeprovider.Lost)
			w.Clock.Advance(w.Waits(w.Run(h, task)))
			w.provider.AnswerStatus(w.status(providers.Refunded, c.shown), fakeprovider.Yes)
			w.provider.AnswerTickets(list(providers.Refunded, providers.Refunded, providers.Unused, providers.Unused), fakeprovider.Yes)
			w.provider.AnswerStatus(w.status(providers.Refunded, c.own), fakeprovider.Yes)
			if c.own == "" { // it may be shown later
				w.Waits(w.Run(h, task))
				w.Clock.Advance(30 * time.Second)
				w.provider.AnswerStatus(w.status(providers.Refunded, c.shown), fakeprovider.Yes) // that it is this ticket was shown
				w.provider.AnswerStatus(w.status(providers.Refunded, c.own), fakeprovider.Yes)
			}
			w.Done(w.Run(h, task))
			if rec := w.Record(w.ref("R1")); rec.State != c.want || rec.Refunded != c.refunded {
				t.Errorf("%s (%s: %s) with %d refunded, want %s with %d", rec.State, rec.Reason.Code, rec.Reason.Message, rec.Refunded, c.want, c.refunded)
			}
		})
	}
}

// A platform's id in the answers is ours.
func TestARefundShownAsThePlatformsIsOurs(t *testing.T) {
	s, sim := atECTicketAs(t, ecticketsim.DefaultAccounts()[3])
	sim.SetTwist(shownAs(0, ecticketsim.DefaultAccounts()[3].MerchantID))
	sim.SetFault(refundLost(ecticketsim.LoseAnswer))
	s.issue(paperOrder, false)
	task := s.EnqueueRefund(`{"provider":"ecticket","refund_id":"R1","request":{"MerchantTradeNo":"ORDER1","quantity":2}}`)
	s.ends("R1", task, order.Refunded, 2)
}

// An answer is lost, and the provider repeats refunds and shows them late: nothing is refunded twice.
func TestALateRefundIsNotSentTwice(t *testing.T) {
	for _, lag := range []time.Duration{2 * time.Second, 12 * time.Second, 25 * time.Second} {
		s, sim := atECTicket(t)
		requests := 0
		sim.SetFault(func(c ecticketsim.Call) ecticketsim.Fault {
			if c.Op != ecticketsim.OpRefund {
				return ecticketsim.Fault{}
			}
			requests++
			return ecticketsim.Fault{Kind: ecticketsim.LoseAnswer}
		})
		s.issue(paperOrder, false)
		s.Clock.Advance(time.Minute)
		sim.SetLag(ecticketsim.Lag{OrderInfo: lag, TicketStatus: lag})
		task := s.EnqueueRefund(`{"provider":"ecticket","refund_id":"R1","request":{"MerchantTradeNo":"ORDER1","quantity":2}}`)
		s.ends("R1", task, order.Refunded, 2)
		if requests != 2 {
			t.Errorf("lag %s: %d requests for two tickets", lag, requests)
		}
	}
}

// A list is a moment older than another refund of the order, whose record already is there.
func TestATicketThatAnotherRefundHasRefundedIsNotInDoubtOfIt(t *testing.T) {
	w := ecticket(handlertest.Mini(t))
	task := w.refundOf("R5", named(1))
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Yes)
	w.Done(w.run(task))
	w.stateOf("R5", order.Refunded, "", 1)
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.Done(w.run(w.refundOf("R2", named(1))))
	w.stateOf("R2", order.Failed, "refunded_by_R5", 0)
}

// Our request was rejected, and another shop's refund shows: the rejection may have been meant.
func TestARejectedRefundThatAnotherShopIsShownToHaveDoneNeedsReview(t *testing.T) {
	w := ecticket(handlertest.Mini(t))
	task := w.refundOf("R1", named(1))
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Refused)
	s := w.status(providers.Refunded, merchant)
	s.RefundStoreID = "KH2001"
	w.provider.AnswerStatus(s, fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.Review, "in_doubt", 0)
}
