package refunding_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

// refundOne has R1 refund one ticket of four.
func refundOne(b *handlertest.Bench) *world {
	b.T.Helper()
	w := pass2u(b, "voucher")
	w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
	w.provider.AnswerRefundCount(fakeprovider.Yes)
	w.Done(w.run(w.countOf("R1", `"quantity":1`)))
	w.state(order.Refunded, "", 1)
	w.provider.Forget()
	return w
}

func TestAListThatLagsBehindMakesNoRefundClaimAnEarlierOnesTicket(t *testing.T) {
	handlertest.Each(t, func(b *handlertest.Bench) {
		w := refundOne(b)
		second := w.countOf("R2", `"quantity":1`)
		w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
		w.Waits(w.run(second))
		w.stateOf("R2", order.Queued, "refunds_not_shown", 0)
		w.free()
		w.provider.AnswerBaseline(shows(4, 1), fakeprovider.Yes)
		w.provider.AnswerRefundCount(fakeprovider.Lost) // and never arrives
		w.Waits(w.run(second))
		w.provider.AnswerBaseline(shows(4, 1), fakeprovider.Yes)
		w.Waits(w.run(second))
		w.stateOf("R2", order.Submitting, "in_doubt", 0)
		w.calls("baseline, baseline, refund_count 1, baseline")
	})
}

// Somebody refunds at the provider too, which hides that the list does not show R1's ticket yet.
func TestAListThatLagsBehindIsNotedThoughOthersRefundedToo(t *testing.T) {
	w := pass2u(handlertest.Mini(t), "voucher")
	first := w.countOf("R1", `"quantity":1`)
	w.provider.AnswerBaseline(shows(4, 2), fakeprovider.Yes)
	w.Done(w.run(first))
	w.state(order.Review, "unrecorded_refunds", 0)
	w.reopen("R1") // a person has found out who they were
	w.provider.AnswerBaseline(shows(4, 2), fakeprovider.Yes)
	w.provider.AnswerRefundCount(fakeprovider.Yes)
	w.Done(w.run(first))
	w.provider.AnswerBaseline(shows(4, 2), fakeprovider.Yes)
	w.Waits(w.run(w.countOf("R2", `"quantity":1`)))
	w.stateOf("R2", order.Queued, "refunds_not_shown", 0)
}

func TestRefundsThatTheProviderNeverShowsNeedReview(t *testing.T) {
	w := refundOne(handlertest.Mini(t))
	second := w.countOf("R2", `"quantity":1`)
	for _, passed := range []time.Duration{0, 24 * time.Hour, time.Millisecond} {
		w.Clock.Advance(passed)
		w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
		if err := w.run(second); passed == time.Millisecond {
			w.Done(err)
		} else {
			w.Waits(err)
		}
	}
	if rec := w.stateOf("R2", order.Review, "refunds_not_shown", 0); rec.Attempts != 0 {
		t.Errorf("it was sent %d times", rec.Attempts)
	}
}

// Such a ticket may be about to be refunded, and with the answer lost nobody would know by whom.
func TestAListThatCannotBeCountedOnSendsNothing(t *testing.T) {
	w := pass2u(handlertest.Mini(t), "voucher")
	task := w.countOf("R1", `"quantity":1`)
	unclear := providers.Baseline{Total: 4, Refundable: 3}
	w.provider.AnswerBaseline(unclear, fakeprovider.Yes)
	w.Waits(w.run(task))
	w.state(order.Queued, "list_unclear", 0)
	w.Clock.Advance(24*time.Hour + time.Millisecond)
	w.provider.AnswerBaseline(unclear, fakeprovider.Yes)
	w.Done(w.run(task))
	w.state(order.Failed, "list_unclear", 0)
	w.calls("baseline, baseline")
	w.quiet(task)
}

