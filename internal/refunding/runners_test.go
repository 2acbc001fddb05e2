package refunding_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/internal/ledger"
	"issuance/internal/refunding"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

type gateFunc func(context.Context)

func (f gateFunc) Pass(ctx context.Context) error { f(ctx); return nil }

func (w *world) runWith(c refunding.Config, task *asynq.Task) error { return w.Run(w.handler(c), task) }

func TestTwoRunnersMakeOneCallPerTicket(t *testing.T) {
	handlertest.Each(t, func(b *handlertest.Bench) {
		w := ecticket(b)
		task := w.refundOf("R1", named(1, 2))
		second := func(context.Context) {
			if after := w.Waits(w.Run(w.worker("second"), task)); after != lease {
				w.T.Errorf("the second runner waits %s", after)
			}
		}
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes, second)
		w.provider.AnswerRefundTicket(fakeprovider.Yes, second)
		w.provider.AnswerRefundTicket(fakeprovider.Yes, second)
		w.Done(w.run(task))
		w.state(order.Refunded, "", 2)
		w.calls(sequence("tickets, refund_ticket T1, refund_ticket T2, tickets"))
	})
}

func TestALateAnswerForATicketIsNotApplied(t *testing.T) {
	for name, late := range map[string]providers.Outcome{"done": fakeprovider.Yes, "not sent": fakeprovider.Unreached, "unknown": fakeprovider.Lost} {
		t.Run(name, func(t *testing.T) {
			w := ecticket(handlertest.Mini(t))
			task := w.refundOf("R1", named(1, 2))
			w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
			w.provider.AnswerStatus(w.status(providers.Refunded, merchant), fakeprovider.Yes)
			w.provider.AnswerRefundTicket(late, func(context.Context) {
				w.Clock.Advance(lease) // the first runner was frozen
				w.Done(w.Run(w.worker("second"), task))
			})
			w.provider.AnswerRefundTicket(fakeprovider.Yes)
			w.Waits(w.run(task))
			w.state(order.Refunded, "", 2)
			w.calls(sequence("tickets, refund_ticket T1, ticket_status T1, refund_ticket T2, tickets"))
			if !w.Said("a late answer is not applied") {
				t.Error("the late answer is not in the log")
			}
		})
	}
}

func TestATaskThatIsCancelledInTheMiddleOfATicketLosesNoAnswer(t *testing.T) {
	handlertest.Each(t, func(b *handlertest.Bench) {
		w := ecticket(b)
		task := w.refundOf("R1", named(1, 2))
		ctx, cancel := context.WithCancel(context.Background())
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		w.provider.AnswerRefundTicket(fakeprovider.Yes, func(inCall context.Context) {
			cancel()
			<-inCall.Done()
		})
		w.Waits(w.RunContext(ctx, w.worker("w"), task))
		w.tickets("doubt:unconfirmed", "planned")
		w.calls(sequence("tickets, refund_ticket T1"))
		w.provider.AnswerStatus(w.status(providers.Refunded, merchant), fakeprovider.Yes)
		w.provider.AnswerRefundTicket(fakeprovider.Yes)
		w.Done(w.run(task))
		w.state(order.Refunded, "", 2)
		w.calls(sequence("ticket_status T1, refund_ticket T2, tickets"))
	})
}

func TestARefundThatKeepsTakingWorkersDownNeedsReviewAndCountsWhatWasRefunded(t *testing.T) {
	w := ecticket(handlertest.Mini(t))
	task := w.refundOf("R1", named(1, 2))
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Yes)
	w.provider.AnswerRefundTicket(providers.Outcome{}, handlertest.Dies)
	w.provider.AnswerStatus(w.status(providers.Refunded, merchant), fakeprovider.Yes)
	for range 6 { // two deaths may be anybody's, five more are its own
		w.provider.AnswerStatus(providers.TicketStatus{}, fakeprovider.Yes, handlertest.Dies)
	}
	for range 7 {
		if err := w.run(task); !errors.Is(err, handlertest.ErrDied) {
			t.Fatal(err)
		}
		w.Clock.Advance(lease)
	}
	w.Done(w.run(task))
	w.state(order.Review, "crashes_worker", 1)
	w.quiet(task)
}

