package refunding_test

import (
	"testing"
	"time"

	"issuance/providers"
	"issuance/providers/pass2u/pass2usim"
	"issuance/tasks/order"
)

// What somebody else had refunded before a refund was sent is not taken for its effect, although the list shows it late.
func TestAnEarlierRefundOfOthersProvesNothing(t *testing.T) {
	for _, before := range []time.Duration{7 * time.Second, 11 * time.Second, 26 * time.Second} {
		s, sim := atPass2U(t)
		s.issue(soldAs("voucher"), false)
		for range 8 { // the provider's clock is measured
			s.client.LookUp(t.Context(), providers.Order{ID: "ORDER1", Request: []byte(`{"productSaleId":"` + pass2usim.DefaultCampaign + `","channelOrderId":"ORDER1","quantity":4,"pickupType":"voucher"}`)})
		}
		sim.SetLag(pass2usim.Lag{Refund: 40 * time.Second})
		other, ok := s.client.(providers.CountRefunder)
		if !ok {
			t.Fatal("it refunds no numbers of tickets")
		}
		if out := other.RefundCount(t.Context(), providers.Order{ID: "ORDER1", Request: []byte(`{"productSaleId":"` + pass2usim.DefaultCampaign + `","channelOrderId":"ORDER1","quantity":4,"pickupType":"voucher"}`)}, 1); out.Kind != providers.Done {
			t.Fatalf("%+v", out)
		}
		s.Clock.Advance(before)
		lost := false
		sim.SetFault(func(c pass2usim.Call) pass2usim.Fault {
			if c.Op == pass2usim.Refund && !lost {
				lost = true
				return pass2usim.CutBefore
			}
			return pass2usim.None
		})
		task := s.EnqueueRefund(`{"provider":"pass2u","refund_id":"R1","request":{"channelOrderId":"ORDER1","quantity":1}}`)
		s.toEnd(task, 1000)
		rec := s.Record(order.Ref{Account: s.account, OrderID: "ORDER1", RefundID: "R1"})
		b, _ := sim.Order("ORDER1")
		if !rec.State.Final() || rec.State == order.Refunded && b.Refunded() != 2 {
			t.Errorf("%s before: %s (%s), and %d tickets are refunded at the provider", before, rec.State, rec.Reason.Code, b.Refunded())
		}
	}
}

// A page shows no refunds: that a refund of it is refused for want of tickets may be its own copy's doing.
func TestARefusalOfAPagesRefundIsNoEnd(t *testing.T) {
	s, sim := atPass2U(t)
	s.issue(soldAs("order"), false)
	sim.SetFault(func(c pass2usim.Call) pass2usim.Fault {
		if c.Op == pass2usim.Refund {
			return pass2usim.RejectAfter
		}
		return pass2usim.None
	})
	task := s.EnqueueRefund(`{"provider":"pass2u","refund_id":"R1","request":{"channelOrderId":"ORDER1","all":true}}`)
	s.toEnd(task, 100)
	if rec := s.Record(order.Ref{Account: s.account, OrderID: "ORDER1", RefundID: "R1"}); rec.State != order.Review || rec.Reason.Code != string(order.CodeUnprovable) {
		t.Errorf("%s (%s: %s)", rec.State, rec.Reason.Code, rec.Reason.Message)
	}
}
