package refunding_test

import (
	"fmt"
	"testing"
	"time"

	"issuance/internal/ledger"
	"issuance/providers/pass2u/pass2usim"
	"issuance/tasks/order"
)

// pass2uSettles is after what time a request cannot arrive at Pass2U any more.
const pass2uSettles = 15 * time.Minute

// event is what happens at the provider so long after a refund was enqueued.
type event struct {
	after time.Duration
	what  func() error
}

// refunds enqueues a refund of ORDER1 and runs it to its end, while things happen at the provider.
func (s *simulated) refunds(id, wish string, events ...event) *ledger.Record {
	s.T.Helper()
	task := s.EnqueueRefund(fmt.Sprintf(`{"provider":"pass2u","refund_id":%q,"request":{"channelOrderId":"ORDER1",%s}}`, id, wish))
	start := s.Clock.Now()
	for range 1000 {
		err := s.Run(s.worker(), task)
		if err == nil {
			break
		}
		until := s.Clock.Now().Add(s.Waits(err))
		for len(events) > 0 && !start.Add(events[0].after).After(until) {
			s.Clock.Advance(start.Add(events[0].after).Sub(s.Clock.Now()))
			if err := events[0].what(); err != nil {
				s.T.Fatal(err)
			}
			events = events[1:]
		}
		s.Clock.Advance(until.Sub(s.Clock.Now()))
	}
	return s.Record(order.Ref{Account: s.account, OrderID: "ORDER1", RefundID: id})
}

// firstRefund is a fault of the first refund that is sent from now on.
func firstRefund(f pass2usim.Fault) func(pass2usim.Call) pass2usim.Fault {
	done := false
	return func(c pass2usim.Call) pass2usim.Fault {
		if c.Op != pass2usim.Refund || done {
			return pass2usim.None
		}
		done = true
		return f
	}
}

// is expects a refund's end, and so many requests and refunded tickets in the provider's books.
func is(t *testing.T, what string, rec *ledger.Record, sim *pass2usim.Sim, want order.State, code string, requests, refunded int) {
	t.Helper()
	b, _ := sim.Order("ORDER1")
	if rec.State != want || rec.Reason.Code != code || b.Calls[pass2usim.Refund] != requests || b.Refunded() != refunded {
		t.Errorf("%s: %s (%s: %s) after %d requests, and %d tickets are refunded; want %s (%s), %d, %d", what,
			rec.State, rec.Reason.Code, rec.Reason.Message, b.Calls[pass2usim.Refund], b.Refunded(), want, code, requests, refunded)
	}
}

// The document spells the number in two ways. A rejection of the one does not prove that it had no effect, so the other one is
// another request, sent when that is proven.
func TestARejectionOfTheSpellingHasNothingRefundedTwice(t *testing.T) {
	format := pass2usim.MsgQuantityFormat
	for _, known := range []bool{false, true} {
		s, sim := atPass2U(t)
		s.issue(soldAs("voucher"), false)
		before := 0
		if known {
			before = 1
			is(t, "accepted", s.refunds("R0", `"quantity":1`), sim, order.Refunded, "", 1, 1)
		}
		sim.SetFault(firstRefund(pass2usim.SaysAfter(format)))
		is(t, fmt.Sprintf("key known %t", known), s.refunds("R1", `"quantity":1`), sim, order.Refunded, "", before+1, before+1)
	}
	s, sim := atPass2U(t)
	s.issue(soldAs("order"), false)
	sim.SetFault(firstRefund(pass2usim.SaysAfter(format)))
	is(t, "a page shows no refunds", s.refunds("R1", `"quantity":1`), sim, order.Review, "unprovable", 1, 1)
}

func TestTheOtherSpellingIsSentWhenTheFirstHadNoEffect(t *testing.T) {
	s, sim := atPass2UAs(t, pass2usim.Config{RefundQuantityKey: "quanity"})
	s.issue(soldAs("voucher"), false)
	start := s.Clock.Now()
	is(t, "the other spelling", s.refunds("R1", `"quantity":1`), sim, order.Refunded, "", 2, 1)
	if took := s.Clock.Now().Sub(start); took < pass2uSettles || took > pass2uSettles+time.Minute {
		t.Errorf("the other spelling was sent after %s", took)
	}
	is(t, "the spelling is known", s.refunds("R2", `"quantity":1`), sim, order.Refunded, "", 3, 2)
	sim.SetFault(firstRefund(pass2usim.SaysBefore(pass2usim.MsgQuantityFormat)))
	is(t, "what was accepted is kept", s.refunds("R3", `"quantity":1`), sim, order.Failed, "quantity_format_error", 4, 2)

	s, sim = atPass2U(t)
	s.issue(soldAs("voucher"), false)
	sim.SetFault(func(c pass2usim.Call) pass2usim.Fault {
		if c.Op == pass2usim.Refund {
			return pass2usim.SaysBefore(pass2usim.MsgQuantityFormat)
		}
		return pass2usim.None
	})
	is(t, "neither is taken", s.refunds("R1", `"quantity":1`), sim, order.Failed, "quantity_format_error", 2, 0)
}

