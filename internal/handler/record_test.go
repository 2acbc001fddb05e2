package handler_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/fakeprovider"
	"issuance/internal/handler"
	"issuance/internal/keys"
	"issuance/internal/queue"
	"issuance/providers"
	"issuance/tasks/order"
)

// Nobody has receipted such a document: who can merely write to the queue issues and refunds nothing.
func TestATaskWithoutARecordCallsNobodyRaisesAnAlarmAndWritesNothing(t *testing.T) {
	kinds(t, func(w *world) {
		w.Forget(w.ref)
		before := w.dump()
		w.Done(w.run())
		w.calls(0)
		w.alarmed("a task names an order or refund that the ledger does not know")
		w.unchanged(before)
	})
}

func TestADeletedRecordWhoseOldTaskIsPushedAgainStaysDeleted(t *testing.T) {
	kinds(t, func(w *world) {
		w.answer(fakeprovider.Yes)
		w.Done(w.run())
		w.Forget(w.ref)
		before := w.dump()
		for range 3 {
			w.Done(w.run())
		}
		w.calls(1)
		w.alarmed("a task names an order or refund that the ledger does not know")
		w.unchanged(before)
	})
}

func TestARecordOfANewerVersionIsLeftAlone(t *testing.T) {
	kinds(t, func(w *world) {
		if err := w.RDB.HSet(w.T.Context(), keys.Record(w.ref), "v", "3", "of_the_future", "x").Err(); err != nil {
			w.T.Fatal(err)
		}
		before := w.dump()[keys.Record(w.ref)]
		if after := w.Waits(w.run()); after != time.Minute {
			w.T.Errorf("waits %s", after)
		}
		w.calls(0)
		w.alarmed("the record was written by a newer version")
		if w.dump()[keys.Record(w.ref)] != before {
			w.T.Error("the record has changed")
		}
	})
}

func TestAnIntentRecordsTheHost(t *testing.T) {
	kinds(t, func(w *world) {
		w.answer(fakeprovider.Lost, func(context.Context) {
			if rec := w.record(); rec.Host != fakeprovider.Host || rec.State != order.Submitting {
				w.T.Errorf("during the call the record is %s and names the host %q", rec.State, rec.Host)
			}
		})
		w.Waits(w.run())
	})
}

// A provider's stage and its production know nothing of each other's orders: what is in doubt at the one would
// be absent at the other, and be sent a second time.
func TestAWorkerOfAnotherHostNeitherLooksUpNorSendsAgain(t *testing.T) {
	kinds(t, func(w *world) {
		w.answer(fakeprovider.Lost)
		w.Waits(w.run())
		w.provider.SetHost("stage.invalid")
		for range 3 {
			if after := w.Waits(w.run()); after != time.Minute {
				w.T.Errorf("waits %s", after)
			}
		}
		w.calls(1)
		if rec := w.record(); w.acts != 1 || rec.State != order.Submitting || rec.Reason.Code != "other_host" || rec.Host != fakeprovider.Host || rec.DoubtAt.IsZero() {
			w.T.Errorf("the handler acted %d times; the record is %s (%s) at %s", w.acts, rec.State, rec.Reason.Code, rec.Host)
		}
		w.alarmed("an earlier request of this record went to another host")
		w.provider.SetHost(fakeprovider.Host)
		w.answer(fakeprovider.Yes)
		w.Done(w.run())
		w.calls(2)
	})
}

func TestARecordOfWhichNothingWasSentMayGoToAnotherHost(t *testing.T) {
	kinds(t, func(w *world) {
		w.answer(fakeprovider.Unreached)
		w.Waits(w.run())
		w.provider.SetHost("new.invalid")
		w.answer(fakeprovider.Yes)
		w.Done(w.run())
		if rec := w.record(); !rec.State.Settled() {
			w.T.Errorf("the record is %s", rec.State)
		}
	})
}

func TestATaskOfAnAccountThatIsNotServedWaits(t *testing.T) {
	kinds(t, func(w *world) {
		other := fakeprovider.ForAccount(w.T, providers.Account{Provider: providers.Pass2U, Merchant: "other"})
		c := w.config("w")
		c.Provider = other
		serves := map[providers.Account]asynq.Handler{other.Account(): handler.New(c, w.ref.IsRefund(), w.act)}
		h := handler.ByAccount(w.Log, handler.Among(serves))
		before := w.dump()
		w.Waits(w.Run(h, w.task))
		w.unchanged(before)

		serves[w.ref.Account] = w.worker("w")
		w.answer(fakeprovider.Yes)
		w.Done(w.Run(h, w.task))
		w.Done(w.Run(h, asynq.NewTask(w.task.Type(), []byte("hello"))))
		w.calls(1)
		if n := len(other.Calls()); n != 0 {
			w.T.Errorf("the other account's provider was called %d times", n)
		}
	})
}

// An operator's mistake with one key must not hold up what can be worked on.
func TestARefundWhoseKeyIsMissingLeavesItsTurnToOthers(t *testing.T) {
	kinds(t, func(w *world) {
		if !w.ref.IsRefund() {
			return
		}
		w.Forget(w.ref)
		sealed := w.EnqueueRefundSealedWith(2, refundDoc)
		w.Waits(w.Run(w.worker("w"), sealed))
		if rec := w.record(); rec.State != order.Queued || rec.Reason.Code != "seal_key" {
			w.T.Errorf("the refund is %s (%s)", rec.State, rec.Reason.Code)
		}
		w.alarmed("the document cannot be opened")
		second := w.EnqueueRefund(strings.Replace(refundDoc, "R1", "R2", 1))
		w.answer(fakeprovider.Yes)
		w.Done(w.Run(w.worker("w"), second))
		w.calls(1)
	})
}

func TestARunWithoutAResultIsAnErrorAndGivesItsClaimBack(t *testing.T) {
	kinds(t, func(w *world) {
		h := handler.New(w.config("w"), w.ref.IsRefund(), func(context.Context, *handler.Run) (handler.Result, error) { return handler.GoOn(), nil })
		if err := w.Run(h, w.task); !queue.IsFailure(err) {
			w.T.Errorf("the run ended with %v", err)
		}
		if rec := w.record(); rec.Runner != "" || rec.State != order.Queued {
			w.T.Errorf("the record is %s, held by %q", rec.State, rec.Runner)
		}
	})
}
