package issuing_test

import (
	"fmt"
	"testing"
	"time"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/internal/issuing"
	"issuance/providers"
	"issuance/tasks/order"
)

// another is an order of the same account that waits.
func (w *world) another(id string) order.Ref {
	w.T.Helper()
	return w.OrderIn(order.Queued, fmt.Sprintf(`{"provider":"ecticket","request":{"MerchantTradeNo":%q,"IssueType":"1","Operator":"Shop2","CustomerEmail":"`+
		handlertest.CustomerEmail+`","TicketInfo":[{"ItemNo":"VNS21400","TicketAmount":8}]}}`, id))
}

// drawsBan has the order's next request answered with a ban, and waits until that is over.
func (w *world) drawsBan(h *issuing.Handler) {
	w.T.Helper()
	w.provider.AnswerIssue(fakeprovider.Forbidden)
	after := w.Waits(w.Run(h, w.task))
	if after != 32*time.Minute { // others go first for two minutes
		w.T.Errorf("after a ban it waits %s", after)
	}
	w.Clock.Advance(after)
}

// absent has the order's next look-up answered "no such order".
func (w *world) absent() { w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent)) }

// One order's content draws bans; others of the account pass, in this worker or in another one.
func TestAnOrderThatDrawsBansIsSetApartAfterTheSecondWhileOthersPass(t *testing.T) {
	for _, where := range []string{"in this worker", "in another worker"} {
		t.Run(where, func(t *testing.T) {
			each(t, func(w *world) {
				h := w.worker("w")
				w.drawsBan(h)
				other := w.another("OTHER1")
				w.provider.AnswerIssue(providers.Outcome{Kind: providers.Done, Result: result()})
				passes := h
				if where == "in another worker" {
					passes = w.worker("second")
				}
				w.Done(w.Run(passes, w.Task(other)))
				w.absent()
				w.drawsBan(h)
				w.absent()
				w.Done(w.Run(h, w.task))
				if rec := w.record(); rec.State != order.Review || rec.Reason.Code != "draws_ban" {
					w.T.Errorf("%s (%s)", rec.State, rec.Reason.Code)
				}
				w.calls("issue, issue, look_up, issue, look_up")
				w.quiet()
			})
		})
	}
}

// Nobody passed between the bans, so it is the account that is banned: no order is given up for that.
func TestBansOfTheAccountAreNoOrdersDoing(t *testing.T) {
	each(t, func(w *world) {
		h := w.worker("w")
		w.drawsBan(h)
		w.another("OTHER1") // which may pass first
		for range 3 {
			w.absent()
			w.drawsBan(h)
			if rec := w.record(); rec.State != order.Submitting || rec.Bans != 1 {
				w.T.Fatalf("%s (%s) after %d bans that count", rec.State, rec.Reason.Code, rec.Bans)
			}
		}
		w.absent()
		w.provider.AnswerIssue(providers.Outcome{Kind: providers.Accepted})
		w.Done(w.Run(h, w.task))
		w.state(order.Accepted, "")
	})
}

// A look-up that draws the second ban sets the order apart at once; one that nobody passed before does not count.
func TestALookUpThatDrawsTheSecondBanSetsTheOrderApart(t *testing.T) {
	each(t, func(w *world) {
		h := w.worker("w")
		look := fakeprovider.Forbidden
		look.Kind = providers.Held
		forbidden := providers.Finding{State: providers.Unclear, Outcome: look}
		w.drawsBan(h)
		w.provider.AnswerLookUp(forbidden)
		after := w.Waits(w.Run(h, w.task))
		if rec := w.record(); after != 32*time.Minute || rec.Bans != 1 || rec.State != order.Submitting {
			w.T.Errorf("waits %s, %s with %d bans", after, rec.State, rec.Bans)
		}
		w.Clock.Advance(after)
		w.provider.AnswerIssue(providers.Outcome{Kind: providers.Done, Result: result()})
		w.Done(w.Run(h, w.Task(w.another("OTHER1"))))
		w.provider.AnswerLookUp(forbidden)
		w.Done(w.Run(h, w.task))
		if rec := w.record(); rec.State != order.Review || rec.Reason.Code != "draws_ban" {
			w.T.Errorf("%s (%s)", rec.State, rec.Reason.Code)
		}
		w.quiet()
	})
}

// One ban may be anybody's doing.
func TestAnOrderThatHitOneBanIsSentAgain(t *testing.T) {
	w := mini(t)
	w.provider.AnswerIssue(fakeprovider.Forbidden)
	w.Clock.Advance(w.Waits(w.run()))
	w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
	w.provider.AnswerIssue(providers.Outcome{Kind: providers.Accepted})
	w.Done(w.run())
	w.state(order.Accepted, "")
}
