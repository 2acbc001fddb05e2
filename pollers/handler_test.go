package pollers_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/internal/vault"
	"issuance/providers"
	"issuance/tasks/order"
)

func TestAPendingOrderIsPolledByTheSchedule(t *testing.T) {
	each(t, func(w *world) {
		w.Clock.Advance(time.Minute)
		w.near(w.pending(), time.Minute)
		rec := w.state(order.Accepted, "", 1)
		if rec.PolledAt != handlertest.Start.Add(time.Minute) {
			w.T.Errorf("polled at %s", rec.PolledAt)
		}
		w.Clock.Advance(8*time.Minute + 45*time.Second)
		w.near(w.pending(), 3*time.Minute+22*time.Second+500*time.Millisecond)
		w.Clock.Advance(10 * time.Hour)
		w.near(w.pending(), 10*time.Minute)
		w.state(order.Accepted, "", 3)
		w.calls("look_up, look_up, look_up")
	})
}

func TestAnIssuedOrderIsRecordedOnce(t *testing.T) {
	each(t, func(w *world) {
		w.pending()
		f := fakeprovider.Known(providers.FoundIssued)
		f.Result = &providers.Result{Ref: "REF2", Access: &providers.Access{URL: handlertest.VoucherURL, Passcode: handlertest.Passcode}}
		w.provider.AnswerLookUp(f)
		w.Done(w.run())
		rec := w.state(order.Issued, "", 2)
		res, err := vault.OpenResult(w.Ring, ref, rec.Result)
		if diff := cmp.Diff(f.Result, res); diff != "" || err != nil || rec.ProviderRef != "REF2" {
			w.T.Errorf("ref %s, %v; the result (-want +got):\n%s", rec.ProviderRef, err, diff)
		}
		w.Done(w.run())
		w.state(order.Issued, "", 2)
		w.calls("look_up, look_up")
	})
}

func TestAnOrderThatVanishesIsPolledOnAndNeverSentAgain(t *testing.T) {
	each(t, func(w *world) {
		// Soon at first, because the provider may only be behind, and then by the schedule.
		for _, want := range []time.Duration{2 * time.Second, 30 * time.Second, time.Minute} {
			w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
			w.near(w.Waits(w.run()), want)
			w.Clock.Advance(time.Minute)
		}
		w.state(order.Accepted, "absent", 3)
		w.pending()
		w.state(order.Accepted, "", 4)
		w.calls("look_up, look_up, look_up, look_up")
	})
}

func TestAPollThatLearnedNothingIsCountedAndRepeated(t *testing.T) {
	w := accepted(handlertest.Mini(t))
	w.provider.AnswerLookUp(fakeprovider.Known(providers.Unclear))
	w.near(w.Waits(w.run()), 2*time.Second) // an outage need not last
	w.state(order.Accepted, fakeprovider.Lost.Code, 1)
	later := fakeprovider.Known(providers.Unclear)
	later.Outcome.RetryAfter = 5 * time.Minute
	w.provider.AnswerLookUp(later)
	if after := w.Waits(w.run()); after != 5*time.Minute {
		t.Errorf("it waits %s, the answer said 5 minutes", after)
	}
	w.Clock.Advance(20 * time.Second)
	w.provider.AnswerLookUp(fakeprovider.Known(providers.Unclear))
	w.near(w.Waits(w.run()), 10*time.Second)
	w.Clock.Advance(time.Hour)
	w.provider.AnswerLookUp(fakeprovider.Known(providers.Unclear))
	w.near(w.Waits(w.run()), 10*time.Minute) // and where it lasts for one order only, its schedule counts
}

// Whatever the provider turns us away for, it is not asked every second.
func TestAPollThatIsTurnedAwayWaits(t *testing.T) {
	w := accepted(handlertest.Mini(t))
	w.provider.AnswerLookUp(providers.Finding{State: providers.Unclear, Outcome: fakeprovider.Untaken})
	w.near(w.Waits(w.run()), 10*time.Second)
	w.state(order.Accepted, "", 0)
	if w.Said("alarm") {
		t.Error("an order raised the account's alarm")
	}
}

func TestAHeldPollIsNoPoll(t *testing.T) {
	each(t, func(w *world) {
		w.Clock.Advance(48 * time.Hour) // not even a reason to give up: nobody has asked
		for _, out := range []providers.Outcome{
			{Kind: providers.Held, Code: "held", Message: "call budget", RetryAfter: 2 * time.Second},
			{Kind: providers.Held, Code: "credentials", Message: "check the ref", RetryAfter: 2 * time.Second, Alarm: true},
		} {
			w.provider.AnswerLookUp(providers.Finding{State: providers.Unclear, Outcome: out})
			if after := w.Waits(w.run()); after != 2*time.Second {
				w.T.Errorf("waits %s", after)
			}
		}
		w.state(order.Accepted, "", 0)
		if w.Said("alarm") {
			w.T.Error("an order raised the account's alarm")
		}
	})
}

func TestASerialNumberOrderEndsOnlyWithAllItsTickets(t *testing.T) {
	each(t, func(w *world) {
		w.provider.NeedTickets(2)
		ticket := func(n string) providers.Ticket {
			return providers.Ticket{TicketNo: handlertest.TicketNo + n, WriteOffNo: handlertest.WriteOffNo, UseStatus: providers.Unused}
		}
		answers := []struct {
			list []providers.Ticket
			out  providers.Outcome
			code string
		}{
			{[]providers.Ticket{ticket("1"), ticket("2")}, fakeprovider.Lost, "timeout"}, // half an answer is none
			{nil, fakeprovider.Yes, "ticket_count"},
			{[]providers.Ticket{ticket("1")}, fakeprovider.Yes, "ticket_count"},
			{[]providers.Ticket{ticket("1"), ticket("2"), ticket("3")}, fakeprovider.Yes, "ticket_count"},
		}
		for i, a := range answers {
			w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
			w.provider.AnswerTickets(a.list, a.out)
			w.Waits(w.run())
			w.state(order.Accepted, a.code, i+1)
		}
		w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
		w.provider.AnswerTickets([]providers.Ticket{ticket("1"), ticket("2")}, fakeprovider.Yes)
		w.Done(w.run())
		rec := w.state(order.Issued, "", 5)
		res, err := vault.OpenResult(w.Ring, ref, rec.Result)
		if diff := cmp.Diff([]providers.Ticket{ticket("1"), ticket("2")}, res.Tickets); diff != "" || err != nil || res.Ref != "REF1" || rec.ProviderRef != "REF1" {
			w.T.Errorf("ref %q and %q, %v; the tickets (-want +got):\n%s", res.Ref, rec.ProviderRef, err, diff)
		}
	})
}
