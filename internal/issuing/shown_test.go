package issuing_test

import (
	"testing"
	"time"

	"issuance/internal/fakeprovider"
	"issuance/internal/handler"
	"issuance/internal/handlertest"
	"issuance/internal/issuing"
	"issuance/pollers"
	"issuance/providers"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/tasks/order"
)

// A confirmation that shows other tickets than were ordered is one: the order is not sent again. Nothing of it is stored before
// it was compared, and an order that is issued at once is not issued unseen either.
func TestAConfirmationThatShowsOtherTicketsIsStillToBeCompared(t *testing.T) {
	for _, atOnce := range []bool{false, true} {
		each(t, func(w *world) {
			w.provider.SetIssuesAtOnce(atOnce)
			w.provider.AnswerIssue(providers.Outcome{Kind: providers.Accepted, Differs: "TicketAmount", Result: result()})
			w.Done(w.run())
			if rec := w.state(order.Accepted, ""); !rec.Unproven || rec.ProviderRef != "" || rec.Result != "" {
				w.T.Errorf("unproven %v, stored: ref %q, a result of %d bytes", rec.Unproven, rec.ProviderRef, len(rec.Result))
			}
			if got := w.provider.Sequence(); got != "issue" {
				w.T.Errorf("the calls were %q", got)
			}
		})
	}
}

// An order that is found issued with fewer tickets, and one that failed with some, are left to the poller.
func TestAnOrderFoundWithFewerTicketsIsNotItsEnd(t *testing.T) {
	for state, code := range map[providers.FindingState]string{providers.FoundIssued: "", providers.FoundFailed: "ticket_count"} {
		each(t, func(w *world) {
			few := fakeprovider.Known(state)
			few.Sight = &providers.Sight{CreatedAt: handlertest.Start.Add(time.Minute), Precision: time.Second, Partial: true, Shown: 1, Ordered: 2}
			w.provider.AnswerIssue(fakeprovider.Lost)
			w.provider.AnswerLookUp(few)
			w.Clock.Advance(w.Waits(w.run()))
			w.Done(w.run())
			if rec := w.state(order.Accepted, code); rec.Unproven != (state == providers.FoundIssued) || rec.Result != "" {
				w.T.Errorf("unproven %v, a result of %d bytes", rec.Unproven, len(rec.Result))
			}
		})
	}
}

// What ECTicket shows of an order decides whether it is issued: an order whose answers agree costs no further question.
func TestAnOrderIsIssuedOnlyAsItWasOrdered(t *testing.T) {
	const asOrdered, few, others, half = "as ordered", "fewer tickets", "another item", "failed, and one ticket"
	for name, want := range map[string]struct {
		state order.State
		code  string
	}{asOrdered: {order.Issued, ""}, few: {order.Review, "overdue"}, others: {order.Review, "number_taken"}, half: {order.Review, "ticket_count"}} {
		t.Run(name, func(t *testing.T) {
			b := handlertest.Mini(t)
			sim := ecticketsim.New(ecticketsim.Config{Now: b.Clock.Now})
			asked := map[string]int{}
			sim.SetTwist(func(c ecticketsim.Call, a map[string]any) {
				asked[c.Op]++
				list, listed := a["TicketList"].([]any)
				lines, repeated := a["TicketData"].([]any)
				switch {
				case name == few && repeated:
					lines[0].(map[string]any)["TicketAmount"] = 1
				case name == few && listed:
					a["TicketList"], a["TotalCount"] = list[:1], 1
				case name == others:
					for _, x := range append(list, lines...) {
						x.(map[string]any)["ItemNo"] = "OTHER001"
					}
				case name == half && listed:
					a["TicketList"], a["Status"] = list[:1], 2
				case name == half && a["Status"] != nil:
					a["Status"], a["Remark"] = 2, "sold out"
				}
			})
			p := clientOf(b, sim)
			task := b.Enqueue(sites[0].doc)
			issue := issuing.New(handler.Config{Provider: p, Ledger: b.Ledger, Ring: b.Ring, Worker: "w", Rules: b.ProviderRules, Log: b.Log}, &follower{})
			poll := pollers.New(pollers.Config{Provider: p, Ledger: b.Ledger, Ring: b.Ring, Log: b.Log})
			b.Done(b.Run(issue, task))
			for n := 0; b.Record(ref).State == order.Accepted && n < 2000; n++ {
				if err := b.Run(poll, b.PollTask(ref)); err != nil {
					b.Clock.Advance(b.Waits(err))
				}
			}
			if rec := b.Record(ref); rec.State != want.state || rec.Reason.Code != want.code {
				t.Errorf("%s (%s: %s) after %v", rec.State, rec.Reason.Code, rec.Reason.Message, asked)
			}
			if asked[ecticketsim.OpIssue] != 1 || name == asOrdered && asked[ecticketsim.OpQueryOrderInfo] > 0 {
				t.Errorf("the calls were %v", asked)
			}
		})
	}
}

// An order that the provider has shown under our number does not vanish: an answer that does not know it, from a machine that
// lags, neither sends it again nor ends it before it was seen whose it is.
func TestAnOrderThatWasShownDoesNotVanish(t *testing.T) {
	t.Run("a lost request", func(t *testing.T) {
		each(t, func(w *world) {
			w.provider.MeasureSkew(providers.Skew{Answers: 2})
			inDoubt(w)
			shown := fakeprovider.Seen(providers.Sight{CreatedAt: handlertest.Start.Add(-3 * time.Minute), Precision: time.Second})
			w.provider.AnswerLookUp(shown)
			w.Clock.Advance(w.Waits(w.run()))
			w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
			w.Clock.Advance(w.Waits(w.run()))
			if rec := w.state(order.Submitting, "list_lags"); !rec.Unproven || rec.Attempts != 1 {
				w.T.Errorf("sent %d times, unproven %v", rec.Attempts, rec.Unproven)
			}
			w.provider.MeasureSkew(providers.Skew{Spread: 4 * time.Minute, Answers: 4})
			w.provider.AnswerLookUp(shown)
			w.Done(w.run())
			if rec := w.state(order.Issued, ""); rec.Attempts != 1 {
				w.T.Errorf("sent %d times", rec.Attempts)
			}
		})
	})
	t.Run("a rejected one", func(t *testing.T) {
		each(t, func(w *world) {
			w.rejected(fakeprovider.Known(providers.FoundPending))
			w.Clock.Advance(time.Second)
			for range 40 {
				w.provider.AnswerLookUp(fakeprovider.Known(providers.Absent))
				w.Clock.Advance(w.Waits(w.run()))
			}
			w.state(order.Submitting, "list_lags")
			w.provider.AnswerLookUp(fakeprovider.Seen(providers.Sight{CreatedAt: handlertest.Start.Add(-time.Hour), Precision: time.Second}))
			w.Done(w.run())
			w.state(order.Review, "number_taken")
		})
	})
}
