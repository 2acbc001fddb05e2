package issuing_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/internal/issuing"
	"issuance/internal/keys"
	"issuance/providers"
	"issuance/tasks"
	"issuance/tasks/order"
)

func TestADocumentWhoseDateHasPassedIsNotSent(t *testing.T) {
	for name, before := range map[string]func(w *world){
		"while it waited in the queue": func(*world) {},
		"while the provider could not be reached": func(w *world) {
			w.provider.AnswerIssue(fakeprovider.Unreached)
			w.Waits(w.run())
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := mini(t)
			before(w)
			calls := w.provider.Sequence()
			w.Clock.Advance(14*time.Hour - time.Second) // 23:59:59 in Taiwan
			w.gate.Refuse(&providers.HeldError{RetryAfter: time.Second})
			w.Waits(w.run())
			w.gate.Refuse(nil)
			w.Clock.Advance(time.Second)
			w.Done(w.run())
			rec := w.state(order.Failed, "invalid_document")
			if !strings.Contains(rec.Reason.Message, "request.TicketInfo[0].StartDate") {
				t.Errorf("the reason does not name the field: %s", rec.Reason.Message)
			}
			w.calls(calls)
			w.quiet()
		})
	}
}

// A request in doubt is another matter: the provider may have taken it while its date was good.
func TestADocumentInDoubtIsLookedUpWhateverItsDate(t *testing.T) {
	w := mini(t)
	inDoubt(w)
	w.Clock.Advance(14 * time.Hour)
	w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
	w.Done(w.run())
	w.state(order.Issued, "")
}

func TestAnotherMerchantsDocumentIsNotSent(t *testing.T) {
	w := mini(t)
	w.document(ours)
	w.Done(w.Run(w.anotherMerchants(), w.task))
	w.state(order.Failed, "invalid_document")
	w.calls("")
}

// ours is the document with its merchant in it.
var ours = strings.Replace(document, `{"Merch`, `{"MerchantID":"2000132","Merch`, 1)

// anotherMerchants is a worker whose rules are those of another merchant.
func (w *world) anotherMerchants() *issuing.Handler {
	c := w.config("w")
	c.Rules = func() providers.Rules { return providers.Rules{Merchant: "3085676", Now: w.Clock.Now()} }
	return w.configured(c)
}

// What a task carries besides the name of its record decides nothing, whoever wrote it.
func TestATaskOfANewerVersionWakesItsRecordLikeAnyOther(t *testing.T) {
	each(t, func(w *world) {
		w.task = asynq.NewTask(w.task.Type(), []byte(`{"v":9,"ref":"ecticket:2000132/ORDER1","document":{"new":true},"lane":7}`))
		w.provider.AnswerIssue(providers.Outcome{Kind: providers.Done, Result: result()})
		w.Done(w.run())
		w.state(order.Issued, "")
	})
}

func TestAPayloadThatIsNotThisProgramsIsDropped(t *testing.T) {
	w := mini(t)
	before := w.Redis.Dump(t.Context())
	for _, payload := range []string{"", "hello", "{}", `[1]`, `{"v":2}`, `{"v":2,"ref":"nobody/ORDER1"}`, `{"v":2,"ref":"ecticket:2000132"}`, `{"v":2,"ref":"ORDER1"}`,
		`{"v":1,"provider":"ecticket","order_id":"ORDER1"}`, `{"v":1,"ref":"ecticket:2000132/ORDER1"}`,
		`{"v":9,"order_id":"ORDER1"}`, `{"v":9,"ref":{"of":"the future"}}`,
		`{"order_id":"` + handlertest.CustomerEmail + `"}`} {
		w.Done(w.Run(w.worker("w"), asynq.NewTask("issue:ecticket", []byte(payload))))
	}
	if !w.Said("alarm: a task holds a payload that is not this program's") {
		t.Error("no alarm was raised")
	}
	w.calls("")
	if diff := cmp.Diff(before, w.Redis.Dump(t.Context())); diff != "" {
		t.Errorf("Redis has changed:\n%s", diff)
	}
}

func TestATaskOfAnotherHandlerIsKeptAndRaisesAnAlarm(t *testing.T) {
	w := mini(t)
	refund := w.EnqueueRefund(`{"provider":"ecticket","refund_id":"R1","request":{"MerchantTradeNo":"ORDER1","all":true}}`)
	pass2u := w.Enqueue(`{"provider":"pass2u","request":{"productSaleId":"S1","channelOrderId":"ORDER1","quantity":1,"pickupType":"order"}}`)
	for _, task := range []*asynq.Task{refund, pass2u} {
		w.Waits(w.Run(w.worker("w"), task))
	}
	w.calls("")
	for _, r := range []order.Ref{ref.Refund("R1"), {Account: handlertest.Pass2U, OrderID: "ORDER1"}} {
		if rec := w.Record(r); rec.State != order.Queued || rec.Fence != "" {
			t.Errorf("%s is %s, and was claimed (fence %q)", r, rec.State, rec.Fence)
		}
	}
	if !w.Said("alarm: a task came to a handler that is not for it") {
		t.Error("no alarm was raised")
	}
}

