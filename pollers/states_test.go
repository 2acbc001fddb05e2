package pollers_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"

	"issuance/internal/fakeprovider"
	"issuance/internal/handler"
	"issuance/internal/handlertest"
	"issuance/internal/keys"
	"issuance/pollers"
	"issuance/providers"
	"issuance/tasks/order"
)

func TestAnAnswerIsNotAppliedToAnOrderThatHasChangedMeanwhile(t *testing.T) {
	for name, answer := range map[string]providers.Finding{
		"pending": fakeprovider.Known(providers.FoundPending), "failed": fakeprovider.Known(providers.FoundFailed), "unclear": fakeprovider.Known(providers.Unclear),
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(w *world) {
				w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
				slow := fakeprovider.New(w.T, ref.Account.Provider) // the poll whose answer comes late
				slow.AnswerLookUp(answer, func(context.Context) {
					w.Waits(w.run()) // one asks at a time
					w.Clock.Advance(handler.Lease)
					w.Done(w.run())
				})
				h := pollers.New(pollers.Config{Provider: slow, Ledger: w.Ledger, Ring: w.Ring, Log: w.Log})
				w.Done(w.Run(h, w.task))
				w.state(order.Issued, "", 1)
			})
		})
	}
}

func TestAnOrderThatIsNotAcceptedIsLeftAlone(t *testing.T) {
	for _, s := range []order.State{order.Queued, order.Submitting, order.Failed, order.Cancelled, order.Review, order.Issued} {
		w := newWorld(handlertest.Mini(t), s)
		w.Done(w.run())
		w.calls("")
		if rec := w.Record(ref); rec.State != s || rec.Polls != 0 {
			t.Errorf("the order is %s after %d polls, it was %s", rec.State, rec.Polls, s)
		}
	}
}

func TestAFinishedOrderWithoutItsEventGetsIt(t *testing.T) {
	w := newWorld(handlertest.Mini(t), order.Issued)
	if err := w.RDB.HDel(t.Context(), keys.Record(ref), "event").Err(); err != nil {
		t.Fatal(err)
	}
	if err := w.RDB.Del(t.Context(), keys.Events).Err(); err != nil {
		t.Fatal(err)
	}
	w.Done(w.run())
	if diff := cmp.Diff([]string{"ecticket:2000132/ORDER1/issued/1"}, w.Events()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// Who can merely write to the queue must not have anything asked, nor leave anything behind.
func TestAPollWithoutARecordAsksNobodyRaisesAnAlarmAndWritesNothing(t *testing.T) {
	each(t, func(w *world) {
		w.Forget(ref)
		before := w.Redis.Dump(w.T.Context())
		w.Done(w.run())
		w.calls("")
		if !w.Said("alarm: a task names an order or refund that the ledger does not know") {
			w.T.Error("no alarm was raised")
		}
		if diff := cmp.Diff(before, w.Redis.Dump(w.T.Context())); diff != "" {
			w.T.Errorf("Redis has changed:\n%s", diff)
		}
	})
}

// A poll needs no more of its payload than whose order it is.
func TestAPollOfANewerVersionIsMade(t *testing.T) {
	w := accepted(handlertest.Mini(t))
	w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
	w.Done(w.Run(w.handler(), asynq.NewTask("poll:ecticket", []byte(`{"v":9,"ref":"ecticket:2000132/ORDER1","lane":{"of":"the future"}}`))))
	w.state(order.Issued, "", 1)
}

func TestAPollOfAnotherAccountIsKeptAndRubbishIsDropped(t *testing.T) {
	w := accepted(handlertest.Mini(t))
	for payload, kept := range map[string]bool{
		`{"v":2,"ref":"pass2u:main/ORDER1"}`: true, `{"v":2,"ref":"ecticket:3085676/ORDER1"}`: true,
		`{"v":2,"ref":"ecticket:2000132/ORDER1/R1"}`: true,
		`{"v":2}`: false, "": false, `{"v":9,"ref":{"of":"the future"}}`: false,
	} {
		err := w.Run(w.handler(), asynq.NewTask("poll:ecticket", []byte(payload)))
		if kept {
			w.Waits(err)
		} else {
			w.Done(err)
		}
	}
	w.calls("")
}

func TestARecordSealedWithAMissingKeyWaitsAndADamagedOneNeedsReview(t *testing.T) {
	w := accepted(handlertest.Mini(t))
	ring := w.Ring
	w.Ring = handlertest.Ring(t, 2)
	w.Clock.Advance(25 * time.Hour)
	if after := w.Waits(w.run()); after > 10*time.Second {
		t.Errorf("waits %s for its key", after)
	}
	w.state(order.Accepted, "", 0)
	w.Ring = ring
	w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
	w.Done(w.run())
	w.state(order.Issued, "", 1)

	w = accepted(handlertest.Mini(t))
	if err := w.RDB.HSet(t.Context(), keys.Record(ref), "doc", "damaged").Err(); err != nil {
		t.Fatal(err)
	}
	w.Done(w.run())
	w.state(order.Review, "unreadable_document", 0)
	w.calls("")
}

func TestATaskThatIsCancelledInTheMiddleOfAPollLosesNoAnswer(t *testing.T) {
	each(t, func(w *world) {
		ctx, cancel := context.WithCancel(context.Background())
		w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued), func(inCall context.Context) {
			cancel()
			<-inCall.Done()
		})
		w.Done(w.RunContext(ctx, w.handler(), w.task))
		w.state(order.Issued, "", 1)
	})
}

func TestNoTicketAndNoCustomersDataIsLoggedReturnedOrStoredInTheClear(t *testing.T) {
	each(t, func(w *world) {
		w.provider.NeedTickets(1)
		w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
		w.provider.AnswerTickets([]providers.Ticket{{TicketNo: handlertest.TicketNo, WriteOffNo: handlertest.WriteOffNo}}, fakeprovider.Yes)
		w.Done(w.run())
		for _, text := range []string{`"msg":"asked"`, "fetched the tickets", `"msg":"final"`} {
			if !w.Said(text) {
				w.T.Errorf("%q was not said", text)
			}
		}
		if leaks := w.Leaks(); len(leaks) != 0 {
			w.T.Errorf("secrets in %v", leaks)
		}
	})
}
