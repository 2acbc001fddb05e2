package refunding_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks"
	"issuance/tasks/order"
)

// altered is a task with its payload changed.
func (w *world) altered(task *asynq.Task, change func(p map[string]any)) *asynq.Task {
	w.T.Helper()
	var p map[string]any
	if err := json.Unmarshal(task.Payload(), &p); err != nil {
		w.T.Fatal(err)
	}
	change(p)
	raw, err := json.Marshal(p)
	if err != nil {
		w.T.Fatal(err)
	}
	return asynq.NewTask(task.Type(), raw)
}

// The record says everything that counts, and a task only names it.
func TestATaskOfANewerVersionIsWorkedOnBecauseItNamesARecord(t *testing.T) {
	w := ecticket(handlertest.Mini(t))
	task := w.altered(w.refundOf("R1", named(1)), func(p map[string]any) { p["v"] = 3; p["new"] = []int{1} })
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.Refunded, "", 1)
}

func TestARecordOfANewerVersionWaitsForANewerWorker(t *testing.T) {
	w := ecticket(handlertest.Mini(t))
	task := w.refundOf("R1", named(1))
	w.set(w.ref("R1"), "v", "3")
	w.Clock.Advance(24 * time.Hour)
	w.Waits(w.run(task))
	w.free()
	w.calls("")
	if !w.Said("alarm: the record was written by a newer version") {
		t.Error("no alarm was raised")
	}
	w.set(w.ref("R1"), "v", "2")
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.Refunded, "", 1)
}

// set changes a field of a record behind the ledger's back.
func (w *world) set(r order.Ref, field, value string) {
	w.T.Helper()
	if err := w.RDB.HSet(context.Background(), keys.Record(r), field, value).Err(); err != nil {
		w.T.Fatal(err)
	}
}

func TestAPayloadThatIsNotThisProgramsIsDropped(t *testing.T) {
	w := ecticket(handlertest.Mini(t))
	for _, payload := range []string{"", "{}", `{"v":1}`, `{"v":2,"account":"ecticket:2000132"}`, `{"v":2,"account":"ecticket","order_id":"ORDER1","refund_id":"R1"}`,
		`{"v":3,"account":"ecticket:2000132","refund_id":"R1"}`} {
		w.Done(w.run(asynq.NewTask("refund:ecticket", []byte(payload))))
	}
	w.calls("")
	if !w.Said("alarm: a task holds a payload that is not this program's") {
		t.Error("no alarm was raised")
	}
}

func TestATaskOfAnotherHandlerIsKept(t *testing.T) {
	w := ecticket(handlertest.Mini(t))
	issue := w.Enqueue(strings.ReplaceAll(ecticketOrder, "ORDER1", "ORDER2"))
	other := order.Ref{Account: providers.Account{Provider: providers.ECTicket, Merchant: "1111111"}, OrderID: "ORDER1", RefundID: "R1"}
	for _, task := range []*asynq.Task{issue, w.Task(other), w.countOf("R1", `"all":true`)} {
		w.Waits(w.run(task))
	}
	w.calls("")
	if !w.Said("alarm: a task came to a handler that is not for it") {
		t.Error("no alarm was raised")
	}
}

// Who can merely write to the queue refunds nothing.
func TestATaskWithoutARecordIsDropped(t *testing.T) {
	handlertest.Each(t, func(b *handlertest.Bench) {
		w := ecticket(b)
		w.Done(w.run(w.Task(w.ref("R1"))))
		w.isGone("R1")
		w.calls("")
	})
}

func TestAReplayedTaskWhoseRefundRecordWasDeletedCallsNobody(t *testing.T) {
	handlertest.Each(t, func(b *handlertest.Bench) {
		w := ecticket(b)
		task := w.refundOf("R1", named(1))
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		w.provider.AnswerRefundTicket(fakeprovider.Yes)
		w.Done(w.run(task))
		w.state(order.Refunded, "", 1)
		w.Forget(w.ref("R1"))
		w.quiet(task)
		w.isGone("R1")
	})
	t.Run("by number", func(t *testing.T) {
		w := refundOne(handlertest.Mini(t))
		w.Forget(w.ref("R1"))
		w.quiet(w.Task(w.ref("R1")))
		w.isGone("R1")
	})
}

// isGone expects that a refund has no record and that this was reported.
func (w *world) isGone(id string) {
	w.T.Helper()
	if _, err := w.Ledger.Load(context.Background(), w.ref(id)); !errors.Is(err, ledger.ErrNotFound) {
		w.T.Errorf("the record is there: %v", err)
	}
	w.free()
	if !w.Said("alarm: a task names an order or refund that the ledger does not know") {
		w.T.Error("no alarm was raised")
	}
}

// waitsForKey expects the refund to wait, and not for long: the key may be there at any moment.
func waitsForKey(w *world, task *asynq.Task) {
	w.T.Helper()
	if after := w.Waits(w.run(task)); after > 10*time.Second {
		w.T.Errorf("waits %s for its key", after)
	}
}

func TestASealedRefundWaitsForItsKey(t *testing.T) {
	w := ecticket(handlertest.Mini(t))
	task := w.refundOf("R1", named(1))
	ring := w.Ring
	w.Ring = handlertest.Ring(t, 2)
	waitsForKey(w, task)
	w.state(order.Queued, "seal_key", 0)
	w.free() // the order's other refunds need not wait for the key
	w.calls("")
	w.Ring = ring

	// The plan is sealed with the newest key; a worker that does not have it yet waits as well.
	w.Ring = handlertest.Ring(t, 2, 1)
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.gate.Refuse(&providers.HeldError{RetryAfter: time.Second})
	w.Waits(w.run(task))
	w.gate.Refuse(nil)
	w.Ring = ring
	waitsForKey(w, task)
	w.state(order.Queued, "seal_key", 0)
	w.calls("tickets")

	w.Ring = handlertest.Ring(t, 2, 1)
	w.provider.AnswerRefundTicket(fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.Refunded, "", 1)
}