// Redis refuses the intent, as with REDIS_WAIT_REPLICAS and too few replicas.
func TestAnIntentThatCannotBeWrittenIsNoCrashAndNoDoubt(t *testing.T) {
	t.Run("ticket by ticket", func(t *testing.T) {
		w := ecticket(handlertest.Mini(t))
		task := w.refundOf("R1", named(1))
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		w.gate.Refuse(&providers.HeldError{RetryAfter: time.Second}) // it is planned, and not sent yet
		w.Waits(w.run(task))
		w.gate.Refuse(nil)
		refused := w.withoutReplicas(task)
		w.calls("tickets")
		w.provider.AnswerRefundTicket(fakeprovider.Yes)
		w.Done(w.run(task))
		w.calls(sequence("refund_ticket T1, tickets"))
		if rec := w.state(order.Refunded, "", 1); rec.Crashes != 0 || refused.Tickets[0].State != order.TicketPlanned || refused.Runner != "" {
			t.Errorf("%d crashes; the ticket was %s, the claim held by %q", rec.Crashes, refused.Tickets[0].State, refused.Runner)
		}
	})
	t.Run("a plan of tickets", func(t *testing.T) {
		w := ecticket(handlertest.Mini(t))
		task := w.refundOf("R1", named(1))
		w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
		refused := w.withoutReplicas(task)
		w.calls("tickets")
		w.provider.AnswerRefundTicket(fakeprovider.Yes)
		w.Done(w.run(task))
		w.calls(sequence("refund_ticket T1, tickets"))
		if rec := w.state(order.Refunded, "", 1); rec.Crashes != 0 || rec.Attempts != 1 || refused.Runner != "" {
			t.Errorf("%d crashes, %d intents; the claim was held by %q", rec.Crashes, rec.Attempts, refused.Runner)
		}
	})
	t.Run("by number, sent again", func(t *testing.T) {
		w, task := countInDoubt(handlertest.Mini(t), "voucher", `"quantity":2`, shows(4, 0))
		w.settles(task, shows(4, 0))
		refused := w.withoutReplicas(task)
		if refused.DoubtAt != handlertest.Start || refused.Attempts != 2 || refused.Unsent != 1 || refused.Runner != "" {
			t.Errorf("in doubt since %s, %d of %d intents unsent, the claim held by %q", refused.DoubtAt, refused.Unsent, refused.Attempts, refused.Runner)
		}
		w.looksOnce(task, shows(4, 0))
		w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
		w.provider.AnswerRefundCount(fakeprovider.Yes)
		w.Done(w.run(task))
		w.calls("baseline, baseline, baseline, refund_count 2, baseline")
		w.state(order.Refunded, "", 2)
	})
	t.Run("a plan of a number", func(t *testing.T) {
		w := pass2u(handlertest.Mini(t), "voucher")
		task := w.countOf("R1", `"quantity":2`)
		w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
		refused := w.withoutReplicas(task)
		w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
		w.provider.AnswerRefundCount(fakeprovider.Yes)
		w.Done(w.run(task))
		w.calls("baseline, baseline, refund_count 2, baseline")
		if rec := w.state(order.Refunded, "", 2); rec.Crashes != 0 || !refused.DoubtAt.IsZero() || refused.Runner != "" {
			t.Errorf("%d crashes; in doubt since %s, the claim held by %q", rec.Crashes, refused.DoubtAt, refused.Runner)
		}
	})
}

// withoutReplicas runs a refund whose intents find too few replicas.
func (w *world) withoutReplicas(task *asynq.Task) *ledger.Record {
	w.T.Helper()
	c := w.config("w")
	c.Ledger = ledger.New(w.RDB, ledger.Options{Now: w.Clock.Now, WaitReplicas: 1})
	if err := w.runWith(c, task); err == nil {
		w.T.Fatal("an intent that too few replicas have is taken for written")
	}
	return w.Record(w.ref("R1"))
}

func TestAnAnswerThatCannotBeRecordedIsADoubt(t *testing.T) {
	s := testredis.StartDurable(t)
	w := ecticket(handlertest.New(t, s))
	task := w.refundOf("R1", named(1))
	w.provider.AnswerTickets(list(unused...), fakeprovider.Yes)
	w.provider.AnswerRefundTicket(fakeprovider.Yes, func(context.Context) { s.Kill() })
	if err := w.run(task); err == nil {
		t.Fatal("an answer that was not recorded is taken for recorded")
	}
	s.Restart()
	w.tickets("sending")
	w.Clock.Advance(lease)
	w.provider.AnswerStatus(w.status(providers.Refunded, merchant), fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.Refunded, "", 1)
	w.calls(sequence("tickets, refund_ticket T1, ticket_status T1"))
}
