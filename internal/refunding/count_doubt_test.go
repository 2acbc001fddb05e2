package refunding_test

import (
	"cmp"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/providers"
	"issuance/tasks/order"
)

// countInDoubt is a refund by number whose request got no clear answer.
func countInDoubt(b *handlertest.Bench, pickup, wish string, before providers.Baseline) (*world, *asynq.Task) {
	b.T.Helper()
	w := pass2u(b, pickup)
	w.earlier(before.Refunded)
	task := w.countOf("R1", wish)
	w.lose(task, before)
	return w, task
}

// lose has a refund sent whose answer is lost.
func (w *world) lose(task *asynq.Task, before providers.Baseline) {
	w.T.Helper()
	w.provider.AnswerBaseline(before, fakeprovider.Yes)
	w.provider.AnswerRefundCount(fakeprovider.Lost)
	w.Waits(w.run(task))
	w.state(order.Submitting, fakeprovider.Lost.Code, 0)
	w.provider.Forget()
}

// looksOnce has the first of the two looks made that have to agree once the request cannot arrive any more.
func (w *world) looksOnce(task *asynq.Task, shown providers.Baseline) {
	w.T.Helper()
	w.provider.AnswerBaseline(shown, fakeprovider.Yes)
	w.waitsForSecondLook(w.run(task))
}

func (w *world) waitsForSecondLook(err error) {
	w.T.Helper()
	after := w.Waits(err)
	if after != 30*time.Second {
		w.T.Errorf("the second look comes after %s", after)
	}
	w.state(order.Submitting, "in_doubt", 0)
	w.Clock.Advance(after)
}

// settles lets the time pass in which a request in doubt may arrive, has the first look made, and has the second one
// answered alike.
func (w *world) settles(task *asynq.Task, shown providers.Baseline) {
	w.T.Helper()
	w.Clock.Advance(settleAfter)
	w.looksOnce(task, shown)
	w.calls("baseline")
	w.provider.AnswerBaseline(shown, fakeprovider.Yes)
}

// One answer may be an old one: a request that may have arrived after the looks before would be sent twice.
func TestAnOldAnswerHasNoRefundSentAgain(t *testing.T) {
	handlertest.Each(t, func(b *handlertest.Bench) {
		w, task := countInDoubt(b, "voucher", `"quantity":2`, shows(4, 1))
		w.Clock.Advance(settleAfter)
		w.looksOnce(task, shows(4, 1))
		w.provider.AnswerBaseline(shows(4, 3), fakeprovider.Yes)
		w.Done(w.run(task))
		w.state(order.Refunded, "", 2)
		w.calls("baseline, baseline")
	})
}

// A look that comes too soon is not the second one, and does not put that off.
func TestALookThatComesTooSoonIsNotTheSecond(t *testing.T) {
	w, task := countInDoubt(handlertest.Mini(t), "voucher", `"quantity":2`, shows(4, 1))
	w.Clock.Advance(settleAfter)
	for _, want := range []time.Duration{30 * time.Second, 10 * time.Second} {
		w.provider.AnswerBaseline(shows(4, 1), fakeprovider.Yes)
		if after := w.Waits(w.run(task)); after != want {
			t.Errorf("waits %s, want %s", after, want)
		}
		w.Clock.Advance(min(want, 20*time.Second))
	}
	w.provider.AnswerBaseline(shows(4, 1), fakeprovider.Yes)
	w.provider.AnswerRefundCount(fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.Refunded, "", 2)
}

func TestAnUnknownRefundIsProvenByTheNumberRefunded(t *testing.T) {
	handlertest.Each(t, func(b *handlertest.Bench) {
		w, task := countInDoubt(b, "voucher", `"quantity":2`, shows(4, 1))
		w.provider.AnswerBaseline(shows(4, 3), fakeprovider.Yes)
		w.Done(w.run(task))
		w.state(order.Refunded, "", 2)
		w.calls("baseline")
		w.quiet(task)
	})
}

