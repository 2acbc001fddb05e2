package pollers_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hibiken/asynq"

	"issuance/internal/fakeprovider"
	"issuance/internal/handler"
	"issuance/internal/handlertest"
	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/internal/vault"
	"issuance/pollers"
	"issuance/providers"
	"issuance/tasks/order"
)

const document = `{"provider":"ecticket","request":{"MerchantTradeNo":"ORDER1","IssueType":"4","Operator":"Shop1","CustomerEmail":"` + handlertest.CustomerEmail + `",
	"TicketInfo":[{"ItemName":"SPA課程體驗券","TicketPrice":3200,"TicketAmount":2}]}}`

var ref = order.Ref{Account: handlertest.ECTicket, OrderID: "ORDER1"}

// world is one accepted order and its poll task.
type world struct {
	*handlertest.Bench
	provider *fakeprovider.Provider
	task     *asynq.Task
}

func newWorld(b *handlertest.Bench, s order.State) *world {
	b.T.Helper()
	w := &world{Bench: b, provider: fakeprovider.New(b.T, providers.ECTicket)}
	b.OrderIn(s, document)
	w.task = b.PollTask(ref)
	return w
}

func accepted(b *handlertest.Bench) *world { return newWorld(b, order.Accepted) }

func each(t *testing.T, run func(w *world)) {
	t.Helper()
	handlertest.Each(t, func(b *handlertest.Bench) { run(accepted(b)) })
}

func (w *world) handler() *pollers.Handler {
	return pollers.New(pollers.Config{Provider: w.provider, Ledger: w.Ledger, Ring: w.Ring, Log: w.Log})
}

func (w *world) run() error { return w.Run(w.handler(), w.task) }

// pending has the provider answer "not yet" to the next poll and returns the wait after it.
func (w *world) pending() time.Duration {
	w.T.Helper()
	w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundPending))
	return w.Waits(w.run())
}

func (w *world) state(want order.State, code string, polls int) *ledger.Record {
	w.T.Helper()
	rec := w.Record(ref)
	if rec.State != want || rec.Reason.Code != code || rec.Polls != polls {
		w.T.Errorf("the order is %s (%q: %s) after %d polls, want %s (%q) after %d", rec.State, rec.Reason.Code, rec.Reason.Message, rec.Polls, want, code, polls)
	}
	published := len(w.Events()) == 1 && w.Events()[0] == ref.String()+"/"+string(want)+"/1"
	if want.Final() != published {
		w.T.Errorf("the events are %v", w.Events())
	}
	return rec
}

func (w *world) calls(want string) {
	w.T.Helper()
	if got := w.provider.Sequence(); got != want {
		w.T.Errorf("the provider was called %q, want %q", got, want)
	}
}

// soon expects the wait of a call that never left.
func (w *world) soon(got time.Duration) {
	w.T.Helper()
	if got < time.Second || got > 10*time.Second {
		w.T.Errorf("waits %s", got)
	}
}

// near expects a wait of the schedule, less its jitter.
func (w *world) near(got, want time.Duration) {
	w.T.Helper()
	if got > want || got < want-want/10 {
		w.T.Errorf("waits %s, want %s less up to a tenth", got, want)
	}
}

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

func TestAnOrderTheProviderCouldNotIssueFailsWithItsReason(t *testing.T) {
	w := accepted(handlertest.Mini(t))
	for range 2 {
		w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundFailed))
		if err := w.run(); err != nil {
			w.Clock.Advance(w.Waits(err))
		}
	}
	if rec := w.state(order.Failed, "status_2", 2); rec.Reason.Message != "issuing failed" {
		t.Errorf("the message is %q", rec.Reason.Message)
	}
	if took := w.Clock.Now().Sub(handlertest.Start); took > 32*time.Second {
		t.Errorf("failed after %s", took)
	}
}

// An answer of a machine that is behind, or an old one that is sent again, ends no order.
func TestOneAnswerThatIssuingFailedEndsNothing(t *testing.T) {
	each(t, func(w *world) {
		w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundFailed))
		w.Waits(w.run())
		w.state(order.Accepted, "status_2", 1)
		// Woken much too soon, it is not ended by another one either.
		w.Clock.Advance(5 * time.Second)
		w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundFailed))
		w.Clock.Advance(w.Waits(w.run()) - 10*time.Second)
		w.state(order.Accepted, "status_2", 1)
		// Nor by two between which the provider said otherwise.
		w.pending()
		w.Clock.Advance(time.Hour)
		w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundFailed))
		w.Clock.Advance(w.Waits(w.run()))
		w.state(order.Accepted, "status_2", 3)
		w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
		w.Done(w.run())
		w.state(order.Issued, "", 4)
	})
}

// However often it is asked for, by tasks of which there are too many, it fails as soon as a second look may say so.
func TestPollsThatComeTooSoonDoNotPutTheSecondLookOff(t *testing.T) {
	w := accepted(handlertest.Mini(t))
	for w.Record(ref).State == order.Accepted && w.Clock.Now().Before(handlertest.Start.Add(time.Hour)) {
		w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundFailed))
		if err := w.run(); err != nil {
			w.Waits(err)
			w.Clock.Advance(7 * time.Second)
		}
	}
	w.state(order.Failed, "status_2", 2)
	if took := w.Clock.Now().Sub(handlertest.Start); took > 35*time.Second {
		t.Errorf("failed after %s", took)
	}
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

