package refunding_test

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

func TestANewerPayloadWaitsForANewerWorkerAndThenForAPerson(t *testing.T) {
	w := ecticket(testbench.Mini(t))
	task := w.altered(w.refundOf("R1", `"all":true`), func(p map[string]any) { p["v"] = 2; delete(p, "document") })
	w.Clock.Advance(tasks.UpgradePatience - time.Millisecond)
	w.Waits(w.run(task))
	w.Clock.Advance(time.Millisecond)
	w.Done(w.run(task))
	w.state(ledger.Review, "newer_payload", 0)
	w.free()
	w.Done(w.run(task))
	w.calls("")
}

func TestAForeignPayloadIsDropped(t *testing.T) {
	w := ecticket(testbench.Mini(t))
	for _, payload := range []string{"", "{}", `{"v":1}`, `{"v":2,"provider":"ecticket","order_id":"ORDER1"}`} {
		w.Done(w.run(asynq.NewTask("refund:ecticket", []byte(payload))))
	}
	if !w.Said("alarm: a task of this queue holds a payload that is not this program's") {
		t.Error("no alarm was raised")
	}
}

func TestATaskOfAnotherHandlerIsKept(t *testing.T) {
	w := ecticket(testbench.Mini(t))
	issue := w.Enqueue(strings.ReplaceAll(ecticketOrder, "ORDER1", "ORDER2"))
	for _, task := range []*asynq.Task{issue, w.countOf("R1", `"all":true`)} {
		w.Waits(w.run(task))
	}
	w.calls("")
	if !w.Said("alarm: a task came to a handler that is not for it") {
		t.Error("no alarm was raised")
	}
}

func TestASealedRefundWaitsForItsKey(t *testing.T) {
	w := ecticket(testbench.Mini(t))
	task := w.refundOf("R1", named(1))
	ring := w.Ring
	w.Ring = testbench.Ring(t, 2)
	w.Waits(w.run(task))
	w.calls("")
	w.Ring = ring

	// The plan is sealed with the newest key; a worker that does not have it yet waits as well.
	w.Ring = testbench.Ring(t, 2, 1)
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.gate.Refuse(&providers.HeldError{RetryAfter: time.Second})
	w.Waits(w.run(task))
	w.gate.Refuse(nil)
	w.Ring = ring
	w.Waits(w.run(task))
	w.state(ledger.Queued, "seal_key", 0)
	w.calls("tickets")

	w.Ring = testbench.Ring(t, 2, 1)
	w.provider.AnswerRefundTicket(fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(ledger.Refunded, "", 1)
}

func TestAnotherRefundsPlanWaitsForItsKeyToo(t *testing.T) {
	w := ecticket(testbench.Mini(t))
	ring := w.Ring
	w.Ring = testbench.Ring(t, 2, 1)
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Yes)
	w.Done(w.run(w.refundOf("R2", named(1))))
	w.Ring = ring
	task := w.refundOf("R1", `"all":true`)
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.Waits(w.run(task))
	w.state(ledger.Queued, "seal_key", 0)
}

func TestAnOrderSealedWithAMissingKeyIsWaitedFor(t *testing.T) {
	w := newWorld(testbench.Mini(t), providers.ECTicket)
	w.OrderIn(ledger.Issued, ecticketOrder)
	if err := w.RDB.HSet(t.Context(), "issuance:{ecticket:ORDER1}:order", "doc", sealedWith(t, 3)).Err(); err != nil {
		t.Fatal(err)
	}
	task := w.refundOf("R1", `"all":true`)
	w.Waits(w.run(task))
	w.state(ledger.Queued, "seal_key", 0)
	w.free()
	if err := w.RDB.HSet(t.Context(), "issuance:{ecticket:ORDER1}:order", "doc", "damaged").Err(); err != nil {
		t.Fatal(err)
	}
	w.Done(w.run(task))
	w.state(ledger.Review, "unreadable_document", 0)
	w.calls("")
}

func sealedWith(t *testing.T, key int) string {
	t.Helper()
	s, err := testbench.Ring(t, key).Seal([]byte("{}"), "ecticket/ORDER1/document")
	if err != nil {
		t.Fatal(err)
	}
	return string(s)
}