func TestARefundWithoutEffectIsSentAgainOnlyWhenItCannotArriveAnyMore(t *testing.T) {
	handlertest.Each(t, func(b *handlertest.Bench) {
		w, task := countInDoubt(b, "voucher", `"quantity":2`, shows(4, 1))
		w.provider.AnswerBaseline(shows(4, 1), fakeprovider.Yes)
		if after := w.Waits(w.run(task)); after != time.Second {
			w.T.Errorf("waits %s", after)
		}
		w.Clock.Advance(settleAfter - time.Millisecond)
		w.provider.AnswerBaseline(shows(4, 1), fakeprovider.Yes)
		w.Waits(w.run(task))
		w.calls("baseline, baseline")

		w.Clock.Advance(time.Millisecond)
		w.looksOnce(task, shows(4, 1))
		w.calls("baseline")
		w.provider.AnswerBaseline(shows(4, 1), fakeprovider.Yes)
		w.provider.AnswerRefundCount(fakeprovider.Yes)
		w.Done(w.run(task))
		if rec := w.state(order.Refunded, "", 2); rec.Attempts != 2 {
			w.T.Errorf("%d attempts", rec.Attempts)
		}
		w.calls("baseline, refund_count 2, baseline")
	})
}

func TestASecondUnknownAnswerIsWaitedForAnew(t *testing.T) {
	w, task := countInDoubt(handlertest.Mini(t), "voucher", `"quantity":2`, shows(4, 1))
	w.settles(task, shows(4, 1))
	w.provider.AnswerRefundCount(fakeprovider.Lost)
	w.Waits(w.run(task))
	w.Clock.Advance(settleAfter - time.Millisecond)
	w.provider.AnswerBaseline(shows(4, 1), fakeprovider.Yes)
	w.Waits(w.run(task))
	w.calls("baseline, refund_count 2, baseline")
	w.provider.AnswerBaseline(shows(4, 3), fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.Refunded, "", 2)
}

func TestAResentRefundThatNeverLeftKeepsTheDoubtAndTheBaseline(t *testing.T) {
	w, task := countInDoubt(handlertest.Mini(t), "voucher", `"quantity":2`, shows(4, 1))
	w.settles(task, shows(4, 1))
	w.provider.AnswerRefundCount(fakeprovider.Unreached)
	w.Waits(w.run(task))
	w.state(order.Submitting, fakeprovider.Unreached.Code, 0)
	w.provider.AnswerBaseline(shows(4, 3), fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.Refunded, "", 2)
	w.calls("baseline, refund_count 2, baseline")
}

func TestWhatCannotBeExplainedNeedsReview(t *testing.T) {
	for name, now := range map[string]providers.Baseline{
		"fewer than asked for are refunded": shows(4, 2), "more than asked for are refunded": shows(4, 4), "fewer than before are refunded": shows(4, 0),
	} {
		t.Run(name, func(t *testing.T) {
			w, task := countInDoubt(handlertest.Mini(t), "voucher", `"quantity":2`, shows(4, 1))
			w.provider.AnswerBaseline(now, fakeprovider.Yes)
			w.Waits(w.run(task)) // it may be explained while the request can still arrive
			w.Clock.Advance(settleAfter)
			w.looksOnce(task, now)
			w.provider.AnswerBaseline(now, fakeprovider.Yes)
			w.Done(w.run(task))
			w.state(order.Review, "unexplained_refunds", 0)
			w.calls("baseline, baseline, baseline")
			w.quiet(task)
		})
	}
}

// A list that leaves refunded tickets out would make a refund look as if it had not happened, and
// it would be sent twice.
func TestAListOfOtherTicketsProvesNothing(t *testing.T) {
	w, task := countInDoubt(handlertest.Mini(t), "voucher", `"quantity":2`, shows(4, 0))
	w.Clock.Advance(settleAfter)
	w.looksOnce(task, shows(2, 0))
	w.provider.AnswerBaseline(shows(2, 0), fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.Review, "other_tickets", 0)
	w.calls("baseline, baseline")
}

func TestALookUpThatShowsNothingIsRepeatedAndThenNeedsReview(t *testing.T) {
	for name, answer := range map[string]providers.Outcome{"no answer": fakeprovider.Lost, "tickets are not shown": fakeprovider.Yes, "a rejection": fakeprovider.Refused} {
		t.Run(name, func(t *testing.T) {
			w, task := countInDoubt(handlertest.Mini(t), "voucher", `"quantity":2`, shows(4, 0))
			w.Clock.Advance(24 * time.Hour)
			w.provider.AnswerBaseline(unshown, answer)
			w.Waits(w.run(task))
			w.state(order.Submitting, cmp.Or(answer.Code, "list_unclear"), 0)
			w.Clock.Advance(time.Second)
			w.provider.AnswerBaseline(unshown, answer)
			w.Done(w.run(task))
			w.state(order.Review, "in_doubt", 0)
			w.calls("baseline, baseline")
		})
	}
}