// An answer that refuses the credentials may be to a copy of a request that took effect.
func TestRefusedCredentialsHaveNothingRefundedTwice(t *testing.T) {
	for pickup, want := range map[string]order.State{"voucher": order.Refunded, "order": order.Review} {
		s, sim := atPass2U(t)
		s.issue(soldAs(pickup), false)
		sim.SetFault(firstRefund(pass2usim.RefuseAfter))
		code := ""
		if want == order.Review {
			code = "unprovable"
		}
		is(t, pickup, s.refunds("R1", `"quantity":1`), sim, want, code, 1, 1)
	}
}

// Whatever a refund is rejected with: where it took effect, at once or later, it has not failed.
func TestNoRejectionMakesAFailureOfARefundThatTookEffect(t *testing.T) {
	lates := []time.Duration{8 * time.Second, 40 * time.Second, 14 * time.Minute}
	for i, message := range pass2usim.Messages() {
		t.Run(message, func(t *testing.T) {
			s, sim := atPass2U(t)
			s.issue(soldAs("voucher"), false)
			sim.SetFault(firstRefund(pass2usim.SaysAfter(message)))
			is(t, "at once", s.refunds("R1", `"quantity":1`), sim, order.Refunded, "", 1, 1)

			s, sim = atPass2U(t)
			s.issue(soldAs("order"), false)
			sim.SetFault(firstRefund(pass2usim.SaysAfter(message)))
			is(t, "a page's", s.refunds("R1", `"quantity":1`), sim, order.Review, "unprovable", 1, 1)

			late := lates[i%len(lates)]
			s, sim = atPass2U(t)
			s.issue(soldAs("voucher"), false)
			sim.SetFault(firstRefund(pass2usim.SaysBefore(message)))
			rec := s.refunds("R1", `"quantity":1`, event{late, func() error { return sim.RefundInOffice("ORDER1", 1) }})
			is(t, late.String()+" later", rec, sim, order.Refunded, "", 1, 1)
		})
	}
}

// What was refunded when no request could arrive any more, after a look that showed none, is somebody else's, by its date.
func TestARefundByOthersAfterOursCannotArriveIsNotOurs(t *testing.T) {
	for _, c := range []struct {
		name   string
		fault  pass2usim.Fault
		before int // refunds that were confirmed before
	}{
		{"the request was lost", pass2usim.CutBefore, 0},
		{"the request was rejected", pass2usim.SaysBefore(pass2usim.MsgSaleExpired), 0},
		{"an older confirmation came again", pass2usim.Replay, 1},
	} {
		s, sim := atPass2U(t)
		s.issue(soldAs("voucher"), false)
		if c.before > 0 {
			s.refunds("R0", `"quantity":1`)
		}
		sim.SetFault(firstRefund(c.fault))
		rec := s.refunds("R1", `"quantity":1`, event{pass2uSettles + 20*time.Second, func() error { return sim.RefundInOffice("ORDER1", 1) }})
		is(t, c.name, rec, sim, order.Review, "unexplained_refunds", c.before+1, c.before+1)
	}
}

// Tickets are redeemed between the look that counts them and the refund.
func TestWhatIsLeftIsRefundedWhenTicketsAreRedeemedMeanwhile(t *testing.T) {
	for _, c := range []struct {
		name, wish string
		redeemed   int
		others     int // refunded by others
		fault      pass2usim.Fault
		want       order.State
		code       string
		requests   int
		refunded   int
	}{
		{"all", `"all":true`, 2, 0, pass2usim.None, order.Refunded, "", 2, 2},
		{"all, and the request is lost", `"all":true`, 2, 0, pass2usim.CutBefore, order.Refunded, "", 2, 2},
		{"all, and none is left", `"all":true`, 4, 0, pass2usim.None, order.Failed, "nothing_refundable", 1, 0},
		{"more than are left", `"quantity":3`, 2, 0, pass2usim.None, order.Failed, "refundable_quantity_not_enough", 1, 0},
		{"more than are left, and the request is lost", `"quantity":3`, 2, 0, pass2usim.CutBefore, order.Failed, "not_enough_refundable", 1, 0},
		{"all, and one is refunded by others", `"all":true`, 1, 1, pass2usim.None, order.Refunded, "", 2, 3},
		{"no more than are left", `"quantity":2`, 2, 0, pass2usim.CutBefore, order.Refunded, "", 2, 2},
	} {
		s, sim := atPass2U(t)
		s.issue(soldAs("voucher"), false)
		first := true
		sim.SetFault(func(call pass2usim.Call) pass2usim.Fault {
			if call.Op != pass2usim.Refund || !first {
				return pass2usim.None
			}
			first = false
			if err := sim.Redeem("ORDER1", c.redeemed); err != nil {
				t.Error(err)
			}
			if err := sim.RefundInOffice("ORDER1", c.others); err != nil {
				t.Error(err)
			}
			return c.fault
		})
		start := s.Clock.Now()
		rec := s.refunds("R1", c.wish)
		is(t, c.name, rec, sim, c.want, c.code, c.requests, c.refunded)
		if took := s.Clock.Now().Sub(start); c.redeemed == 2 && c.name != "no more than are left" && took > time.Minute {
			t.Errorf("%s: it took %s", c.name, took)
		}
		if rec.State == order.Refunded && rec.Refunded != c.refunded-c.others {
			t.Errorf("%s: %d are recorded as refunded", c.name, rec.Refunded)
		}
	}
}
