package issuing_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/fakeprovider"
	"issuance/internal/ledger"
	"issuance/internal/testbench"
	"issuance/providers"
	"issuance/tasks"
	"issuance/tasks/issue"
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
			rec := w.state(ledger.Review, "invalid_document")
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
	w.state(ledger.Issued, "")
}

func TestAnotherMerchantsDocumentIsNotSent(t *testing.T) {
	w := mini(t)
	w.Unqueue(key.Provider, key.OrderID)
	w.task = w.Enqueue(strings.Replace(document, `{"Merch`, `{"MerchantID":"7777777","Merch`, 1))
	c := w.config("w")
	c.Rules.MerchantID = "3085676"
	w.Done(w.Run(issue.New(c), w.task))
	w.state(ledger.Review, "invalid_document")
	w.calls("")
}

// altered is the task with its payload changed.
func (w *world) altered(change func(p map[string]any)) *asynq.Task {
	w.T.Helper()
	var p map[string]any
	if err := json.Unmarshal(w.task.Payload(), &p); err != nil {
		w.T.Fatal(err)
	}
	change(p)
	raw, err := json.Marshal(p)
	if err != nil {
		w.T.Fatal(err)
	}
	return asynq.NewTask(w.task.Type(), raw)
}

func TestAPayloadOfANewerVersionWaitsForANewerWorkerAndThenForAPerson(t *testing.T) {
	each(t, func(w *world) {
		w.task = w.altered(func(p map[string]any) { p["v"], p["document"], p["shape"] = 2, map[string]any{"new": true}, "new" })
		w.Waits(w.run())
		w.Clock.Advance(tasks.UpgradePatience - time.Millisecond)
		w.Waits(w.run())
		if _, err := w.Ledger.Load(w.T.Context(), key); !errors.Is(err, ledger.ErrNotFound) {
			w.T.Errorf("an old worker made a record of it: %v", err)
		}
		w.Clock.Advance(time.Millisecond)
		w.Done(w.run())
		w.state(ledger.Review, "newer_payload")
		w.calls("")
		w.Done(w.run())
	})
}

func TestAForeignPayloadIsDropped(t *testing.T) {
	w := mini(t)
	for _, payload := range []string{"", "hello", "{}", `{"v":1}`, `{"v":1,"provider":"nobody","order_id":"X"}`, `{"v":1,"provider":"ecticket"}`, `[1]`,
		`{"v":2,"order_id":"ORDER1"}`, `{"order_id":"` + testbench.CustomerEmail + `"}`} {
		w.Done(w.Run(w.worker("w"), asynq.NewTask("issue:ecticket", []byte(payload))))
	}
	if !w.Said("alarm: a task of this queue holds a payload that is not this program's") {
		t.Error("no alarm was raised")
	}
	w.calls("")
}

func TestATaskOfAnotherHandlerIsKeptAndRaisesAnAlarm(t *testing.T) {
	w := mini(t)
	refund := w.EnqueueRefund(`{"provider":"ecticket","refund_id":"R1","request":{"MerchantTradeNo":"ORDER1","all":true}}`)
	pass2u := w.Enqueue(`{"provider":"pass2u","request":{"productSaleId":"S1","channelOrderId":"ORDER1","quantity":1,"pickupType":"order"}}`)
	for _, task := range []*asynq.Task{refund, pass2u} {
		w.Waits(w.Run(w.worker("w"), task))
	}
	w.calls("")
	for _, p := range providers.All() {
		if _, err := w.Ledger.Load(t.Context(), ledger.Key{Provider: p, OrderID: "ORDER1"}); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("a record was made of it: %v", err)
		}
	}
	if !w.Said("alarm: a task came to a handler that is not for it") {
		t.Error("no alarm was raised")
	}
}

func TestADocumentSealedWithAMissingKeyWaitsUntilTheKeyIsThere(t *testing.T) {
	each(t, func(w *world) {
		w.Unqueue(key.Provider, key.OrderID)
		w.task = w.EnqueueSealedWith(2, document)
		w.Waits(w.run())
		w.Waits(w.run())
		w.calls("")
		if !w.Said("alarm: the order's document cannot be opened") {
			w.T.Error("no alarm was raised")
		}
		w.Ring = testbench.Ring(w.T, 1, 2)
		w.provider.AnswerIssue(providers.Outcome{Kind: providers.Done, Result: result()})
		w.Done(w.run())
		w.state(ledger.Issued, "")
		if got := w.opened(); got.Ref != "REF1" {
			w.T.Error("the result cannot be read")
		}
	})
}