func TestADocumentSealedWithAMissingKeyWaitsUntilTheKeyIsThere(t *testing.T) {
	each(t, func(w *world) {
		w.Forget(ref)
		w.task = w.EnqueueSealedWith(2, document)
		for range 2 { // not for long: the key may be there at any moment
			if after := w.Waits(w.run()); after > 10*time.Second {
				w.T.Errorf("waits %s", after)
			}
		}
		w.calls("")
		w.state(order.Queued, "seal_key")
		if !w.Said("alarm: the document cannot be opened") {
			w.T.Error("no alarm was raised")
		}
		w.Ring = handlertest.Ring(w.T, 1, 2)
		w.provider.AnswerIssue(providers.Outcome{Kind: providers.Done, Result: result()})
		w.Done(w.run())
		w.state(order.Issued, "")
		if got := w.opened(); got.Ref != "REF1" {
			w.T.Error("the result cannot be read")
		}
	})
}

func TestADamagedDocumentNeedsReview(t *testing.T) {
	for name, change := range map[string]func(w *world, doc string) string{
		"cut short":        func(_ *world, doc string) string { return doc[:40] },
		"missing":          func(*world, string) string { return "" },
		"a later format's": func(_ *world, doc string) string { return "s9" + doc[2:] },
		"another order's": func(w *world, _ string) string {
			w.Enqueue(strings.Replace(document, "ORDER1", "ORDER2", 1))
			return string(w.Record(order.Ref{Account: ref.Account, OrderID: "ORDER2"}).Document)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := mini(t)
			w.set("doc", change(w, string(w.record().Document)))
			w.Done(w.run())
			w.state(order.Review, "unreadable_document")
			w.calls("")
			w.quiet()
		})
	}
}

// set changes a field of the order's record, past the ledger.
func (w *world) set(field, value string) {
	w.T.Helper()
	if err := w.RDB.HSet(w.T.Context(), keys.Record(ref), field, value).Err(); err != nil {
		w.T.Fatal(err)
	}
}

// Which document stands under a number is decided when it is enqueued.
func TestTheDocumentThatCameFirstIsTheOneThatIsIssued(t *testing.T) {
	each(t, func(w *world) {
		before := w.Redis.Dump(w.T.Context())[keys.Record(ref)]
		var conflict *tasks.ConflictError
		if _, err := w.Client().Enqueue(w.T.Context(), []byte(other)); !errors.As(err, &conflict) {
			w.T.Fatalf("another document under the number is answered with %v", err)
		}
		if after := w.Redis.Dump(w.T.Context())[keys.Record(ref)]; after != before {
			w.T.Error("the record has changed")
		}
		w.provider.AnswerIssue(providers.Outcome{Kind: providers.Accepted})
		w.Done(w.run())
		w.sent(0, document)
	})
}

// sent expects call i to hold the request of an order document as it was enqueued.
func (w *world) sent(i int, doc string) {
	w.T.Helper()
	want := doc[len(`{"provider":"ecticket","request":`) : len(doc)-1]
	if o := w.provider.Calls()[i].Order; o.ID != "ORDER1" || string(o.Request) != want {
		w.T.Errorf("the provider was given another order than was enqueued (id %q, %d bytes)", o.ID, len(o.Request))
	}
}

func TestAnOrderSealedWithAnOlderKeyGoesOn(t *testing.T) {
	each(t, func(w *world) {
		w.provider.AnswerIssue(fakeprovider.Unreached)
		w.Waits(w.run())
		w.Ring = handlertest.Ring(w.T, 2) // the key was changed, and the old one was taken out too early
		w.Waits(w.run())
		w.state(order.Queued, "seal_key")
		w.calls("issue")
		w.Ring = handlertest.Ring(w.T, 2, 1)
		w.provider.AnswerIssue(providers.Outcome{Kind: providers.Accepted})
		w.Done(w.run())
		w.state(order.Accepted, "")
		w.calls("issue, issue")
	})
}

// Every test of this package ends with the same look at what was logged, returned and stored; this
// one makes sure that there was something to look at.
func TestNoCustomersDataAndNoSecretIsLoggedReturnedOrStoredInTheClear(t *testing.T) {
	each(t, func(w *world) {
		inDoubt(w)
		w.provider.AnswerLookUp(fakeprovider.Known(providers.Unclear))
		w.Waits(w.run())
		f := fakeprovider.Known(providers.FoundIssued)
		f.Result = result()
		w.provider.AnswerLookUp(f)
		w.Done(w.run())
		w.state(order.Issued, "")
		for _, text := range []string{`"msg":"answered"`, "looked up", `"msg":"final"`, "returned: in doubt", "ORDER1"} {
			if !w.Said(text) {
				w.T.Errorf("%q was not said", text)
			}
		}
		if dump := w.Redis.Dump(w.T.Context()); len(dump) < 4 {
			w.T.Errorf("Redis holds only %d keys", len(dump))
		}
		if leaks := w.Leaks(); len(leaks) != 0 {
			w.T.Errorf("secrets in %v", leaks)
		}
	})
}