func TestAnAnswerIsNotAppliedToAnOrderThatHasChangedMeanwhile(t *testing.T) {
	for name, answer := range map[string]providers.Finding{
		"pending": fakeprovider.Known(providers.FoundPending), "failed": fakeprovider.Known(providers.FoundFailed), "unclear": fakeprovider.Known(providers.Unclear),
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(w *world) {
				w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
				slow := fakeprovider.New(w.T, ref.Account.Provider) // the poll whose answer comes late
				slow.AnswerLookUp(answer, func(context.Context) {
					w.Waits(w.run()) // one asks at a time
					w.Clock.Advance(handler.Lease)
					w.Done(w.run())
				})
				h := pollers.New(pollers.Config{Provider: slow, Ledger: w.Ledger, Ring: w.Ring, Log: w.Log})
				w.Done(w.Run(h, w.task))
				w.state(order.Issued, "", 1)
			})
		})
	}
}

func TestAnOrderThatIsNotAcceptedIsLeftAlone(t *testing.T) {
	for _, s := range []order.State{order.Queued, order.Submitting, order.Failed, order.Cancelled, order.Review, order.Issued} {
		w := newWorld(handlertest.Mini(t), s)
		w.Done(w.run())
		w.calls("")
		if rec := w.Record(ref); rec.State != s || rec.Polls != 0 {
			t.Errorf("the order is %s after %d polls, it was %s", rec.State, rec.Polls, s)
		}
	}
}

func TestAFinishedOrderWithoutItsEventGetsIt(t *testing.T) {
	w := newWorld(handlertest.Mini(t), order.Issued)
	if err := w.RDB.HDel(t.Context(), keys.Record(ref), "event").Err(); err != nil {
		t.Fatal(err)
	}
	if err := w.RDB.Del(t.Context(), keys.Events).Err(); err != nil {
		t.Fatal(err)
	}
	w.Done(w.run())
	if diff := cmp.Diff([]string{"ecticket:2000132/ORDER1/issued/1"}, w.Events()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// Who can merely write to the queue must not have anything asked, nor leave anything behind.
func TestAPollWithoutARecordAsksNobodyRaisesAnAlarmAndWritesNothing(t *testing.T) {
	each(t, func(w *world) {
		w.Forget(ref)
		before := w.Redis.Dump(w.T.Context())
		w.Done(w.run())
		w.calls("")
		if !w.Said("alarm: a task names an order or refund that the ledger does not know") {
			w.T.Error("no alarm was raised")
		}
		if diff := cmp.Diff(before, w.Redis.Dump(w.T.Context())); diff != "" {
			w.T.Errorf("Redis has changed:\n%s", diff)
		}
	})
}

// A poll needs no more of its payload than whose order it is.
func TestAPollOfANewerVersionIsMade(t *testing.T) {
	w := accepted(handlertest.Mini(t))
	w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
	w.Done(w.Run(w.handler(), asynq.NewTask("poll:ecticket", []byte(`{"v":9,"ref":"ecticket:2000132/ORDER1","lane":{"of":"the future"}}`))))
	w.state(order.Issued, "", 1)
}

func TestAPollOfAnotherAccountIsKeptAndRubbishIsDropped(t *testing.T) {
	w := accepted(handlertest.Mini(t))
	for payload, kept := range map[string]bool{
		`{"v":2,"ref":"pass2u:main/ORDER1"}`: true, `{"v":2,"ref":"ecticket:3085676/ORDER1"}`: true,
		`{"v":2,"ref":"ecticket:2000132/ORDER1/R1"}`: true,
		`{"v":2}`: false, "": false, `{"v":9,"ref":{"of":"the future"}}`: false,
	} {
		err := w.Run(w.handler(), asynq.NewTask("poll:ecticket", []byte(payload)))
		if kept {
			w.Waits(err)
		} else {
			w.Done(err)
		}
	}
	w.calls("")
}

func TestARecordSealedWithAMissingKeyWaitsAndADamagedOneNeedsReview(t *testing.T) {
	w := accepted(handlertest.Mini(t))
	ring := w.Ring
	w.Ring = handlertest.Ring(t, 2)
	w.Clock.Advance(25 * time.Hour)
	if after := w.Waits(w.run()); after > 10*time.Second {
		t.Errorf("waits %s for its key", after)
	}
	w.state(order.Accepted, "", 0)
	w.Ring = ring
	w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
	w.Done(w.run())
	w.state(order.Issued, "", 1)

	w = accepted(handlertest.Mini(t))
	if err := w.RDB.HSet(t.Context(), keys.Record(ref), "doc", "damaged").Err(); err != nil {
		t.Fatal(err)
	}
	w.Done(w.run())
	w.state(order.Review, "unreadable_document", 0)
	w.calls("")
}

func TestATaskThatIsCancelledInTheMiddleOfAPollLosesNoAnswer(t *testing.T) {
	each(t, func(w *world) {
		ctx, cancel := context.WithCancel(context.Background())
		w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued), func(inCall context.Context) {
			cancel()
			<-inCall.Done()
		})
		w.Done(w.RunContext(ctx, w.handler(), w.task))
		w.state(order.Issued, "", 1)
	})
}

func TestNoTicketAndNoCustomersDataIsLoggedReturnedOrStoredInTheClear(t *testing.T) {
	each(t, func(w *world) {
		w.provider.NeedTickets(1)
		w.provider.AnswerLookUp(fakeprovider.Known(providers.FoundIssued))
		w.provider.AnswerTickets([]providers.Ticket{{TicketNo: handlertest.TicketNo, WriteOffNo: handlertest.WriteOffNo}}, fakeprovider.Yes)
		w.Done(w.run())
		for _, text := range []string{`"msg":"asked"`, "fetched the tickets", `"msg":"final"`} {
			if !w.Said(text) {
				w.T.Errorf("%q was not said", text)
			}
		}
		if leaks := w.Leaks(); len(leaks) != 0 {
			w.T.Errorf("secrets in %v", leaks)
		}
	})
}
