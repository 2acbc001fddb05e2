package pollers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/internal/keys"
	"issuance/providers"
	"issuance/tasks/order"
)

func TestARecordOfANewerVersionIsNotPolled(t *testing.T) {
	each(t, func(w *world) {
		if err := w.RDB.HSet(w.T.Context(), keys.Record(ref), "v", "3").Err(); err != nil {
			w.T.Fatal(err)
		}
		before := w.Redis.Dump(w.T.Context())
		if after := w.Waits(w.run()); after != time.Minute {
			w.T.Errorf("waits %s", after)
		}
		w.calls("")
		if !w.Said("alarm: the record was written by a newer version") {
			w.T.Error("no alarm was raised")
		}
		if diff := cmp.Diff(before, w.Redis.Dump(w.T.Context())); diff != "" {
			w.T.Errorf("Redis has changed:\n%s", diff)
		}
	})
}

// The other host would answer that it does not know the order.
func TestAnOrderAtAnotherHostIsNotPolled(t *testing.T) {
	each(t, func(w *world) {
		w.provider.SetHost("stage.invalid")
		w.Clock.Advance(25 * time.Hour) // nor given up
		for range 2 {
			if after := w.Waits(w.run()); after != time.Minute {
				w.T.Errorf("waits %s", after)
			}
		}
		w.calls("")
		w.state(order.Accepted, "", 0)
		if !w.Said("alarm: an earlier request of this record went to another host") {
			w.T.Error("no alarm was raised")
		}
		w.provider.SetHost(fakeprovider.Host)
		w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
		w.Done(w.run())
		w.state(order.Issued, "", 1)
	})
}

// Nor is one that was made with another key, until that has shown an order of the earlier one: with a new key of the same account
// the follow-up goes on by itself.
func TestAnOrderOfAnotherCredentialIsPolledOnceThatIsTheSameAccounts(t *testing.T) {
	each(t, func(w *world) {
		w.provider.SetCredential("bbbbbb") // the order was sent without one
		if after := w.Waits(w.run()); after != time.Minute {
			w.T.Errorf("waits %s", after)
		}
		w.calls("")
		w.state(order.Accepted, "", 0)
		if !w.Said("alarm: an earlier request of this record was made with another key") {
			w.T.Error("no alarm was raised")
		}
		w.OrderIn(order.Issued, strings.Replace(document, "ORDER1", "EARLIER", 1))
		shown := fakeprovider.Known(providers.FoundIssued)
		shown.Result = &providers.Result{Ref: "REF1"} // as OrderIn has it
		w.provider.AnswerLookUp(shown)
		w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
		w.Done(w.run())
		if rec := w.Record(ref); rec.State != order.Issued {
			w.T.Errorf("%s (%s)", rec.State, rec.Reason.Message)
		}
	})
}

func TestAnErasedOrderThatTheProviderHasAcceptedIsFollowedUpByItsStub(t *testing.T) {
	each(t, func(w *world) {
		e, err := w.Ledger.Erase(w.T.Context(), ref, "op")
		if err != nil || !e.Applied || w.Record(ref).Document != "" {
			w.T.Fatalf("erase: %+v, %v", e, err)
		}
		w.pending()
		w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
		w.Done(w.run())
		w.state(order.Issued, "", 2)
		for _, c := range w.provider.Calls() {
			if c.Order.ID != ref.OrderID || string(c.Order.Request) != string(w.Record(ref).Stub) || len(c.Order.Request) == 0 || c.Order.Ref != "REF1" {
				w.T.Errorf("the provider was asked for order %q (%s) by %q", c.Order.ID, c.Order.Ref, c.Order.Request)
			}
		}
	})
}

func TestAnOrderWithoutDocumentAndStubNeedsReview(t *testing.T) {
	w := accepted(handlertest.Mini(t))
	if err := w.RDB.HDel(t.Context(), keys.Record(ref), "doc", "stub").Err(); err != nil {
		t.Fatal(err)
	}
	w.Done(w.run())
	w.state(order.Review, "unreadable_document", 0)
	w.calls("")
}
