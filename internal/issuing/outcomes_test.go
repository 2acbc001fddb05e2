package issuing_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/internal/issuing"
	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

func TestAnAcceptedOrderIsFollowedUp(t *testing.T) {
	each(t, func(w *world) {
		w.provider.AnswerIssue(providers.Outcome{Kind: providers.Accepted, Result: &providers.Result{Ref: "REF1"}})
		w.Done(w.run())
		rec := w.state(order.Accepted, "")
		if rec.ProviderRef != "REF1" || rec.Attempts != 1 || rec.Result != "" || rec.AcceptedAt != handlertest.Start {
			w.T.Errorf("the record holds ref %q, %d attempts, result %q, accepted at %s", rec.ProviderRef, rec.Attempts, rec.Result, rec.AcceptedAt)
		}
		if diff := cmp.Diff([]follow{{ref, issuing.FollowSchedule}}, w.follower.list, cmp.AllowUnexported(follow{})); diff != "" {
			w.T.Errorf("followed (-want +got):\n%s", diff)
		}
		w.calls("issue")
	})
}

// An order that the provider issues at once (paper) ends in the run that sent it.
func TestPaperIsAskedForAtOnce(t *testing.T) {
	each(t, func(w *world) {
		w.provider.SetIssuesAtOnce(true)
		w.provider.AnswerIssue(providers.Outcome{Kind: providers.Accepted, Result: &providers.Result{Ref: "REF1"}})
		w.provider.AnswerLookUp(providers.Finding{State: providers.FoundIssued, Result: &providers.Result{Ref: "REF1"}}, func(context.Context) {
			if rec := w.record(); rec.State != order.Accepted || rec.Runner != "" {
				w.T.Errorf("asked for while the order is %s", rec.State)
			}
		})
		w.Done(w.run())
		w.calls("issue, look_up")
		if rec := w.state(order.Issued, ""); rec.ProviderRef != "REF1" || rec.Polls != 1 || rec.Attempts != 1 {
			w.T.Errorf("ref %q, polls %d, attempts %d", rec.ProviderRef, rec.Polls, rec.Attempts)
		}
		if len(w.follower.list) != 0 {
			w.T.Errorf("followed %v", w.follower.list)
		}
		w.quiet()
	})
}