// The day that an unclear list gets begins with the first one, not with the refund; it is asked for ever
// more rarely meanwhile, and the order's other refunds may go first.
func TestAnUnclearListGetsADayAndFewCalls(t *testing.T) {
	for name, answer := range map[string]struct {
		list  providers.Baseline
		out   providers.Outcome
		waits string
	}{
		"incomplete": {providers.Baseline{Total: 4, Refundable: 3}, fakeprovider.Yes, "the provider leaves tickets of the order out"},
		"empty":      {unshown, providers.Outcome{Kind: providers.Unknown, Code: "no_vouchers"}, "no_vouchers; next look in"},
	} {
		t.Run(name, func(t *testing.T) {
			w := pass2u(handlertest.Mini(t), "voucher")
			task, other := w.countOf("R1", `"quantity":1`), w.countOf("R2", `"quantity":1`)
			w.provider.AnswerBaseline(unshown, fakeprovider.Unreached) // a weekend without a way to the provider
			w.Waits(w.run(task))
			w.Clock.Advance(72 * time.Hour)
			began, asked := w.Clock.Now(), 0
			for w.Record(w.ref("R1")).State == order.Queued {
				w.provider.AnswerBaseline(answer.list, answer.out)
				err := w.run(task)
				if asked++; w.Clock.Now().Sub(began) > 24*time.Hour {
					w.Done(err)
					break
				}
				w.Clock.Advance(w.Waits(err))
				if asked == 3 {
					w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
					w.provider.AnswerRefundCount(fakeprovider.Yes)
					w.Done(w.run(other))
				}
			}
			w.state(order.Failed, "list_unclear", 0)
			if !w.Said("returned: " + answer.waits) {
				t.Error("the wait does not say what for")
			}
			if asked < 100 || asked > 250 {
				t.Errorf("asked %d times in a day", asked)
			}
		})
	}
}

// A plan that could not be sent for days is made anew, and an unclear list gets its day all the same.
func TestAnUnclearListAfterAPlanThatCouldNotBeSentGetsADay(t *testing.T) {
	w := pass2u(handlertest.Mini(t), "voucher")
	task := w.countOf("R1", `"quantity":1`)
	w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
	w.provider.AnswerRefundCount(fakeprovider.Unreached)
	w.Waits(w.run(task))
	w.Clock.Advance(72 * time.Hour)
	w.provider.AnswerBaseline(unshown, fakeprovider.Lost)
	w.Waits(w.run(task))
	w.state(order.Queued, fakeprovider.Lost.Code, 0)
	w.Clock.Advance(24*time.Hour + time.Millisecond)
	w.provider.AnswerBaseline(unshown, fakeprovider.Lost)
	w.Done(w.run(task))
	w.state(order.Failed, "list_unclear", 0)
}

// givenUp is R1 of one ticket in review, whose request never reached the provider, and R2, which
// has refunded a ticket since.
func givenUp(t *testing.T, second providers.Outcome) (*world, *asynq.Task, *asynq.Task) {
	t.Helper()
	w, first := countInDoubt(handlertest.Mini(t), "voucher", `"quantity":1`, shows(4, 0))
	w.Clock.Advance(24*time.Hour + time.Second)
	w.provider.AnswerBaseline(unshown, fakeprovider.Lost)
	w.Done(w.run(first))
	w.state(order.Review, "in_doubt", 0)
	task := w.countOf("R2", `"quantity":1`)
	w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
	w.provider.AnswerRefundCount(second)
	if err := w.run(task); second.Kind == providers.Done {
		w.Done(err)
		w.stateOf("R2", order.Refunded, "", 1)
	} else {
		w.Waits(err)
	}
	w.provider.Forget()
	return w, first, task
}

func TestARetriedRefundDoesNotClaimWhatAnotherOneRefundedSince(t *testing.T) {
	w, first, _ := givenUp(t, fakeprovider.Yes)
	w.reopen("R1")
	w.provider.AnswerBaseline(shows(4, 1), fakeprovider.Yes)
	w.Waits(w.run(first)) // the list may not show all of it yet
	w.state(order.Submitting, "in_doubt", 0)
	w.Clock.Advance(settleAfter)
	w.looksOnce(first, shows(4, 1))
	w.provider.AnswerBaseline(shows(4, 1), fakeprovider.Yes)
	w.provider.AnswerRefundCount(fakeprovider.Yes)
	w.Done(w.run(first))
	w.state(order.Refunded, "", 1)
	w.calls("baseline, baseline, baseline, refund_count 1, baseline")
}

func TestARetriedRefundIsProvenByWhatIsRefundedBeyondTheOthers(t *testing.T) {
	w, first, _ := givenUp(t, fakeprovider.Yes)
	w.reopen("R1")
	w.provider.AnswerBaseline(shows(4, 2), fakeprovider.Yes)
	w.Done(w.run(first))
	w.state(order.Refunded, "", 1)
}