func TestARejectionAfterADoubtIsProvenToo(t *testing.T) {
	rejectedAfterDoubt := func(t *testing.T, then providers.Baseline) (*world, *asynq.Task, error) {
		w, task := countInDoubt(handlertest.Mini(t), "voucher", `"quantity":2`, shows(4, 0))
		w.settles(task, shows(4, 0))
		w.provider.AnswerRefundCount(exhausted)
		w.provider.AnswerBaseline(then, fakeprovider.Yes)
		return w, task, w.run(task)
	}
	t.Run("the first request arrived after all", func(t *testing.T) {
		w, _, err := rejectedAfterDoubt(t, shows(4, 2))
		w.Done(err)
		w.state(order.Refunded, "", 2)
		w.calls("baseline, refund_count 2, baseline")
	})
	t.Run("nothing was ever refunded", func(t *testing.T) {
		w, task, err := rejectedAfterDoubt(t, shows(4, 0))
		w.Waits(err) // a copy of the rejected request may still arrive
		w.Clock.Advance(settleAfter)
		w.looksOnce(task, shows(4, 0))
		w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
		w.Done(w.run(task))
		w.state(order.Failed, exhausted.Code, 0)
		w.quiet(task)
	})
	t.Run("it is not known yet", func(t *testing.T) {
		w, task := countInDoubt(handlertest.Mini(t), "voucher", `"quantity":2`, shows(4, 0))
		w.settles(task, shows(4, 0))
		w.provider.AnswerRefundCount(exhausted)
		w.provider.AnswerBaseline(unshown, fakeprovider.Lost)
		w.Waits(w.run(task))
		w.state(order.Submitting, fakeprovider.Lost.Code, 0)
		w.Clock.Advance(settleAfter)
		w.looksOnce(task, shows(4, 0))
		w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
		w.Done(w.run(task)) // not sent again: it was rejected
		w.state(order.Failed, exhausted.Code, 0)
	})
}

func TestAPartOfWhatIsNotShownIsNeverSentAgain(t *testing.T) {
	handlertest.Each(t, func(b *handlertest.Bench) {
		w, task := countInDoubt(b, "order", `"quantity":2`, unshown)
		// What a reviewer looked up now might be untrue a minute later.
		w.Clock.Advance(settleAfter - time.Millisecond)
		w.Waits(w.run(task))
		w.Clock.Advance(time.Millisecond)
		w.Done(w.run(task))
		w.state(order.Review, "unprovable", 0)
		w.calls("")
		w.quiet(task)
		// Not even when a reviewer has it looked at again without knowing more.
		w.reopen("R1")
		w.Done(w.run(task))
		w.state(order.Review, "unprovable", 0)
		w.calls("")
	})
}

func TestAllOfWhatIsNotShownIsSentAgain(t *testing.T) {
	for _, wish := range []string{`"all":true`, `"quantity":4`} {
		t.Run(wish, func(t *testing.T) {
			w, task := countInDoubt(handlertest.Mini(t), "order", wish, unshown)
			w.provider.AnswerRefundCount(fakeprovider.Yes)
			w.Done(w.run(task))
			w.state(order.Refunded, "", 4)
			w.calls("refund_count 4")
			w.quiet(task)
		})
	}
}

func TestAllOfWhatIsNotShownIsSentAgainAsOftenAsItTakes(t *testing.T) {
	w, task := countInDoubt(handlertest.Mini(t), "order", `"all":true`, unshown)
	w.provider.AnswerRefundCount(fakeprovider.Lost)
	w.Waits(w.run(task))
	w.provider.AnswerRefundCount(fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.Refunded, "", 4)
}

