package issuing_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"issuance/internal/fakeprovider"
	"issuance/providers"
	"issuance/tasks/order"
)

// inDoubt is a world whose first request got no clear answer.
func inDoubt(w *world) {
	w.T.Helper()
	w.provider.AnswerIssue(fakeprovider.Lost)
	if after := w.Waits(w.run()); after != time.Second {
		w.T.Fatalf("the first look-up comes after %s", after)
	}
	rec := w.state(order.Submitting, fakeprovider.Lost.Code)
	if rec.DoubtAt.IsZero() {
		w.T.Fatal("no doubt is recorded")
	}
}

func TestAfterAnUnknownOutcomeTheProviderIsAskedBeforeAnythingIsSent(t *testing.T) {
	for _, c := range []struct {
		found providers.FindingState
		state order.State
		code  string
	}{
		{providers.FoundIssued, order.Issued, ""},
		{providers.FoundPending, order.Accepted, ""},
		{providers.FoundFailed, order.Accepted, "status_2"}, // a second look has to say the same
	} {
		t.Run(string(c.found), func(t *testing.T) {
			each(t, func(w *world) {
				inDoubt(w)
				f := fakeprovider.Known(c.found)
				f.Result = &providers.Result{Ref: "REF1"}
				w.provider.AnswerLookUp(f)
				w.Done(w.run())
				rec := w.state(c.state, c.code)
				if step := rec.History[len(rec.History)-2]; step.Event != "looked_up" || step.Detail != strings.ReplaceAll(string(c.found), "_", " ") || rec.Polls != 1 {
					w.T.Errorf("the history has %+v before the end, after %d look-ups", step, rec.Polls)
				}
				// Nothing is kept of what is still to be recognised as ours.
				unproven := c.state == order.Accepted
				if (rec.ProviderRef != "REF1") != unproven || rec.Unproven != unproven || !rec.DoubtAt.IsZero() || rec.Attempts != 1 {
					w.T.Errorf("ref %q, doubt %s, %d attempts", rec.ProviderRef, rec.DoubtAt, rec.Attempts)
				}
				w.calls("issue, look_up")
			})
		})
	}
}

func TestAFoundOrderThatNeedsItsTicketsIsLeftToThePoller(t *testing.T) {
	w := mini(t)
	w.provider.NeedTickets(2)
	inDoubt(w)
	w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
	w.Done(w.run())
	w.state(order.Accepted, "")
	if len(w.follower.list) != 1 || w.follower.list[0].delay != 0 {
		t.Errorf("followed %v, want at once", w.follower.list)
	}
}

func TestALookUpThatLearnsNothingSendsNothing(t *testing.T) {
	each(t, func(w *world) {
		inDoubt(w)
		w.Clock.Advance(10 * time.Second)
		w.provider.AnswerLookUp(fakeprovider.Known(providers.Unclear))
		if after := w.Waits(w.run()); after != time.Second {
			w.T.Errorf("waits %s after the first of them", after)
		}
		w.state(order.Submitting, fakeprovider.Lost.Code)
		w.Clock.Advance(time.Hour)
		w.provider.AnswerLookUp(fakeprovider.Known(providers.Unclear))
		if after := w.Waits(w.run()); after != 10*time.Minute {
			w.T.Errorf("after an hour of useless answers it waits %s", after)
		}
		held := providers.Finding{State: providers.Unclear, Outcome: providers.Outcome{Kind: providers.Held, RetryAfter: 30 * time.Minute}}
		w.provider.AnswerLookUp(held)
		if after := w.Waits(w.run()); after != 30*time.Minute {
			w.T.Errorf("it waits %s, the answer said 30 minutes", after)
		}
		if rec := w.record(); rec.Attempts != 1 {
			w.T.Errorf("%d attempts", rec.Attempts)
		}
		w.calls("issue, look_up, look_up, look_up")
	})
}

func TestADoubtThatLastsNeedsReview(t *testing.T) {
	w := mini(t)
	inDoubt(w)
	w.Clock.Advance(24 * time.Hour)
	w.provider.AnswerLookUp(fakeprovider.Known(providers.Unclear))
	w.Waits(w.run())
	w.Clock.Advance(time.Second)
	held := providers.Finding{State: providers.Unclear, Outcome: providers.Outcome{Kind: providers.Held}}
	w.provider.AnswerLookUp(held)
	w.Waits(w.run()) // that look-up never left
	w.provider.AnswerLookUp(fakeprovider.Known(providers.Unclear))
	w.Done(w.run())
	w.state(order.Review, "in_doubt")
	w.quiet()
}

// withTime has the order keep its rules for a month.
func (w *world) withTime() {
	w.T.Helper()
	w.document(strings.Replace(document, "20260505", "20260605", 1))
}

