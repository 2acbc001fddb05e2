package refunding_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"issuance/internal/handlertest"
	"issuance/providers/pass2u/pass2usim"
	"issuance/tasks/order"
)

func shownVouchers(a answer) []any {
	list, _ := a["vouchers"].([]any)
	return list
}

// countAdversaries are Pass2Us that answer as no document says.
var countAdversaries = map[string]func(sim *pass2usim.Sim) func(pass2usim.Call, answer){
	"every second query shows two vouchers": func(*pass2usim.Sim) func(pass2usim.Call, answer) {
		n := 0
		return func(c pass2usim.Call, a answer) {
			if n++; n%2 == 0 && len(shownVouchers(a)) > 2 {
				a["vouchers"] = shownVouchers(a)[:2]
			}
		}
	},
	"vouchers appear one by one": func(*pass2usim.Sim) func(pass2usim.Call, answer) {
		shown := 0
		return func(c pass2usim.Call, a answer) {
			if list := shownVouchers(a); c.Op == pass2usim.Query && shown < len(list) {
				a["vouchers"] = list[:shown]
				shown++
			}
		}
	},
	"every second query does not know of refunds": func(*pass2usim.Sim) func(pass2usim.Call, answer) {
		n := 0
		return func(c pass2usim.Call, a answer) {
			if n++; c.Op == pass2usim.Query && n%2 == 0 {
				for _, v := range shownVouchers(a) {
					if s, _ := v.(answer)["status"].(string); strings.HasPrefix(s, "refund") {
						v.(answer)["status"] = "notPickedup"
					}
				}
			}
		}
	},
	"refunded vouchers are in an unknown status for a while": func(*pass2usim.Sim) func(pass2usim.Call, answer) {
		n := 0
		return func(c pass2usim.Call, a answer) {
			for _, v := range shownVouchers(a) {
				if s, _ := v.(answer)["status"].(string); strings.HasPrefix(s, "refund") && n < 9 {
					n++
					v.(answer)["status"] = "void"
				}
			}
		}
	},
	"other spelling, other types": func(*pass2usim.Sim) func(pass2usim.Call, answer) {
		return func(c pass2usim.Call, a answer) {
			for _, v := range shownVouchers(a) {
				s, _ := v.(answer)["status"].(string)
				v.(answer)["status"] = " " + strings.ToUpper(s)
			}
			if _, ok := a["pass2uOrderId"]; ok {
				a["quantity"], a["note"] = fmt.Sprint(len(shownVouchers(a))), answer{}
			}
		}
	},
	"refunds are answered without numbers": func(*pass2usim.Sim) func(pass2usim.Call, answer) {
		return func(c pass2usim.Call, a answer) {
			if c.Op == pass2usim.Refund {
				a["channelOrderId"], a["pass2uOrderId"] = "", ""
			}
		}
	},
	"refunds are answered for another order": func(*pass2usim.Sim) func(pass2usim.Call, answer) {
		return func(c pass2usim.Call, a answer) {
			if c.Op == pass2usim.Refund {
				a["channelOrderId"], a["pass2uOrderId"] = "OTHER", "abcdefghijkl"
			}
		}
	},
}

// Whatever Pass2U shows: as many tickets are refunded as is recorded, or a person is asked.
func TestNoAnswerOfPass2UMakesARefundsStatusUntrue(t *testing.T) {
	for name, twist := range countAdversaries {
		for trouble, fault := range map[string]pass2usim.Fault{
			"all goes well": pass2usim.None, "the answer is lost": pass2usim.LoseAnswer, "the request is lost": pass2usim.CutBefore,
			"rejected although it took effect": pass2usim.RejectAfter, "an older confirmation": pass2usim.Replay,
		} {
			t.Run(name+", "+trouble, func(t *testing.T) {
				handlertest.Sampled(t)
				s, sim := atPass2U(t)
				s.issue(soldAs("voucher"), false)
				sim.SetLag(pass2usim.Lag{Refund: 3 * time.Second})
				sim.SetTwist(twist(sim))
				first := true
				sim.SetFault(func(c pass2usim.Call) pass2usim.Fault {
					if c.Op == pass2usim.Refund && first {
						first = false
						return fault
					}
					return pass2usim.None
				})
				task := s.EnqueueRefund(`{"provider":"pass2u","refund_id":"R1","request":{"channelOrderId":"ORDER1","quantity":2}}`)
				s.toEnd(task, 1000)
				rec := s.Record(order.Ref{Account: s.account, OrderID: "ORDER1", RefundID: "R1"})
				b, _ := sim.Order("ORDER1")
				switch {
				case rec.State == order.Review:
					t.Logf("review (%s): %s", rec.Reason.Code, rec.Reason.Message)
				case !rec.State.Final() || rec.Refunded != b.Refunded():
					t.Errorf("%s (%s: %s) with %d refunded, and %d are", rec.State, rec.Reason.Code, rec.Reason.Message, rec.Refunded, b.Refunded())
				case rec.State != order.Refunded:
					t.Logf("%s (%s): %s", rec.State, rec.Reason.Code, rec.Reason.Message)
				}
			})
		}
	}
}
