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

// A ticket's intent that does not stand, or whose claim may have run out, leaves the ticket as it was.
func TestATicketWhoseIntentFailedIsStillPlanned(t *testing.T) {
	tooFew := func(w *world, c *handler.Config) {
		c.Ledger = ledger.New(w.RDB, ledger.Options{Now: w.Clock.Now, WaitReplicas: 1})
	}
	stalled := func(_ *world, c *handler.Config) {
		now := handlertest.Start
		c.Now = func() time.Time { now = now.Add(lease); return now }
	}
	for name, spoil := range map[string]func(*world, *handler.Config){"too few replicas": tooFew, "the claim may have run out": stalled} {
		t.Run(name, func(t *testing.T) {
			handlertest.Each(t, func(b *handlertest.Bench) { neverSent(b, spoil) })
		})
	}
}

// neverSent runs a refund of one ticket whose intent is spoilt.
func neverSent(b *handlertest.Bench, spoil func(*world, *handler.Config)) {
	w := &world{Bench: b, provider: fakeprovider.ForAccount(b.T, handlertest.Pass2U), gate: &handlertest.Gate{}, lease: lease,
		ref: order.Ref{Account: handlertest.Pass2U, OrderID: "A1", RefundID: "R1"}, task: b.EnqueueRefund(refundDoc)}
	c := w.config("w")
	spoil(w, &c)
	h := handler.New(c, true, func(ctx context.Context, r *handler.Run) (handler.Result, error) {
		plan := ledger.Plan{Count: 1, Baseline: -1, Tickets: []ledger.PlannedTicket{{State: order.TicketPlanned}}}
		if a, err := w.Ledger.WritePlan(ctx, r.Ref, r.Rec.Fence, plan); err != nil || !a.Applied {
			return handler.GoOn(), r.Written("plan", a, err)
		}
		r.Rec.Tickets = []ledger.Ticket{{State: order.TicketPlanned}}
		_, stop, err := r.Send(ctx, 0, func(context.Context) providers.Outcome {
			w.T.Error("something was sent")
			return fakeprovider.Lost
		})
		return stop, err
	})
	if err := w.Run(h, w.task); err == nil {
		w.T.Error("the run came to its end")
	}
	rec := w.record()
	if len(rec.Tickets) != 1 || rec.Tickets[0].State != order.TicketPlanned || !rec.DoubtAt.IsZero() || rec.Attempts != 1 || rec.Unsent != 1 {
		w.T.Errorf("tickets %+v, in doubt since %s, %d attempts of which %d had no effect", rec.Tickets, rec.DoubtAt, rec.Attempts, rec.Unsent)
	}
}

// stalled is a worker that stands still between an intent and its call, for as long as its claim lasts: it was
// suspended, or Redis was slow. Meanwhile something may happen.
func (w *world) stalled(meanwhile func()) *handler.Course {
	c := w.config("w")
	now, asked := handlertest.Start, false
	c.Now = func() time.Time {
		if asked {
			now = now.Add(w.lease)
			meanwhile()
		}
		asked = !asked
		return now
	}
	return handler.New(c, w.ref.IsRefund(), w.act)
}

func TestNothingIsSentByAClaimThatMayHaveRunOut(t *testing.T) {
	kinds(t, func(w *world) {
		w.Waits(w.Run(w.stalled(func() {}), w.task))
		w.calls(0)
		if rec := w.record(); rec.Runner != "" || rec.State != order.Queued || rec.Attempts != 1 || rec.Unsent != 1 || !rec.DoubtAt.IsZero() {
			w.T.Errorf("the record is %s, held by %q, in doubt since %s, %d attempts of which %d had no effect", rec.State, rec.Runner, rec.DoubtAt, rec.Attempts, rec.Unsent)
		}
		w.answer(fakeprovider.Yes)
		w.Done(w.run())
		w.calls(1)
	})
}

// Whoever has taken the record over does not know that nothing was sent, and looks first.
func TestAClaimThatWasTakenOverBeforeTheCallSendsNothing(t *testing.T) {
	kinds(t, func(w *world) {
		w.Waits(w.Run(w.stalled(func() {
			w.Clock.Advance(w.lease)
			if c, err := w.Ledger.Claim(w.T.Context(), w.ref, "other", w.lease); err != nil || c.Verdict != ledger.MustLookUp {
				w.T.Errorf("the other runner's claim is answered %q, %v", c.Verdict, err)
			}
		}), w.task))
		w.calls(0)
		if rec := w.record(); rec.Runner != "other" || rec.Unsent != 0 {
			w.T.Errorf("held by %q, %d requests had no effect", rec.Runner, rec.Unsent)
		}
	})
}

// lateGate is a gate whose calls leave when their claims may have run out.
type lateGate struct {
	gateFunc
	after time.Duration
}

// Depart implements providers.Departer.
func (g lateGate) Depart(context.Context) error { <-time.After(g.after); return nil }

// A call that waits at the gate once more, after its intent, does not leave when the claim may have run out meanwhile, and is in no doubt.
func TestACallThatWouldLeaveAfterItsClaimIsNotMade(t *testing.T) {
	b := handlertest.Mini(t)
	w := newWorld(b, "order")
	c := w.config("w")
	c.Lease = 50 * time.Millisecond
	c.Gate = providers.Prepayable(lateGate{func() error { return nil }, c.Lease})
	asked := 0
	h := handler.New(c, false, func(ctx context.Context, r *handler.Run) (handler.Result, error) {
		out, stop, err := r.Send(ctx, handler.All, func(ctx context.Context) providers.Outcome {
			asked++
			var held *providers.HeldError
			if err := c.Gate.Pass(ctx); !errors.As(err, &held) {
				t.Errorf("it left: %v", err)
			}
			return providers.Outcome{Kind: providers.Held, RetryAfter: time.Second}
		})
		if err != nil || stop.Ends() {
			return stop, err
		}
		return handler.WaitFor(out.RetryAfter, handler.Reason(out), "not sent").As(ledger.NotSent), nil
	})
	w.Waits(w.Run(h, w.task))
	if rec := w.record(); asked != 1 || !rec.DoubtAt.IsZero() || rec.Attempts != rec.Unsent {
		t.Errorf("asked %d times, in doubt since %s, %d attempts of which %d had no effect", asked, rec.DoubtAt, rec.Attempts, rec.Unsent)
	}
}
