package issuing_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"issuance/internal/fakeprovider"
	"issuance/internal/handler"
	"issuance/internal/handlertest"
	"issuance/internal/issuing"
	"issuance/providers"
	"issuance/providers/skew"
	"issuance/tasks/order"
)

// identified is a worker of a provider that has to be asked what an order holds.
func (w *world) identified() *issuing.Handler {
	c := w.config("w")
	c.Provider = w.provider.Identified()
	return w.configured(c)
}

// found is a look-up that found an order issued which shows nothing else.
func found() providers.Finding {
	f := fakeprovider.Known(providers.FoundIssued)
	f.Result = result()
	return f
}

// Two systems may use the same numbers. The answer to our first request was lost; it was a rejection.
func TestAnotherSystemsOrderUnderOurNumberIsNeverTakenForOurs(t *testing.T) {
	old := providers.Sight{CreatedAt: handlertest.Start.Add(-time.Hour), Precision: time.Second}
	for name, sight := range map[string]providers.Sight{"an older one": old, "one of other content": {CreatedAt: handlertest.Start, Differs: "quantity"}} {
		t.Run("shown by the look-up/"+name, func(t *testing.T) {
			w := mini(t)
			inDoubt(w)
			f := fakeprovider.Seen(sight)
			if sight.Differs == "" {
				f.Result = result()
			}
			w.provider.AnswerLookUp(f)
			w.Done(w.run())
			w.nothingStored()
			w.calls("issue, look_up")
		})
		t.Run("shown by another question/"+name, func(t *testing.T) {
			w := mini(t)
			inDoubt(w)
			w.provider.AnswerLookUp(found())
			w.provider.AnswerIdentify(sight, fakeprovider.Yes)
			w.Done(w.Run(w.identified(), w.task))
			w.nothingStored()
			w.calls("issue, look_up, identify")
		})
	}
}

// nothingStored expects a review because of the number, with nothing of the order that was found.
func (w *world) nothingStored() {
	w.T.Helper()
	if rec := w.state(order.Review, "number_taken"); rec.Result != "" || rec.ProviderRef != "" {
		w.T.Errorf("of another's order are stored: ref %q, a result of %d bytes", rec.ProviderRef, len(rec.Result))
	}
	w.quiet()
}

// A clock that was not measured may be off by ten minutes; one that was is compared with ours by what it is off.
func TestAnOrderIsOursByTheProvidersOwnClock(t *testing.T) {
	for _, c := range []struct {
		ahead, made time.Duration // of the provider's clock; by the provider's clock
		known       bool
		state       order.State
	}{
		{0, -9 * time.Minute, false, order.Issued},
		{0, -11 * time.Minute, false, order.Review},
		{-5 * time.Minute, -5 * time.Minute, true, order.Issued},
		{-5 * time.Minute, -6 * time.Minute, true, order.Review},
		{5 * time.Minute, 5 * time.Minute, true, order.Issued},
		{5 * time.Minute, 4 * time.Minute, true, order.Review},
	} {
		w := mini(t)
		if c.known {
			w.provider.SetSkew(c.ahead)
		}
		inDoubt(w)
		f := fakeprovider.Seen(providers.Sight{CreatedAt: handlertest.Start.Add(c.made), Precision: time.Second})
		w.provider.AnswerLookUp(f)
		w.Done(w.run())
		if got := w.record().State; got != c.state {
			t.Errorf("clock %s ahead (known: %t), made at %s: %s, want %s", c.ahead, c.known, c.made, got, c.state)
		}
	}
}

// What cannot be asked now is asked again: neither ours nor another's is concluded from silence.
func TestAnOrderWhoseContentCannotBeAskedForIsAskedForAgain(t *testing.T) {
	for name, out := range map[string]providers.Outcome{"no answer": fakeprovider.Lost, "it does not list it yet": fakeprovider.Refused, "held": {Kind: providers.Held, Code: "held"}} {
		t.Run(name, func(t *testing.T) {
			w := mini(t)
			inDoubt(w)
			w.provider.AnswerLookUp(found())
			w.provider.AnswerIdentify(providers.Sight{}, out)
			w.Waits(w.Run(w.identified(), w.task))
			w.state(order.Submitting, out.Code)
			w.provider.AnswerLookUp(found())
			w.provider.AnswerIdentify(providers.Sight{CreatedAt: w.Clock.Now()}, fakeprovider.Yes)
			w.Done(w.Run(w.identified(), w.task))
			w.state(order.Issued, "")
		})
	}
}