// However often a look-up says that the order may be sent again: it ends, and until then it is sent ever
// more rarely.
func TestAnOrderThatNeverGetsAClearAnswerNeedsReview(t *testing.T) {
	w := mini(t)
	w.withTime()
	inDoubt(w)
	began := w.Clock.Now()
	for w.record().State == order.Submitting {
		w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
		if w.Clock.Now().Sub(began) <= 24*time.Hour {
			w.provider.AnswerIssue(fakeprovider.Lost)
			w.Clock.Advance(w.Waits(w.run()))
		} else {
			w.Done(w.run())
		}
	}
	rec := w.state(order.Review, "in_doubt")
	if rec.Attempts < 100 || rec.Attempts > 250 {
		t.Errorf("%d attempts in a day", rec.Attempts)
	}
	w.provider.Sequence()
	w.quiet()
}

// What is sent again is checked again: its date may have passed, or the worker's rules may be another
// merchant's.
func TestADocumentThatNoLongerKeepsTheRulesIsNotSentAgain(t *testing.T) {
	w := mini(t)
	inDoubt(w)
	w.Clock.Advance(14 * time.Hour) // midnight in Taiwan
	w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
	w.Done(w.run())
	w.state(order.Review, "invalid_document")

	w = mini(t)
	w.document(ours)
	inDoubt(w)
	another := w.anotherMerchants()
	w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
	w.Waits(w.Run(another, w.task))
	w.Clock.Advance(settleAfter)
	w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
	w.Done(w.Run(another, w.task))
	w.state(order.Review, "invalid_document")
	w.calls("issue, look_up, look_up")
}

func TestADoubtAfterAnOutageIsLookedIntoSoon(t *testing.T) {
	w := mini(t)
	for range 9 {
		w.provider.AnswerIssue(fakeprovider.Unreached)
		w.Clock.Advance(w.Waits(w.run()))
	}
	w.provider.AnswerIssue(fakeprovider.Lost)
	if after := w.Waits(w.run()); after != time.Second {
		t.Errorf("looked up after %s", after)
	}
}

func TestADoubtThatIsOldBecauseNoWorkerRanIsNoReasonToGiveUp(t *testing.T) {
	w := mini(t)
	w.withTime()
	inDoubt(w)
	w.Clock.Advance(72 * time.Hour)
	w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
	w.provider.AnswerIssue(providers.Outcome{Kind: providers.Accepted})
	w.Done(w.run())
	w.state(order.Accepted, "")
}

func TestAQuestionThatNeverLeftGivesNothingUp(t *testing.T) {
	w := mini(t)
	inDoubt(w)
	w.Clock.Advance(72 * time.Hour)
	for _, kind := range []providers.Kind{providers.NotSent, providers.Held} {
		w.provider.AnswerLookUp(providers.Finding{State: providers.Unclear, Outcome: providers.Outcome{Kind: kind, Code: "no_budget"}})
		w.Waits(w.run())
	}
	w.state(order.Submitting, "no_budget")
}

func TestARejectionThatCannotBeConfirmedNeedsReviewToo(t *testing.T) {
	w := mini(t)
	w.provider.SetTraits(providers.Traits{SettleAfter: settleAfter, RejectionMayHideDuplicate: true})
	w.provider.AnswerIssue(fakeprovider.Refused)
	w.provider.AnswerLookUp(fakeprovider.Known(providers.Unclear))
	w.Waits(w.run())
	w.Clock.Advance(24*time.Hour + time.Second)
	w.provider.AnswerLookUp(fakeprovider.Known(providers.Unclear))
	w.Done(w.run())
	w.state(order.Review, "in_doubt")
}

func TestAnOrderTheProviderDoesNotKnowIsSentAgainUnderItsNumber(t *testing.T) {
	each(t, func(w *world) {
		inDoubt(w)
		w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
		w.provider.AnswerIssue(providers.Outcome{Kind: providers.Accepted})
		w.Done(w.run())
		if rec := w.state(order.Accepted, ""); rec.Attempts != 2 {
			w.T.Errorf("%d attempts", rec.Attempts)
		}
		w.calls("issue, look_up, issue")
		calls := w.provider.Calls()
		if calls[0].Order.ID != calls[2].Order.ID || string(calls[0].Order.Request) != string(calls[2].Order.Request) {
			w.T.Error("the second request is not the first one again")
		}
	})
}

func TestARequestThatNeverLeftDoesNotEndAnEarlierDoubt(t *testing.T) {
	w := mini(t)
	inDoubt(w)
	w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
	w.provider.AnswerIssue(fakeprovider.Unreached)
	w.Waits(w.run())
	w.state(order.Submitting, fakeprovider.Unreached.Code)
	w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundPending))
	w.Done(w.run())
	w.state(order.Accepted, "")
	w.calls("issue, look_up, issue, look_up")
}

