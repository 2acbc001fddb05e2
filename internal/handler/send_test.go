package handler_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"issuance/internal/fakeprovider"
	"issuance/internal/handler"
	"issuance/internal/handlertest"
	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/providers"
	"issuance/tasks/order"
)

// takenOver is a gate at which a runner waits for so long that another takes its record over.
func (w *world) takenOver() {
	w.gate = gateFunc(func() error {
		w.Clock.Advance(w.lease)
		c, err := w.Ledger.Claim(w.T.Context(), w.ref, "other", w.lease)
		if err != nil || c.Verdict != ledger.MaySend {
			w.T.Errorf("the other runner's claim is answered %q, %v", c.Verdict, err)
		}
		return nil
	})
}

func TestARefusedIntentSendsNothing(t *testing.T) {
	kinds(t, func(w *world) {
		w.takenOver()
		w.Waits(w.run())
		w.calls(0)
		if rec := w.record(); rec.Attempts != 0 || rec.Runner != "other" || rec.State != order.Queued {
			w.T.Errorf("%d attempts, the record is %s, held by %q", rec.Attempts, rec.State, rec.Runner)
		}
	})
}

// Too few replicas have the intent: it stands all the same, and must not be taken for a request in doubt.
func TestAnIntentThatTooFewReplicasHaveSendsNothingAndLeavesNoDoubt(t *testing.T) {
	kinds(t, func(w *world) {
		l := w.Ledger
		c := w.config("w")
		c.Ledger = ledger.New(w.RDB, ledger.Options{Now: w.Clock.Now, WaitReplicas: 1})
		h := handler.New(c, w.ref.IsRefund(), w.act)
		for range 3 {
			if err := w.Run(h, w.task); !queue.IsFailure(err) {
				w.T.Fatalf("the run ended with %v", err)
			}
		}
		w.calls(0)
		rec := w.record()
		if rec.Runner != "" || !rec.DoubtAt.IsZero() || rec.State != order.Queued || rec.Attempts != rec.Unsent {
			w.T.Errorf("the record is %s, held by %q, in doubt since %s, %d attempts of which %d had no effect", rec.State, rec.Runner, rec.DoubtAt, rec.Attempts, rec.Unsent)
		}
		w.Ledger = l
		w.answer(fakeprovider.Yes)
		w.Done(w.run())
	})
}

func TestAnIntentThatCannotBeWrittenSendsNothing(t *testing.T) {
	kinds(t, func(w *world) {
		ctx, cancel := context.WithCancel(w.T.Context())
		w.gate = gateFunc(func() error { cancel(); return nil }) // Redis does not answer any more
		if err := w.RunContext(ctx, w.worker("w"), w.task); !queue.IsFailure(err) {
			w.T.Errorf("the run ended with %v", err)
		}
		w.calls(0)
		if rec := w.record(); rec.Runner != "" || rec.Attempts != 0 || !rec.DoubtAt.IsZero() {
			w.T.Errorf("held by %q, %d attempts, in doubt since %s", rec.Runner, rec.Attempts, rec.DoubtAt)
		}
	})
}

func TestAnErrorOfTheCallBudgetIsNoPass(t *testing.T) {
	kinds(t, func(w *world) {
		for _, err := range []error{errors.New("i/o timeout"), context.DeadlineExceeded, &providers.HeldError{RetryAfter: time.Second, Reason: "call budget"}} {
			w.gate = gateFunc(func() error { return err })
			w.Waits(w.run())
		}
		w.calls(0)
		if rec := w.record(); rec.Attempts != 0 || rec.Runner != "" || rec.State != order.Queued {
			w.T.Errorf("%d attempts, the record is %s, held by %q", rec.Attempts, rec.State, rec.Runner)
		}
	})
}

// A ticket's intent that does not stand leaves the ticket as it was.
func TestATicketWhoseIntentFailedIsStillPlanned(t *testing.T) {
	handlertest.Each(t, func(b *handlertest.Bench) {
		w := &world{Bench: b, provider: fakeprovider.ForAccount(b.T, handlertest.Pass2U), gate: &handlertest.Gate{}, lease: lease,
			ref: order.Ref{Account: handlertest.Pass2U, OrderID: "A1", RefundID: "R1"}, task: b.EnqueueRefund(refundDoc)}
		c := w.config("w")
		c.Ledger = ledger.New(w.RDB, ledger.Options{Now: w.Clock.Now, WaitReplicas: 1})
		h := handler.New(c, true, func(ctx context.Context, r *handler.Run) (handler.Result, error) {
			plan := ledger.Plan{Count: 1, Baseline: -1, Tickets: []ledger.PlannedTicket{{State: order.TicketPlanned}}}
			if a, err := w.Ledger.WritePlan(ctx, r.Ref, r.Rec.Fence, plan); err != nil || !a.Applied {
				return handler.GoOn(), r.Written("plan", a, err)
			}
			r.Rec.Tickets = []ledger.Ticket{{State: order.TicketPlanned}}
			_, stop, err := r.Send(ctx, 0, nil, func(context.Context) providers.Outcome {
				w.T.Error("something was sent")
				return fakeprovider.Lost
			})
			return stop, err
		})
		if err := w.Run(h, w.task); !queue.IsFailure(err) {
			w.T.Errorf("the run ended with %v", err)
		}
		rec := w.record()
		if len(rec.Tickets) != 1 || rec.Tickets[0].State != order.TicketPlanned || !rec.DoubtAt.IsZero() || rec.Attempts != rec.Unsent {
			w.T.Errorf("tickets %+v, in doubt since %s, %d attempts of which %d had no effect", rec.Tickets, rec.DoubtAt, rec.Attempts, rec.Unsent)
		}
	})
}