// A balancer sent the request twice: the first one took effect, and its answer is the second one's rejection. The
// look-ups are 2 s behind.
func TestARequestThatTookEffectAndWasRejectedIsIssued(t *testing.T) {
	each(t, func(w *world) {
		w.rejected(fakeprovider.Busy)
		began := w.Clock.Now()
		w.Clock.Advance(time.Second)
		w.provider.AnswerLookUp(fakeprovider.Busy)
		w.Clock.Advance(w.Waits(w.run()))
		w.provider.AnswerLookUp(fakeprovider.Seen(providers.Sight{CreatedAt: began, Precision: time.Second}))
		w.Done(w.run())
		w.state(order.Issued, "")
		if took := w.Clock.Now().Sub(began); took > 4*time.Second {
			w.T.Errorf("issued after %s", took)
		}
		// What was seen of the lag is remembered.
		if lag, err := w.Ledger.Lag(context.Background(), ref.Account); err != nil || lag < time.Second || lag > 2*time.Second {
			w.T.Errorf("the lag is %s, %v", lag, err)
		}
	})
}

// A lag is what was seen, not how long no worker looked.
func TestNoWorkerIsNoLag(t *testing.T) {
	w := mini(t)
	w.rejected(fakeprovider.Known(providers.Absent))
	w.Clock.Advance(72 * time.Hour)
	w.provider.AnswerLookUp(fakeprovider.Seen(providers.Sight{CreatedAt: handlertest.Start, Precision: time.Second}))
	w.Done(w.run())
	w.state(order.Issued, "")
	if lag, err := w.Ledger.Lag(context.Background(), ref.Account); err != nil || lag > time.Second {
		w.T.Errorf("the lag is %s, %v", lag, err)
	}
}

// control makes another order of the account that the provider certainly has.
func (w *world) control() {
	w.T.Helper()
	const doc = `{"provider":"ecticket","request":{"MerchantTradeNo":"KNOWN1","IssueType":"1","Operator":"Shop2","CustomerEmail":"` + handlertest.CustomerEmail + `","TicketInfo":[{"ItemNo":"VNS21400","TicketAmount":8}]}}`
	w.OrderIn(order.Issued, doc)
}

// busy has every look-up answered by a rejection that says nothing, for a while.
func (w *world) busy(forAsLongAs time.Duration) {
	w.T.Helper()
	for until := w.Clock.Now().Add(forAsLongAs); w.Clock.Now().Before(until); {
		w.provider.AnswerLookUp(fakeprovider.Busy)
		err := w.run()
		if w.record().State.Final() {
			w.T.Fatalf("ended as %s after %s", w.record().State, forAsLongAs-until.Sub(w.Clock.Now()))
		}
		w.Clock.Advance(w.Waits(err))
	}
}

// "The system is busy" is an authentic rejection of the question, which may be taken for "unknown number".
func TestAProviderThatIsBusyForManyMinutesFailsNoOrder(t *testing.T) {
	w := mini(t)
	w.withTime()
	inDoubt(w)
	w.provider.SetTraits(providers.Traits{SettleAfter: settleAfter, RejectionMayHideDuplicate: true})
	w.provider.AnswerLookUp(fakeprovider.Busy)
	w.provider.AnswerIssue(fakeprovider.Refused) // it has the number: ours
	w.busy(90 * time.Minute)
	w.provider.AnswerLookUp(fakeprovider.Seen(providers.Sight{CreatedAt: handlertest.Start, Precision: time.Second}))
	w.Done(w.run())
	w.state(order.Issued, "")
}

// The rejection stands when the provider finds an order that it certainly has, and not ours.
func TestARejectionIsConfirmedByAnOrderThatTheProviderFinds(t *testing.T) {
	w := mini(t)
	w.control()
	w.rejected(fakeprovider.Busy)
	w.Clock.Advance(30 * time.Second)
	w.provider.AnswerLookUp(fakeprovider.Busy)
	w.provider.AnswerLookUp(fakeprovider.Busy) // it does not even find that one
	w.Clock.Advance(w.Waits(w.run()))
	w.provider.AnswerLookUp(fakeprovider.Busy)
	w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
	w.Done(w.run())
	calls := w.provider.Calls()
	if last := calls[len(calls)-1]; last.Order.ID != "KNOWN1" {
		t.Errorf("the order looked up was %s", last.Order.ID)
	}
	events := w.Events()
	if rec := w.record(); rec.State != order.Failed || rec.Reason.Code != fakeprovider.Refused.Code || events[len(events)-1] != ref.String()+"/failed/1" {
		t.Errorf("%s (%s), %v", rec.State, rec.Reason.Code, events)
	}
}

