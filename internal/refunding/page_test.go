package refunding_test

import (
	"testing"

	"issuance/providers/pass2u/pass2usim"
	"issuance/tasks/order"
)

// Where Pass2U shows the vouchers of an order of pickupType "order", they prove what a refund of it did, like those of any other.
func TestARefundOfAPageIsProvenByItsVouchersWhereTheyAreShown(t *testing.T) {
	for _, c := range []struct {
		name     string
		fault    pass2usim.Fault
		state    order.State
		refunded int
	}{
		{"the answer is lost", pass2usim.LoseAnswer, order.Refunded, 2},
		{"the request is lost", pass2usim.CutBefore, order.Refunded, 2},
		{"rejected although it took effect", pass2usim.RejectAfter, order.Refunded, 2},
		{"another text although it took effect", pass2usim.SaysAfter(pass2usim.MsgInvalidQuery), order.Refunded, 2},
		{"rejected", pass2usim.SaysBefore(pass2usim.MsgRefundableTooFew), order.Failed, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, sim := atPass2UAs(t, pass2usim.Config{PagesShowVouchers: true})
			s.issue(soldAs("order"), false)
			sim.SetFault(func(call pass2usim.Call) pass2usim.Fault {
				if call.Op == pass2usim.Refund && call.N == 1 {
					return c.fault
				}
				return pass2usim.None
			})
			s.ends("R1", s.EnqueueRefund(`{"provider":"pass2u","refund_id":"R1","request":{"channelOrderId":"ORDER1","quantity":2}}`), c.state, c.refunded)
			if b, _ := sim.Order("ORDER1"); b.Refunded() != c.refunded {
				t.Errorf("%d tickets are refunded", b.Refunded())
			}
		})
	}
}