// Any other answer than "issued" is left to the poller, which knows what to do with it; one that
// needs another call for its tickets, too.
func TestPaperThatIsNotIssuedYetIsFollowed(t *testing.T) {
	for name, c := range map[string]struct {
		finding providers.Finding
		need    int
		delay   time.Duration
	}{
		"pending": {finding: providers.Finding{State: providers.FoundPending}, delay: issuing.FollowSchedule},
		"absent":  {finding: providers.Finding{State: providers.Absent}, delay: issuing.FollowSchedule},
		"failed":  {finding: providers.Finding{State: providers.FoundFailed, Outcome: providers.Outcome{Kind: providers.Rejected, Code: "C"}}},
		"unclear": {finding: providers.Finding{State: providers.Unclear, Outcome: providers.Outcome{Kind: providers.Held}}},
		"tickets": {finding: providers.Finding{State: providers.FoundIssued}, need: 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := mini(t)
			w.provider.SetIssuesAtOnce(true)
			w.provider.NeedTickets(c.need)
			w.provider.AnswerIssue(providers.Outcome{Kind: providers.Accepted})
			w.provider.AnswerLookUp(c.finding)
			w.Done(w.run())
			w.state(order.Accepted, "")
			if diff := cmp.Diff([]follow{{ref, c.delay}}, w.follower.list, cmp.AllowUnexported(follow{})); diff != "" {
				t.Errorf("followed (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPaperWhoseWorkerDiedWhileAskingIsFollowed(t *testing.T) {
	w := mini(t)
	w.provider.SetIssuesAtOnce(true)
	w.provider.AnswerIssue(providers.Outcome{Kind: providers.Accepted})
	w.provider.AnswerLookUp(providers.Finding{State: providers.FoundIssued}, handlertest.Dies)
	if err := w.run(); !errors.Is(err, handlertest.ErrDied) {
		t.Fatal(err)
	}
	w.Done(w.run())
	w.state(order.Accepted, "")
	w.calls("issue, look_up")
	if diff := cmp.Diff([]follow{{ref, 0}}, w.follower.list, cmp.AllowUnexported(follow{})); diff != "" {
		t.Errorf("followed (-want +got):\n%s", diff)
	}
}

func TestAnAcceptedOrderIsFollowedEvenIfItsWorkerDiedBeforeDoingSo(t *testing.T) {
	w := mini(t)
	w.follower.err = errors.New("Redis is away")
	w.provider.AnswerIssue(providers.Outcome{Kind: providers.Accepted})
	if err := w.run(); err == nil {
		t.Fatal("a follow-up that failed was taken for done")
	}
	w.follower.err = nil
	w.Done(w.run())
	w.state(order.Accepted, "")
	if len(w.follower.list) != 2 {
		t.Errorf("followed %v", w.follower.list)
	}
	w.calls("issue")
}

func TestAnOrderDoneAtOnceIsIssuedWithItsResultSealed(t *testing.T) {
	each(t, func(w *world) {
		w.provider.AnswerIssue(providers.Outcome{Kind: providers.Done, Result: result()})
		w.Done(w.run())
		rec := w.state(order.Issued, "")
		if rec.ProviderRef != "REF1" || rec.FinalAt != handlertest.Start {
			w.T.Errorf("ref %q, final at %s", rec.ProviderRef, rec.FinalAt)
		}
		if diff := cmp.Diff(result(), w.opened()); diff != "" {
			w.T.Errorf("the result that was sealed (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"ecticket:2000132/ORDER1/issued/1"}, w.Events()); diff != "" {
			w.T.Errorf("events (-want +got):\n%s", diff)
		}
		if open, err := w.Ledger.OpenCount(context.Background(), ref.Account); open != 0 || err != nil {
			w.T.Errorf("%d open records, %v", open, err)
		}
		w.quiet()
	})
}

func TestTheProviderIsGivenTheDocumentAsItCame(t *testing.T) {
	w := mini(t)
	w.provider.AnswerIssue(providers.Outcome{Kind: providers.Done, Result: result()})
	w.Done(w.run())
	w.sent(0, document)
	if o := w.provider.Calls()[0].Order; o.Ref != "" {
		t.Errorf("an order that was never sent has the provider's id %q", o.Ref)
	}
}

func TestTheFirstRejectionIsTheEndWhereItsCodeIsPlain(t *testing.T) {
	each(t, func(w *world) {
		w.provider.AnswerIssue(fakeprovider.Refused)
		w.Done(w.run())
		rec := w.state(order.Failed, fakeprovider.Refused.Code)
		if rec.Reason.Message != fakeprovider.Refused.Message {
			w.T.Errorf("the message is %q", rec.Reason.Message)
		}
		w.calls("issue")
		w.quiet()
	})
}

// One look is no end: the provider may not show yet what it has done. The second one comes 30 s later.
func TestARejectionThatMayHideADuplicateIsConfirmedByTwoLooks(t *testing.T) {
	each(t, func(w *world) {
		w.rejected(fakeprovider.Known(providers.Absent))
		w.Clock.Advance(30*time.Second - time.Millisecond)
		w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
		w.Waits(w.run())
		w.state(order.Submitting, fakeprovider.Refused.Code)
		w.Clock.Advance(time.Millisecond)
		w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
		w.Done(w.run())
		w.state(order.Failed, fakeprovider.Refused.Code)
		w.calls("issue, look_up, look_up, look_up")
		w.quiet()
	})
}

// What a look without a clear answer said is no longer the last result when a later look is answered: the rejection is.
func TestARejectionIsTheLastResultAgainOnceALookIsAnswered(t *testing.T) {
	w := mini(t)
	w.rejected(fakeprovider.Known(providers.Absent))
	unclear := fakeprovider.Known(providers.Unclear)
	unclear.Outcome.Code, unclear.Outcome.Message = "trans_1004", "decrypt"
	w.provider.AnswerLookUp(unclear)
	w.Waits(w.run())
	w.state(order.Submitting, "trans_1004")
	w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
	w.Waits(w.run())
	if rec := w.state(order.Submitting, fakeprovider.Refused.Code); rec.Reason.Message != fakeprovider.Refused.Message {
		t.Errorf("%+v", rec.Reason)
	}
}

// rejected has the order's first request rejected by a code that may hide a duplicate, and looked up.
func (w *world) rejected(f providers.Finding) {
	w.T.Helper()
	w.provider.SetTraits(providers.Traits{SettleAfter: settleAfter, RejectionMayHideDuplicate: true})
	w.provider.AnswerIssue(fakeprovider.Refused)
	w.provider.AnswerLookUp(f)
	if after := w.Waits(w.run()); after != time.Second {
		w.T.Errorf("looked up again after %s", after)
	}
}

// A provider that tells duplicates from other rejections may still reject a copy of a request that took effect for what that
// has used up: such a rejection is looked at, any other is the end.
func TestARejectionThatACopyMayHaveDrawnIsLookedAt(t *testing.T) {
	w := mini(t)
	out := fakeprovider.Refused
	out.MayHide = true
	w.provider.AnswerIssue(out)
	w.provider.AnswerLookUp(fakeprovider.Seen(providers.Sight{CreatedAt: w.Clock.Now(), Precision: time.Second}))
	w.Done(w.run())
	w.state(order.Issued, "")
	w.calls("issue, look_up")

	w = mini(t)
	w.provider.AnswerIssue(fakeprovider.Refused)
	w.Done(w.run())
	w.state(order.Failed, fakeprovider.Refused.Code)
	w.calls("issue")
}

// Nothing that is shown of the order decides whose it is.
func TestAnotherOrderUnderOurNumberIsNotOurs(t *testing.T) {
	w := mini(t)
	w.provider.SetTraits(providers.Traits{SettleAfter: settleAfter, RejectionMayHideDuplicate: true})
	w.provider.AnswerIssue(fakeprovider.Refused)
	w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
	w.Done(w.run())
	w.state(order.Review, "number_taken")
	w.quiet()
}

// Ours or another's: nothing was issued under the number, and it can be used no more. The poller looks a second time.
func TestAnOrderUnderOurNumberThatFailedIsNoQuestionOfWhose(t *testing.T) {
	w := mini(t)
	w.provider.SetTraits(providers.Traits{SettleAfter: settleAfter, RejectionMayHideDuplicate: true})
	w.provider.AnswerIssue(fakeprovider.Refused)
	w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundFailed))
	w.Done(w.run())
	if rec := w.state(order.Accepted, "status_2"); !rec.Unproven || rec.ProviderRef != "" {
		t.Errorf("unproven: %v, ref %q", rec.Unproven, rec.ProviderRef)
	}
	if diff := cmp.Diff([]follow{{ref, 31 * time.Second}}, w.follower.list, cmp.AllowUnexported(follow{})); diff != "" {
		t.Errorf("followed (-want +got):\n%s", diff)
	}
}

// What is not issued yet may be a copy of our request: it shows whose it is once it is issued.
func TestAnOrderThatIsNotIssuedYetIsRecognisedLater(t *testing.T) {
	w := mini(t)
	w.rejected(fakeprovider.Known(providers.FoundPending))
	w.state(order.Submitting, "number_exists")
	w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
	w.Done(w.run())
	w.state(order.Review, "number_taken")
}

func TestAnotherOrderIsNotOursAfterRequestsThatNeverLeftEither(t *testing.T) {
	w := mini(t)
	w.provider.AnswerIssue(fakeprovider.Unreached)
	w.Waits(w.run())
	w.provider.AnswerIssue(providers.Outcome{Kind: providers.Unknown, Code: "duplicate", Exists: true})
	w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
	w.Done(w.run())
	w.state(order.Review, "number_taken")
	w.calls("issue, issue, look_up")
}

func TestAnotherOrderIsRecognisedEvenWhenTheFirstLookUpLearnedNothing(t *testing.T) {
	w := mini(t)
	w.provider.AnswerIssue(providers.Outcome{Kind: providers.Unknown, Code: "duplicate", Exists: true})
	w.provider.AnswerLookUp(fakeprovider.Known(providers.Unclear))
	w.Waits(w.run())
	w.state(order.Submitting, fakeprovider.Lost.Code)
	w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
	w.Done(w.run())
	w.state(order.Review, "number_taken")
	w.calls("issue, look_up, look_up")
}

func TestWhatCertainlyHadNoEffectIsSentAgain(t *testing.T) {
	each(t, func(w *world) {
		w.provider.AnswerIssue(fakeprovider.Unreached)
		first := w.Waits(w.run())
		w.state(order.Queued, fakeprovider.Unreached.Code)
		w.provider.AnswerIssue(providers.Outcome{Kind: providers.NotSent, RetryAfter: 40 * time.Second})
		if second := w.Waits(w.run()); first > 2*time.Second || second != 40*time.Second {
			w.T.Errorf("waits %s, and %s where the answer said 40 s", first, second)
		}
		w.provider.AnswerIssue(providers.Outcome{Kind: providers.Accepted})
		w.Done(w.run())
		if rec := w.state(order.Accepted, ""); rec.Attempts != 3 {
			w.T.Errorf("%d attempts", rec.Attempts)
		}
		w.calls("issue, issue, issue")
	})
}

// Refused credentials are the account's trouble: its health raises the alarm, once, and not every order its own.
func TestRefusedCredentialsWait(t *testing.T) {
	w := mini(t)
	w.provider.AnswerIssue(providers.Outcome{Kind: providers.Held, Code: "credentials", Message: "check the key", Alarm: true, RetryAfter: 10 * time.Minute})
	if after := w.Waits(w.run()); after != 10*time.Minute {
		t.Errorf("waits %s", after)
	}
	w.state(order.Queued, "credentials")
	if w.Said("alarm") {
		t.Error("an order raised the account's alarm")
	}
}

func TestAFinishedOrderWithoutItsEventGetsIt(t *testing.T) {
	each(t, func(w *world) {
		w.provider.AnswerIssue(providers.Outcome{Kind: providers.Done})
		w.Done(w.run())
		ctx := context.Background()
		// A worker died between the final status and its event.
		if err := w.RDB.HDel(ctx, keys.Record(ref), "event").Err(); err != nil {
			w.T.Fatal(err)
		}
		if err := w.RDB.Del(ctx, keys.Events).Err(); err != nil {
			w.T.Fatal(err)
		}
		w.Done(w.run())
		w.state(order.Issued, "")
		w.calls("issue")
	})
}

func TestWhatAPersonHasResolvedStays(t *testing.T) {
	for _, as := range []order.State{order.Issued, order.Failed} {
		w := mini(t)
		w.provider.AnswerIssue(providers.Outcome{Kind: providers.Unknown, Exists: true})
		w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
		w.Done(w.run())
		w.state(order.Review, "number_taken")
		a, err := w.Ledger.Resolve(context.Background(), ref, ledger.Resolution{State: as, Who: "op", Reason: "asked"})
		if err != nil || !a.Applied {
			t.Fatalf("resolve: %+v, %v", a, err)
		}
		w.quiet()
		if rec := w.record(); rec.State != as || rec.ResolvedBy != "op" {
			t.Errorf("the order is %s, resolved by %q", rec.State, rec.ResolvedBy)
		}
		if got := w.Events(); got[len(got)-1] != "ecticket:2000132/ORDER1/"+string(as)+"/2" {
			t.Errorf("events %v", got)
		}
	}
}