func TestWhatCannotBeReadGoesToAPerson(t *testing.T) {
	t.Run("the document", func(t *testing.T) {
		w := ecticket(testbench.Mini(t))
		task := w.altered(w.refundOf("R1", `"all":true`), func(p map[string]any) { p["refund_id"] = "R9" })
		w.Done(w.run(task))
		w.stateOf("R9", ledger.Review, "unreadable_document", 0)
		w.Done(w.run(task))
	})
	t.Run("the plan", func(t *testing.T) {
		w := ecticket(testbench.Mini(t))
		task := w.refundOf("R1", named(1))
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		w.provider.AnswerRefundTicket(fakeprovider.Lost)
		w.Waits(w.run(task))
		if err := w.RDB.HSet(t.Context(), "issuance:{ecticket:ORDER1}:refund:R1", "plan", "damaged").Err(); err != nil {
			t.Fatal(err)
		}
		w.Done(w.run(task))
		w.state(ledger.Review, "unreadable_plan", 0)
	})
	t.Run("the plan of a refund by number", func(t *testing.T) {
		w, task := countInDoubt(testbench.Mini(t), "voucher", `"quantity":2`, shows(4, 0))
		if err := w.RDB.HSet(t.Context(), "issuance:{pass2u:ORDER1}:refund:R1", "plan", "damaged").Err(); err != nil {
			t.Fatal(err)
		}
		w.Done(w.run(task))
		w.state(ledger.Review, "unreadable_plan", 0)
		w.provider.Forget()
	})
}

func TestAnotherDocumentUnderTheSameRefundIDIsDropped(t *testing.T) {
	testbench.Each(t, func(b *testbench.Bench) {
		w := ecticket(b)
		first := w.refundOf("R1", named(1))
		w.UnqueueTask(w.name, tasks.RefundID(w.name, "ORDER1", "R1"))
		second := w.refundOf("R1", named(2))
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		w.provider.AnswerRefundTicket(fakeprovider.Unreached)
		w.Waits(w.run(first))
		w.Done(w.run(second))
		w.calls(sequence("tickets, refund_ticket T1"))
		if !w.Said("another document is enqueued under this refund id already") {
			w.T.Error("nothing was logged")
		}
		w.provider.AnswerRefundTicket(fakeprovider.Yes)
		w.Done(w.run(first))
		w.state(ledger.Refunded, "", 1)
	})
}

func TestAFinishedRefundWithoutItsEventGetsIt(t *testing.T) {
	w := ecticket(testbench.Mini(t))
	task := w.refundOf("R1", named(1))
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Yes)
	w.Done(w.run(task))
	// A worker died between the final status and its event.
	err := errors.Join(w.RDB.HDel(t.Context(), "issuance:{ecticket:ORDER1}:refund:R1", "event").Err(), w.RDB.Del(t.Context(), ledger.EventsKey).Err())
	if err != nil {
		t.Fatal(err)
	}
	w.provider.Forget()
	w.Done(w.run(task))
	w.state(ledger.Refunded, "", 1)
	w.calls("")
}

// Every test of this package ends with the same look at what was logged, returned and stored; this
// one makes sure that there was something to look at.
func TestNoTicketNumberAndNoCustomersDataIsLoggedReturnedOrStoredInTheClear(t *testing.T) {
	testbench.Each(t, func(b *testbench.Bench) {
		w, task := inDoubt(b)
		w.provider.AnswerStatus(w.status(providers.Refunded, merchant), fakeprovider.Yes)
		w.Done(w.run(task))
		w.state(ledger.Refunded, "", 2)
		for _, text := range []string{"refund answered", "asked for a ticket in doubt", `"msg":"final"`, "returned: waiting for a ticket"} {
			if !w.Said(text) {
				w.T.Errorf("%q was not said", text)
			}
		}
		if leaks := w.Leaks(); len(leaks) != 0 {
			w.T.Errorf("secrets in %v", leaks)
		}
	})
}

func TestTheSameRefundSealedWithAnotherKeyIsTheSameRefund(t *testing.T) {
	w := ecticket(testbench.Mini(t))
	task := w.refundOf("R1", named(1))
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Unreached)
	w.Waits(w.run(task))
	w.UnqueueTask(w.name, tasks.RefundID(w.name, "ORDER1", "R1"))
	w.Without("issuance:{ecticket:ORDER1}:refund:R1", func() {
		task = w.EnqueueRefundSealedWith(2, `{"provider":"ecticket","refund_id":"R1","request":{"MerchantTradeNo":"ORDER1",`+named(1)+`}}`)
	})
	w.Ring = testbench.Ring(t, 2) // without the record's key nobody can tell
	w.Waits(w.run(task))
	w.Ring = testbench.Ring(t, 2, 1)
	w.provider.AnswerRefundTicket(fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(ledger.Refunded, "", 1)
	w.calls(sequence("tickets, refund_ticket T1, refund_ticket T1"))
}
