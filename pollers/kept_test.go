package pollers_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/internal/keys"
	"issuance/pollers"
	"issuance/providers"
	"issuance/tasks/order"
)

// woken is a queue that notes whom it was asked to run.
type woken struct{ list []string }

func (*woken) Schedule(context.Context, order.Ref, time.Duration) error { return nil }

func (q *woken) RunNow(_ context.Context, r order.Ref) error {
	q.list = append(q.list, r.OrderID)
	return nil
}

// withSibling is the accepted order of three tickets, which is the sentinel, and one that was accepted before its last poll.
func withSibling(t *testing.T) (w *world, q *woken, run func() error) {
	t.Helper()
	w, q = accepted(handlertest.Mini(t)), &woken{}
	w.provider.NeedTickets(3)
	sentinel := pollers.NewSentinel(w.RDB, ref.Account, pollers.SentinelConfig{Now: w.Clock.Now})
	h := pollers.New(pollers.Config{Provider: w.provider, Ledger: w.Ledger, Ring: w.Ring, Log: w.Log,
		Follower: pollers.NewFollower(w.RDB, pollers.Schedule{}, pollers.FollowerOptions{Sentinel: sentinel, Queue: q})})
	run = func() error { return w.Run(h, w.task) }
	for _, id := range []string{ref.OrderID, "SIBLING"} {
		if _, err := sentinel.Enter(t.Context(), id, w.Clock.Now()); err != nil {
			t.Fatal(err)
		}
	}
	w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundPending))
	w.Clock.Advance(w.Waits(run()))
	return w, q, run
}

// The provider says that it has issued the order, and what it lists is of no use: the job that issued it issued others, too.
func TestAnIssuedOrderWithoutItsTicketsHoldsNobodyUp(t *testing.T) {
	incomplete := providers.Outcome{Kind: providers.Unknown, Code: "incomplete", Message: "2 of 3 tickets are listed"}
	for name, answer := range map[string]func(w *world){
		"no list":         func(w *world) { w.provider.AnswerTickets(nil, fakeprovider.Refused) },
		"a list with gap": func(w *world) { w.provider.AnswerTickets(nil, incomplete) },
		"too few tickets": func(w *world) { w.provider.AnswerTickets(make([]providers.Ticket, 2), fakeprovider.Yes) },
	} {
		t.Run(name, func(t *testing.T) {
			w, q, run := withSibling(t)
			var waits []time.Duration
			for range 6 {
				w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
				answer(w)
				waits = append(waits, w.Waits(run()))
				w.Clock.Advance(waits[len(waits)-1])
			}
			if !slices.Equal(q.list[:1], []string{"SIBLING"}) {
				t.Errorf("woken are %v", q.list)
			}
			if waits[0] > 5*time.Second || waits[5] < 2*waits[0] || waits[5] > time.Minute || !slices.IsSorted(waits) {
				t.Errorf("it is asked for after %v", waits)
			}
			w.state(order.Accepted, w.Record(ref).Reason.Code, 7)
		})
	}
}

// What a person reads of it says that it is issued.
func TestAnIssuedOrderWhoseTicketsNeverCameIsReviewedAsIssued(t *testing.T) {
	w := accepted(handlertest.Mini(t))
	w.provider.NeedTickets(3)
	w.Clock.Advance(25 * time.Hour)
	w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
	w.provider.AnswerTickets(make([]providers.Ticket, 2), fakeprovider.Yes)
	w.Done(w.run())
	if rec := w.state(order.Review, "overdue", 1); !strings.Contains(rec.Reason.Message, "says that it has issued this order") {
		t.Errorf("the message is %q", rec.Reason.Message)
	}
}

// The provider is 10 s behind: once it knows the order, that one is asked for every few seconds like any other.
func TestAnOrderThatWasNotKnownOnceIsAskedForAgainWithinSeconds(t *testing.T) {
	w, _, run := withSibling(t)
	for _, s := range []providers.FindingState{providers.Absent, providers.Absent, providers.FoundPending, providers.FoundPending} {
		w.provider.AnswerLookUp(fakeprovider.Known(s))
		after := w.Waits(run())
		if after > 6*time.Second {
			t.Errorf("after %q it is asked for in %s", s, after)
		}
		w.Clock.Advance(after)
	}
}

// An order that is issued at once proves no job, though it was not known for a while.
func TestAnOrderIssuedAtOnceThatWasNotKnownOvertakesNobody(t *testing.T) {
	for _, atOnce := range []bool{true, false} {
		w, q, run := withSibling(t)
		w.provider.NeedTickets(0)
		w.provider.SetIssuesAtOnce(atOnce)
		w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
		w.Clock.Advance(w.Waits(run()))
		q.list = nil
		w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
		w.Done(run())
		proof, err := w.RDB.HGet(t.Context(), keys.Pending(ref.Account)+"sentinel", "proof").Result()
		if proved := err == nil && proof != ""; proved == atOnce {
			t.Errorf("issued at once: %t; that a job has run is proven: %t (%v)", atOnce, proved, err)
		}
	}
}