// "Busy" about one order alone, while the provider finds others, says nothing of it.
func TestAnAnswerThatIsNotTheOneForUnknownNumbersFailsNoOrder(t *testing.T) {
	w := mini(t)
	w.provider.ForUnknown(providers.Finding{State: providers.Absent, Assumed: true, Outcome: providers.Outcome{Kind: providers.Rejected, Code: "10200047"}})
	w.control()
	w.rejected(fakeprovider.Busy)
	for w.Clock.Now().Before(handlertest.Start.Add(time.Hour)) {
		w.Clock.Advance(30 * time.Second)
		w.provider.AnswerLookUp(fakeprovider.Busy)
		w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued)) // another order
		w.Clock.Advance(w.Waits(w.run()))
	}
	if rec := w.record(); rec.State != order.Submitting {
		t.Fatalf("%s (%s)", rec.State, rec.Reason.Code)
	}
	w.provider.AnswerLookUp(fakeprovider.Seen(providers.Sight{CreatedAt: handlertest.Start, Precision: time.Second}))
	w.Done(w.run())
	if rec := w.record(); rec.State != order.Issued {
		t.Fatalf("%s (%s)", rec.State, rec.Reason.Code)
	}
}

// An account's first orders have none to compare with: a rejection stands when no request can arrive any more.
func TestAnAccountWithoutAnIssuedOrderWaitsForASettledRejection(t *testing.T) {
	w := mini(t)
	w.rejected(fakeprovider.Busy)
	w.busy(settleAfter - time.Minute)
	w.Clock.Advance(time.Minute)
	w.provider.AnswerLookUp(fakeprovider.Busy)
	w.Done(w.run())
	w.state(order.Failed, fakeprovider.Refused.Code)
}

// The answer was lost and the order is invisible for 20 s.
func TestAnOrderIsFoundSoonAfterItBecomesVisible(t *testing.T) {
	for _, visible := range []time.Duration{0, 5 * time.Second, 20 * time.Second, 5 * time.Minute} {
		w := mini(t)
		inDoubt(w)
		w.Clock.Advance(time.Second)
		for resent := false; w.Clock.Now().Before(handlertest.Start.Add(visible)); resent = true {
			w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
			if !resent {
				w.provider.AnswerIssue(providers.Outcome{Kind: providers.Unknown, Exists: true})
				w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
			}
			w.Clock.Advance(w.Waits(w.run()))
		}
		w.provider.AnswerLookUp(fakeprovider.Seen(providers.Sight{CreatedAt: handlertest.Start, Precision: time.Second}))
		w.Done(w.run())
		w.state(order.Issued, "")
		if late := w.Clock.Now().Sub(handlertest.Start.Add(visible)); late > 30*time.Second {
			t.Errorf("visible after %s, found %s later", visible, late)
		}
	}
}

// Thirty orders are under way whenever their worker is killed.
func TestAWorkerKilledNineTimesFromOutsideLeavesNoOrderInReview(t *testing.T) {
	w := mini(t)
	ids := make([]order.Ref, 30)
	for i := range ids {
		ids[i] = w.OrderIn(order.Queued, fmt.Sprintf(`{"provider":"ecticket","request":{"MerchantTradeNo":"KILL%d","IssueType":"1","Operator":"Shop2",
			"CustomerEmail":"`+handlertest.CustomerEmail+`","TicketInfo":[{"ItemNo":"VNS21400","TicketAmount":8}]}}`, i))
	}
	for range 9 {
		for _, r := range ids {
			if _, err := w.Ledger.Claim(context.Background(), r, "killed", lease); err != nil {
				t.Fatal(err)
			}
		}
		w.Clock.Advance(lease)
	}
	for _, r := range ids {
		w.provider.AnswerIssue(providers.Outcome{Kind: providers.Accepted})
		w.Done(w.Run(w.worker("w"), w.Task(r)))
		if rec := w.Record(r); rec.State != order.Accepted || rec.Crashes != 0 {
			t.Errorf("%s is %s after %d crashes", r, rec.State, rec.Crashes)
		}
	}
}

// Not being able to work on it alone says nothing of the workers that have died with it.
func TestAnOrderThatCannotBeWorkedOnAloneKeepsItsCount(t *testing.T) {
	w := mini(t)
	for range 2 {
		if _, err := w.Ledger.Claim(context.Background(), ref, "killed", lease); err != nil {
			t.Fatal(err)
		}
		w.Clock.Advance(lease)
	}
	c := w.config("w")
	c.Lease, c.Company = 100*time.Millisecond, handler.NewCompany()
	busy := w.OrderIn(order.Queued, `{"provider":"ecticket","request":{"MerchantTradeNo":"BUSY","IssueType":"1","Operator":"Shop2","CustomerEmail":"`+handlertest.CustomerEmail+`","TicketInfo":[{"ItemNo":"VNS21400","TicketAmount":8}]}}`)
	w.provider.AnswerIssue(providers.Outcome{Kind: providers.Accepted}, func(context.Context) {
		if after := w.Waits(w.Run(w.configured(c), w.task)); after != time.Second {
			t.Errorf("waits %s", after)
		}
		if rec := w.record(); rec.Abandoned != 2 || rec.Runner != "" || rec.State != order.Queued {
			t.Errorf("abandoned %d times, held by %q, %s", rec.Abandoned, rec.Runner, rec.State)
		}
	})
	w.Done(w.Run(w.configured(c), w.Task(busy)))
	w.calls("issue") // the other one's
	w.provider.AnswerIssue(providers.Outcome{Kind: providers.Accepted})
	w.Done(w.Run(w.configured(c), w.task))
	w.state(order.Accepted, "")
}

