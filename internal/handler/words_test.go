package handler_test

import (
	"context"
	"testing"
	"time"

	"issuance/internal/handler"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

func TestMessagesCountOneTicketInTheSingular(t *testing.T) {
	for n, want := range map[int]string{0: "0 tickets", 1: "1 ticket", 2: "2 tickets"} {
		if got := handler.Tickets(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
}

func TestAMomentInAMessageSaysItsZone(t *testing.T) {
	at := time.Date(2026, 11, 26, 20, 5, 7, 0, providers.Taiwan)
	if got := handler.Moment(at); got != "2026-11-26 12:05:07 UTC" {
		t.Error(got)
	}
}

// What needs review has not come to its end, whatever the ledger calls the state.
func TestOnlyWhatNeedsNoReviewIsLoggedAsFinal(t *testing.T) {
	for name, res := range map[string]handler.Result{
		"review": handler.Review(order.CodeInDoubt, "ask the provider"),
		"failed": handler.Fail(ledger.Reason{Code: "1"}),
	} {
		t.Run(name, func(t *testing.T) {
			kinds(t, func(w *world) {
				w.Done(w.Run(handler.New(w.config("w"), w.ref.IsRefund(), func(context.Context, *handler.Run) (handler.Result, error) {
					return res, nil
				}), w.task))
				if got := w.record().State; string(got) != name {
					w.T.Fatal(got)
				}
				if alarm, final := w.Said(`"msg":"alarm: it needs review"`), w.Said(`"msg":"final"`); alarm != (name == "review") || final == alarm {
					w.T.Errorf("an alarm %v, final %v", alarm, final)
				}
			})
		})
	}
}