func TestARejectionAfterADoubtIsNoFailureBeforeTheDoubtHasSettled(t *testing.T) {
	each(t, func(w *world) {
		w.provider.SetTraits(providers.Traits{SettleAfter: settleAfter, RejectionMayHideDuplicate: true})
		inDoubt(w)
		w.Clock.Advance(time.Minute)
		w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
		w.provider.AnswerIssue(fakeprovider.Refused)
		w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
		if after := w.Waits(w.run()); after != 30*time.Second {
			w.T.Errorf("waits %s, want looks every 30 s", after)
		}
		w.state(order.Submitting, fakeprovider.Refused.Code)

		w.Clock.Advance(settleAfter - time.Minute - time.Millisecond)
		w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
		w.Waits(w.run())
		w.state(order.Submitting, fakeprovider.Refused.Code)

		w.Clock.Advance(time.Millisecond)
		w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
		w.Done(w.run())
		w.state(order.Failed, fakeprovider.Refused.Code)
		w.calls("issue, look_up, issue, look_up, look_up, look_up")
		w.quiet()
	})
}

func TestARejectionAfterADoubtIsOverruledByTheOrderBeingThere(t *testing.T) {
	for _, late := range []bool{false, true} {
		w := mini(t)
		inDoubt(w)
		w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
		w.provider.AnswerIssue(fakeprovider.Refused)
		if late {
			w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
			w.Waits(w.run())
		}
		f := fakeprovider.Known(providers.FoundIssued)
		f.Result = result()
		w.provider.AnswerLookUp(f)
		w.Done(w.run())
		w.state(order.Issued, "")
		if got := w.opened(); got.Ref != "REF1" || len(got.Tickets) != 1 {
			t.Error("the result of the order that was found is not recorded")
		}
	}
}

func TestADuplicateAnswerAfterADoubtLeadsToTheOrderThatIsThere(t *testing.T) {
	each(t, func(w *world) {
		inDoubt(w)
		w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
		w.provider.AnswerIssue(providers.Outcome{Kind: providers.Unknown, Code: "repeated", Exists: true})
		w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundPending))
		w.Done(w.run())
		w.state(order.Accepted, "")
		w.calls("issue, look_up, issue, look_up")
	})
}

func TestANumberThatExistsAndIsNotFoundIsNeverCalledFailed(t *testing.T) {
	for _, doubt := range []bool{false, true} {
		w := mini(t)
		if doubt {
			inDoubt(w)
			w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
		}
		w.provider.AnswerIssue(providers.Outcome{Kind: providers.Unknown, Code: "repeated", Exists: true})
		w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
		if after := w.Waits(w.run()); after != time.Second {
			t.Errorf("waits %s", after)
		}
		w.Clock.Advance(settleAfter - time.Millisecond)
		w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
		w.Waits(w.run())
		w.Clock.Advance(time.Minute)
		w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
		w.Done(w.run())
		w.state(order.Review, "number_exists")
		w.quiet()
	}
}

func TestAReopenedReviewIsLookedUpFirst(t *testing.T) {
	reopen := func(w *world) {
		a, err := w.Ledger.Reopen(context.Background(), ref, "op", "the provider was away")
		if err != nil || !a.Applied {
			w.T.Fatalf("reopen: %+v, %v", a, err)
		}
	}
	t.Run("in doubt", func(t *testing.T) {
		w := mini(t)
		inDoubt(w)
		w.Clock.Advance(24*time.Hour + time.Second)
		w.provider.AnswerLookUp(fakeprovider.Known(providers.Unclear))
		w.Done(w.run())
		w.state(order.Review, "in_doubt")
		reopen(w)
		w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
		w.Done(w.run())
		w.state(order.Issued, "")
		w.calls("issue, look_up, look_up")
	})
	t.Run("another order under the number stays another order", func(t *testing.T) {
		w := mini(t)
		w.provider.AnswerIssue(providers.Outcome{Kind: providers.Unknown, Exists: true})
		w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
		w.Done(w.run())
		reopen(w)
		w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
		w.Done(w.run())
		w.state(order.Review, "number_taken")
	})
}

func TestAnAnswerOfAKindNobodyKnowsIsADoubt(t *testing.T) {
	w := mini(t)
	w.provider.AnswerIssue(providers.Outcome{Kind: "invented", Code: "x"})
	w.Waits(w.run())
	w.state(order.Submitting, "x")
	w.provider.AnswerLookUp(providers.Finding{State: "invented"})
	w.Waits(w.run())
	w.calls("issue, look_up")
}