// The refunds of an order wait for its end, and are woken by it.
func TestTheEndOfAnOrderWakesItsRefunds(t *testing.T) {
	w := mini(t)
	var woken []order.Ref
	c := w.config("w")
	c.Wake = func(_ context.Context, r order.Ref) { woken = append(woken, r) }
	w.EnqueueRefund(`{"provider":"ecticket","refund_id":"R1","request":{"MerchantTradeNo":"ORDER1","all":true}}`)
	w.provider.AnswerIssue(providers.Outcome{Kind: providers.Done, Result: result()})
	w.Done(w.Run(w.configured(c), w.task))
	if len(woken) != 1 || woken[0] != ref {
		t.Errorf("woken: %v", woken)
	}
	if rec := w.record(); rec.State != order.Issued {
		t.Errorf("%s", rec.State)
	}
}

// Two systems may use one number within seconds of each other. What a measured clock cannot be off by makes no stranger's
// order ours, and what it can makes none of ours a stranger's.
func TestAnOrderMadeSecondsBeforeOurRequestIsNotOurs(t *testing.T) {
	exact := providers.Skew{Answers: skew.Enough}
	for _, c := range []struct {
		age   time.Duration // of the order when we first sent ours
		clock providers.Skew
		state order.State
		code  string
	}{
		{2 * time.Second, exact, order.Issued, ""},
		{5 * time.Second, exact, order.Review, "number_taken"},
		{28 * time.Second, exact, order.Review, "number_taken"},
		{5 * time.Second, providers.Skew{Spread: 3 * time.Second, Answers: skew.Enough}, order.Issued, ""},
		{5 * time.Second, providers.Skew{Within: 4 * time.Second, Answers: skew.Enough}, order.Issued, ""},
		{28 * time.Second, providers.Skew{Spread: 4 * time.Second, Answers: skew.Enough}, order.Issued, ""},
	} {
		w := mini(t)
		w.provider.MeasureSkew(c.clock)
		inDoubt(w)
		w.provider.AnswerLookUp(fakeprovider.Seen(providers.Sight{CreatedAt: handlertest.Start.Add(-c.age), Precision: time.Second}))
		w.Done(w.run())
		if rec := w.record(); rec.State != c.state || rec.Reason.Code != c.code {
			t.Errorf("%s older, clock %+v: %s (%s)", c.age, c.clock, rec.State, rec.Reason.Code)
		}
	}
}

// An order that seems a little too old is looked at again until the provider's clock is known well enough.
func TestAnOrderThatSeemsTooOldIsLookedAtUntilTheClockIsKnown(t *testing.T) {
	for _, c := range []struct {
		age         time.Duration
		first, then providers.Skew
		state       order.State
		code        string
	}{
		{3 * time.Minute, providers.Skew{Answers: 2}, providers.Skew{Spread: 4 * time.Minute, Answers: 4}, order.Issued, ""},
		{3 * time.Minute, providers.Skew{Answers: 2}, providers.Skew{Answers: skew.Enough}, order.Review, "number_taken"},
		{28 * time.Second, providers.Skew{Answers: 1}, providers.Skew{Answers: skew.Enough}, order.Review, "number_taken"},
		{6 * time.Second, providers.Skew{Answers: 4}, providers.Skew{Answers: skew.Enough}, order.Review, "number_taken"},
		{28 * time.Second, providers.Skew{Answers: 1}, providers.Skew{Spread: 4 * time.Second, Answers: 5}, order.Issued, ""},
	} {
		w := mini(t)
		w.provider.MeasureSkew(c.first)
		inDoubt(w)
		f := fakeprovider.Seen(providers.Sight{CreatedAt: handlertest.Start.Add(-c.age), Precision: time.Second})
		w.provider.AnswerLookUp(f)
		w.Waits(w.run())
		w.state(order.Submitting, "in_doubt")
		w.provider.MeasureSkew(c.then)
		w.provider.AnswerLookUp(f)
		w.Done(w.run())
		w.state(c.state, c.code)
	}
}
