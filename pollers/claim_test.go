package pollers_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"issuance/internal/fakeprovider"
	"issuance/internal/handler"
	"issuance/internal/handlertest"
	"issuance/pollers"
	"issuance/providers"
	"issuance/tasks/order"
)

// Thirty orders are being asked for whenever their worker is killed.
func TestAWorkerKilledNineTimesFromOutsideLeavesNoAcceptedOrderInReview(t *testing.T) {
	w := accepted(handlertest.Mini(t))
	refs := make([]order.Ref, 30)
	for i := range refs {
		refs[i] = w.OrderIn(order.Accepted, strings.ReplaceAll(document, "ORDER1", fmt.Sprintf("KILL%d", i)))
	}
	for range 9 {
		for _, r := range refs {
			if _, err := w.Ledger.BeginPoll(t.Context(), r, "killed", handler.Lease); err != nil {
				t.Fatal(err)
			}
		}
		w.Clock.Advance(handler.Lease)
	}
	for _, r := range refs {
		w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
		w.Done(w.Run(w.handler(), w.PollTask(r)))
		if rec := w.Record(r); rec.State != order.Issued || rec.Crashes != 0 {
			t.Errorf("%s is %s after %d crashes", r, rec.State, rec.Crashes)
		}
	}
}

// Twice it may have been anybody's doing; after that it is asked for alone, and five more deaths are its own.
func TestAnOrderWhoseAnswersKeepTakingWorkersDownNeedsReview(t *testing.T) {
	each(t, func(w *world) {
		for range 7 {
			w.provider.AnswerLookUp(providers.Finding{}, handlertest.Dies)
			if err := w.run(); !errors.Is(err, handlertest.ErrDied) {
				w.T.Fatal(err)
			}
			w.Waits(w.run()) // until its claim has run out, somebody may be asking for it
			w.Clock.Advance(handler.Lease)
		}
		w.Done(w.run())
		if rec := w.state(order.Review, "crashes_worker", 0); rec.Abandoned != 2 || rec.Crashes != 5 || rec.Runner != "" {
			w.T.Errorf("abandoned %d times, %d crashes, held by %q", rec.Abandoned, rec.Crashes, rec.Runner)
		}
	})
}

// While an order is asked for alone, its process does nothing else; while it does, the order waits and its count stays.
func TestAnOrderThatWorkersDiedWithIsAskedForAlone(t *testing.T) {
	w := accepted(handlertest.Mini(t))
	for range 2 {
		if _, err := w.Ledger.BeginPoll(t.Context(), ref, "killed", handler.Lease); err != nil {
			t.Fatal(err)
		}
		w.Clock.Advance(handler.Lease)
	}
	company := handler.NewCompany()
	h := pollers.New(pollers.Config{Provider: w.provider, Ledger: w.Ledger, Ring: w.Ring, Log: w.Log, Company: company})
	leave, _ := company.Join(t.Context(), false)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	w.Waits(w.RunContext(ctx, h, w.task))
	w.calls("")
	if rec := w.state(order.Accepted, "", 0); rec.Abandoned != 2 || rec.Runner != "" {
		t.Errorf("abandoned %d times, held by %q", rec.Abandoned, rec.Runner)
	}
	leave()
	w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundPending), func(context.Context) {
		ended, end := context.WithCancel(t.Context())
		end()
		if _, ok := company.Join(ended, false); ok {
			t.Error("another one works beside it")
		}
	})
	w.Waits(w.Run(h, w.task))
	if rec := w.state(order.Accepted, "", 1); rec.Abandoned != 0 || rec.Crashes != 0 || rec.Runner != "" {
		t.Errorf("abandoned %d times, %d crashes, held by %q", rec.Abandoned, rec.Crashes, rec.Runner)
	}
}

// A poll that was held back is none, and nobody died in it.
func TestAHeldPollGivesItsClaimBack(t *testing.T) {
	each(t, func(w *world) {
		w.provider.AnswerLookUp(providers.Finding{State: providers.Unclear, Outcome: providers.Outcome{Kind: providers.Held, Code: "held", RetryAfter: time.Minute}})
		w.Waits(w.run())
		if rec := w.state(order.Accepted, "", 0); rec.Runner != "" {
			w.T.Errorf("held by %q", rec.Runner)
		}
		w.Clock.Advance(time.Hour)
		w.pending()
		if rec := w.Record(ref); rec.Abandoned != 0 {
			w.T.Errorf("abandoned %d times", rec.Abandoned)
		}
	})
}