// R2's request is lost as well, and one ticket is refunded: it may be either one's.
func TestWhatEitherOfTwoRefundsMayHaveRefundedNeedsReview(t *testing.T) {
	for name, decide := range map[string]bool{"while the other one is in review": false, "though a person has decided about the other one": true} {
		t.Run(name, func(t *testing.T) {
			w, first, second := givenUp(t, fakeprovider.Lost)
			w.Clock.Advance(24*time.Hour + time.Second)
			w.provider.AnswerBaseline(unshown, fakeprovider.Lost)
			w.Done(w.run(second))
			w.stateOf("R2", order.Review, "in_doubt", 0)
			if decide {
				w.resolve("R2", order.Failed)
				w.Clock.Advance(settleAfter)
			}
			w.reopen("R1")
			w.looksOnce(first, shows(4, 1))
			w.provider.AnswerBaseline(shows(4, 1), fakeprovider.Yes)
			w.Done(w.run(first))
			if rec := w.state(order.Review, "unexplained_refunds", 0); !strings.Contains(rec.Reason.Message, "refund R2 of the order") {
				t.Errorf("%q does not name the other refund", rec.Reason.Message)
			}
		})
	}
}

// Neither request arrived: that is certain, whatever is in doubt about the other refund.
func TestWhatNobodyRefundedIsSentAgain(t *testing.T) {
	w, first, second := givenUp(t, fakeprovider.Lost)
	w.Clock.Advance(24*time.Hour + time.Second)
	w.provider.AnswerBaseline(unshown, fakeprovider.Lost)
	w.Done(w.run(second))
	w.reopen("R1")
	w.looksOnce(first, shows(4, 0))
	w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
	w.provider.AnswerRefundCount(fakeprovider.Yes)
	w.Done(w.run(first))
	w.state(order.Refunded, "", 1)

	w.reopen("R2") // the ticket is R1's, and R2's count is older than that
	w.provider.AnswerBaseline(shows(4, 1), fakeprovider.Yes)
	w.Waits(w.run(second))
	w.Clock.Advance(settleAfter)
	w.provider.AnswerBaseline(shows(4, 1), fakeprovider.Yes)
	w.Clock.Advance(w.Waits(w.run(second)))
	w.provider.AnswerBaseline(shows(4, 1), fakeprovider.Yes)
	w.Done(w.run(second))
	w.stateOf("R2", order.Review, "unexplained_refunds", 0)
}

func TestWhatAReviewFoundRefundedHasToBeShownToo(t *testing.T) {
	w := crashed(t)
	w.resolve("R1", order.Refunded)
	w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
	w.Waits(w.run(w.countOf("R2", `"quantity":1`)))
	w.stateOf("R2", order.Queued, "refunds_not_shown", 0)
}

func (w *world) resolve(id string, s order.State) {
	w.T.Helper()
	if a, err := w.Ledger.Resolve(w.T.Context(), w.ref(id), ledger.Resolution{State: s, Who: "op", Reason: "asked"}); err != nil || !a.Applied {
		w.T.Fatalf("resolve: %+v, %v", a, err)
	}
}

// crashed is R1 of one ticket, in review soon after its only request left.
func crashed(t *testing.T) *world {
	t.Helper()
	w := pass2u(handlertest.Mini(t), "voucher")
	task := w.countOf("R1", `"quantity":1`)
	w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes)
	w.provider.AnswerRefundCount(providers.Outcome{}, handlertest.Dies)
	for range 6 {
		w.provider.AnswerBaseline(shows(4, 0), fakeprovider.Yes, handlertest.Dies)
	}
	for range 7 {
		if err := w.run(task); !errors.Is(err, handlertest.ErrDied) {
			t.Fatal(err)
		}
		w.Clock.Advance(lease)
	}
	w.Done(w.run(task))
	w.state(order.Review, "crashes_worker", 0)
	w.provider.Forget()
	return w
}

func TestARefundWaitsWhileTheRequestOfOneInReviewMayStillArrive(t *testing.T) {
	for name, decide := range map[string]bool{"in review": false, "that a person took for failed": true} {
		t.Run(name, func(t *testing.T) {
			w := crashed(t)
			if decide {
				w.resolve("R1", order.Failed)
			}
			second := w.countOf("R2", `"quantity":1`)
			w.Waits(w.run(second))
			w.stateOf("R2", order.Queued, "other_refund_in_doubt", 0)
			w.free()
			w.calls("")
			w.Clock.Advance(settleAfter)
			w.provider.AnswerBaseline(shows(4, 1), fakeprovider.Yes) // R1's request has arrived
			w.provider.AnswerRefundCount(fakeprovider.Lost)
			w.Waits(w.run(second))
			w.provider.AnswerBaseline(shows(4, 2), fakeprovider.Yes)
			w.Done(w.run(second))
			w.stateOf("R2", order.Refunded, "", 1)
		})
	}
}
