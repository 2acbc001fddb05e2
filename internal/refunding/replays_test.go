package refunding_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"issuance/providers/pass2u/pass2usim"
	"issuance/tasks/order"
)

// A refund's answer is lost, nobody looks for an hour, and then one look, whichever, is answered with what was answered
// before the refund: it is done once. Without five answers the provider's clock is not known, so that one seems new.
func TestAnOldListHasNothingRefundedTwice(t *testing.T) {
	for _, fault := range []pass2usim.Fault{pass2usim.LoseAnswer, pass2usim.CutBefore} {
		for old := range 4 {
			t.Run(fmt.Sprintf("took effect: %t, look %d is old", fault == pass2usim.LoseAnswer, old), func(t *testing.T) {
				s, sim := atPass2U(t)
				s.issue(soldAs("voucher"), false)
				task := s.EnqueueRefund(`{"provider":"pass2u","refund_id":"R1","request":{"channelOrderId":"ORDER1","quantity":1}}`)
				var sent, looks atomic.Int32
				sim.SetFault(func(c pass2usim.Call) pass2usim.Fault {
					switch {
					case c.Op == pass2usim.Refund:
						if sent.Add(1) == 1 {
							return fault
						}
					case c.Op == pass2usim.Query && sent.Load() > 0:
						if looks.Add(1) == int32(old+1) {
							return pass2usim.ReplayOwn(0)
						}
					}
					return pass2usim.None
				})
				if s.Waits(s.Run(s.worker(), task)); sent.Load() != 1 {
					t.Fatalf("%d requests", sent.Load())
				}
				s.Clock.Advance(time.Hour)
				s.ends("R1", task, order.Refunded, 1)
				if b, _ := sim.Order("ORDER1"); b.Refunded() != 1 {
					t.Errorf("%d tickets are refunded", b.Refunded())
				}
			})
		}
	}
}