// "Not enough left" may mean that the request in doubt took effect, or that tickets were redeemed:
// the one is refunded, the other is not, and the provider shows neither.
func TestNotEnoughLeftOfWhatIsNotShownNeedsReview(t *testing.T) {
	w, task := countInDoubt(handlertest.Mini(t), "order", `"all":true`, unshown)
	w.provider.AnswerRefundCount(exhausted)
	w.Waits(w.run(task)) // the request in doubt may still arrive
	w.Clock.Advance(settleAfter)
	w.Done(w.run(task))
	w.state(order.Review, "unprovable", 0)
	w.calls("refund_count 4")
	w.quiet(task)
}

// A rejection that does not say that nothing is left to refund proves nothing, and asking again and
// again would end in nothing but calls.
func TestAllOfWhatIsNotShownRejectedForGoodNeedsReview(t *testing.T) {
	w, task := countInDoubt(handlertest.Mini(t), "order", `"all":true`, unshown)
	w.provider.AnswerRefundCount(fakeprovider.Refused)
	w.Waits(w.run(task))
	w.Clock.Advance(settleAfter)
	w.Done(w.run(task))
	w.state(order.Review, "unprovable", 0)
	w.calls("refund_count 4")
	w.quiet(task)
}

// Each request may be the one that arrives, so there are few of them, and not for ever: the order's
// other refunds wait behind this one.
func TestARefundWhoseAnswersAreAllLostIsSentEverMoreSeldomAndThenNeedsReview(t *testing.T) {
	for pickup, before := range map[string]providers.Baseline{"voucher": shows(4, 0), "order": unshown} {
		t.Run(pickup, func(t *testing.T) {
			w, task := countInDoubt(handlertest.Mini(t), pickup, `"quantity":4`, before)
			var wait time.Duration
			for range 6 {
				w.Clock.Advance(settleAfter)
				w.firstOf(task, before)
				w.loseAgain(before)
				wait = w.Waits(w.run(task))
			}
			if wait < 45*time.Second || wait > 10*time.Minute {
				t.Errorf("after %d requests it waits %s", w.Record(w.ref("R1")).Attempts, wait)
			}
			w.Clock.Advance(24 * time.Hour)
			w.firstOf(task, before)
			w.looksBack(before)
			w.Done(w.run(task))
			if rec := w.state(order.Review, "in_doubt", 0); rec.Attempts != 7 || !strings.Contains(rec.Reason.Message, "sent 7 times") {
				t.Errorf("%d attempts: %s", rec.Attempts, rec.Reason.Message)
			}
			w.free()

			w.reopen("R1") // another try gets the same time
			w.firstOf(task, before)
			w.loseAgain(before)
			w.Waits(w.run(task))
			w.state(order.Submitting, fakeprovider.Lost.Code, 0)
		})
	}
}

// firstOf has the first of two looks made, where tickets are shown.
func (w *world) firstOf(task *asynq.Task, shown providers.Baseline) {
	w.T.Helper()
	if shown.Total > 0 {
		w.looksOnce(task, shown)
	}
}

// looksBack scripts the look-up of an order whose tickets are shown.
func (w *world) looksBack(b providers.Baseline) {
	if b.Total > 0 {
		w.provider.AnswerBaseline(b, fakeprovider.Yes)
	}
}

func (w *world) loseAgain(before providers.Baseline) {
	w.looksBack(before)
	w.provider.AnswerRefundCount(fakeprovider.Lost)
}

func (w *world) reopen(id string) {
	w.T.Helper()
	if a, err := w.Ledger.Reopen(context.Background(), w.ref(id), "op", "look again"); err != nil || !a.Applied {
		w.T.Fatalf("reopen: %+v, %v", a, err)
	}
}

// A doubt may be old only because no worker ran: that is no reason for a review.
func TestAnOldDoubtIsNoReasonToGiveUpWhenNobodyHasAsked(t *testing.T) {
	w, task := countInDoubt(handlertest.Mini(t), "voucher", `"quantity":2`, shows(4, 0))
	w.Clock.Advance(72 * time.Hour)
	for _, out := range []providers.Outcome{fakeprovider.Unreached, {Kind: providers.Held, Code: "held", RetryAfter: time.Minute}} {
		w.provider.AnswerBaseline(unshown, out)
		w.Waits(w.run(task))
	}
	w.looksOnce(task, shows(4, 0))
	w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
	w.provider.AnswerRefundCount(fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.Refunded, "", 2)
}