func TestAnotherRefundsPlanWaitsForItsKeyToo(t *testing.T) {
	w := ecticket(handlertest.Mini(t))
	ring := w.Ring
	w.Ring = handlertest.Ring(t, 2, 1)
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Yes)
	w.Done(w.run(w.refundOf("R2", named(1))))
	w.Ring = ring
	task := w.refundOf("R1", `"all":true`)
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.Waits(w.run(task))
	w.state(order.Queued, "seal_key", 0)
}

func TestAnOrderSealedWithAMissingKeyIsWaitedFor(t *testing.T) {
	w := newWorld(handlertest.Mini(t), handlertest.ECTicket)
	w.OrderIn(order.Issued, ecticketOrder)
	w.set(w.order(), "doc", sealedWith(t, 3))
	task := w.refundOf("R1", `"all":true`)
	waitsForKey(w, task)
	w.state(order.Queued, "seal_key", 0)
	w.free()
	w.set(w.order(), "doc", "damaged")
	w.Done(w.run(task))
	w.state(order.Review, "unreadable_document", 0)
	w.calls("")
}

func sealedWith(t *testing.T, key int) string {
	t.Helper()
	s, err := handlertest.Ring(t, key).Seal([]byte("{}"), "ecticket:2000132/ORDER1/document")
	if err != nil {
		t.Fatal(err)
	}
	return string(s)
}

func TestWhatCannotBeReadNeedsReview(t *testing.T) {
	t.Run("the document", func(t *testing.T) {
		w := ecticket(handlertest.Mini(t))
		task := w.refundOf("R1", `"all":true`)
		w.refundOf("R9", `"all":true`)
		w.set(w.ref("R1"), "doc", string(w.Record(w.ref("R9")).Document)) // another refund's
		w.Done(w.run(task))
		w.state(order.Review, "unreadable_document", 0)
		w.quiet(task)
	})
	t.Run("the plan", func(t *testing.T) {
		w := ecticket(handlertest.Mini(t))
		task := w.refundOf("R1", named(1))
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		w.provider.AnswerRefundTicket(fakeprovider.Lost)
		w.Waits(w.run(task))
		w.set(w.ref("R1"), "plan", "damaged")
		w.Done(w.run(task))
		w.state(order.Review, "unreadable_plan", 0)
	})
	t.Run("the plan of a refund by number", func(t *testing.T) {
		w, task := countInDoubt(handlertest.Mini(t), "voucher", `"quantity":2`, shows(4, 0))
		w.set(w.ref("R1"), "plan", "damaged")
		w.Done(w.run(task))
		w.state(order.Review, "unreadable_plan", 0)
		w.provider.Forget()
	})
}

func TestAnotherDocumentUnderTheSameRefundIDIsRefusedAndTheFirstGoesOn(t *testing.T) {
	handlertest.Each(t, func(b *handlertest.Bench) {
		w := ecticket(b)
		task := w.refundOf("R1", named(1))
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		w.provider.AnswerRefundTicket(fakeprovider.Unreached)
		w.Waits(w.run(task))
		_, err := w.Client().EnqueueRefund(context.Background(), []byte(`{"provider":"ecticket","refund_id":"R1","request":{"MerchantTradeNo":"ORDER1",`+named(2)+`}}`))
		var conflict *tasks.ConflictError
		if !errors.As(err, &conflict) {
			w.T.Errorf("the second document was answered %v", err)
		}
		w.provider.AnswerRefundTicket(fakeprovider.Yes)
		w.Done(w.run(task))
		w.state(order.Refunded, "", 1)
		w.calls(sequence("tickets, refund_ticket T1, refund_ticket T1, tickets"))
	})
}

func TestAFinishedRefundWithoutItsEventGetsIt(t *testing.T) {
	w := ecticket(handlertest.Mini(t))
	task := w.refundOf("R1", named(1))
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Yes)
	w.Done(w.run(task))
	// A worker died between the final status and its event.
	err := errors.Join(w.RDB.HDel(t.Context(), keys.Record(w.ref("R1")), "event").Err(), w.RDB.Del(t.Context(), keys.Events).Err())
	if err != nil {
		t.Fatal(err)
	}
	w.provider.Forget()
	w.Done(w.run(task))
	w.state(order.Refunded, "", 1)
	w.calls("")
}

// Every test of this package ends with the same look at what was logged, returned and stored; this
// one makes sure that there was something to look at.
func TestNoTicketNumberAndNoCustomersDataIsLoggedReturnedOrStoredInTheClear(t *testing.T) {
	handlertest.Each(t, func(b *handlertest.Bench) {
		w, task := inDoubt(b)
		w.provider.AnswerStatus(w.status(providers.Refunded, merchant), fakeprovider.Yes)
		w.provider.AnswerTickets(list(providers.Refunded, providers.Refunded), fakeprovider.Yes)
		w.Done(w.run(task))
		w.state(order.Refunded, "", 2)
		for _, text := range []string{`"msg":"answered"`, "asked for a ticket in doubt", `"msg":"final"`, "returned: waiting for a ticket"} {
			if !w.Said(text) {
				w.T.Errorf("%q was not said", text)
			}
		}
		if leaks := w.Leaks(); len(leaks) != 0 {
			w.T.Errorf("secrets in %v", leaks)
		}
	})
}