func TestADamagedDocumentGoesToAPerson(t *testing.T) {
	for name, change := range map[string]func(p map[string]any){
		"cut short":        func(p map[string]any) { p["document"] = p["document"].(string)[:40] },
		"another order's":  func(p map[string]any) { p["order_id"] = "ORDER2" },
		"missing":          func(p map[string]any) { delete(p, "document") },
		"a later format's": func(p map[string]any) { p["document"] = "s9" + p["document"].(string)[2:] },
	} {
		t.Run(name, func(t *testing.T) {
			w := mini(t)
			w.task = w.altered(change)
			w.Done(w.run())
			p, err := tasks.DecodePayload(w.task.Payload())
			if err != nil {
				t.Fatal(err)
			}
			if rec := w.Order(p.Key()); rec.State != ledger.Review || rec.Reason.Code != "unreadable_document" {
				t.Errorf("the order is %s (%s)", rec.State, rec.Reason.Code)
			}
			w.calls("")
			w.Done(w.run())
		})
	}
}

func TestADamagedCopyOfATaskChangesNothing(t *testing.T) {
	w := mini(t)
	good, bad := w.task, w.altered(func(p map[string]any) { p["document"] = "s1.x.y" })
	w.provider.AnswerIssue(providers.Outcome{Kind: providers.Accepted})
	w.task = good
	w.Done(w.run())
	w.task = bad
	w.Done(w.run())
	w.state(ledger.Accepted, "")
}

func TestAnotherDocumentUnderTheSameNumberIsDropped(t *testing.T) {
	each(t, func(w *world) {
		first := w.task
		w.Unqueue(key.Provider, key.OrderID)
		second := w.Enqueue(other)
		w.provider.AnswerIssue(fakeprovider.Unreached)
		w.Waits(w.Run(w.worker("w"), first))
		before := w.Redis.Dump(w.T.Context())[`issuance:{ecticket:ORDER1}:order`]
		w.Done(w.Run(w.worker("w"), second))
		if after := w.Redis.Dump(w.T.Context())[`issuance:{ecticket:ORDER1}:order`]; after != before {
			w.T.Error("the record has changed")
		}
		w.calls("issue")
		if !w.Said("another document is enqueued under this number already") {
			w.T.Error("nothing was logged")
		}
	})
}

func TestTheSameDocumentSealedWithAnotherKeyIsTheSameOrder(t *testing.T) {
	each(t, func(w *world) {
		w.provider.AnswerIssue(fakeprovider.Unreached)
		w.Waits(w.run())
		w.Unqueue(key.Provider, key.OrderID)
		// The sealing key was changed in between; the ring opens both.
		w.task = w.rotated()
		w.Ring = testbench.Ring(w.T, 2, 1)
		w.provider.AnswerIssue(providers.Outcome{Kind: providers.Accepted})
		w.Done(w.run())
		w.state(ledger.Accepted, "")
		w.calls("issue, issue")
	})
}

// rotated is the same order, enqueued by a producer that seals with key 2.
func (w *world) rotated() (task *asynq.Task) {
	w.T.Helper()
	w.Without("issuance:{ecticket:ORDER1}:order", func() { task = w.EnqueueSealedWith(2, document) })
	return task
}

func TestARecordOfAMissingKeyIsNotTakenForAnotherDocuments(t *testing.T) {
	w := mini(t)
	w.provider.AnswerIssue(fakeprovider.Unreached)
	w.Waits(w.run())
	w.Unqueue(key.Provider, key.OrderID)
	w.task = w.rotated()
	w.Ring = testbench.Ring(t, 2)
	w.Waits(w.run())
	w.calls("issue")
	w.Ring = testbench.Ring(t, 2, 1)
	w.provider.AnswerIssue(providers.Outcome{Kind: providers.Accepted})
	w.Done(w.run())
	w.state(ledger.Accepted, "")
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
		w.state(ledger.Issued, "")
		for _, text := range []string{"issue answered", "looked up", `"msg":"final"`, "returned: in doubt", "ORDER1"} {
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
