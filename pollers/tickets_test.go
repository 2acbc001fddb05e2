package pollers_test

import (
	"strings"
	"testing"
	"time"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/providers"
	"issuance/tasks/order"
)

// shows is a look-up in state s that shows n of two tickets.
func shows(s providers.FindingState, n int) providers.Finding {
	f := fakeprovider.Known(s)
	f.Sight = &providers.Sight{Shown: n, Ordered: 2, Partial: n < 2}
	return f
}

// looks has the provider answer one poll after the other, each when it is due.
func (w *world) looks(answers ...providers.Finding) {
	w.T.Helper()
	for _, f := range answers {
		w.provider.AnswerLookUp(f)
		if err := w.asks(); err != nil {
			w.Clock.Advance(w.Waits(err))
		}
	}
}

// The provider's job issued one ticket, the rest was sold out, and Status is "failed": who sells anew would sell that one twice.
func TestAnOrderThatFailedWithATicketShownIsReviewed(t *testing.T) {
	failed, half := fakeprovider.Known(providers.FoundFailed), shows(providers.FoundFailed, 1)
	for name, answers := range map[string][]providers.Finding{
		"shown twice":           {half, half},
		"shown at first":        {half, failed},
		"shown at last":         {failed, half, half},
		"shown by one of two":   {failed, half, failed},
		"shown while issued":    {shows(providers.FoundIssued, 1), failed},
		"and no clear answer":   {half, fakeprovider.Known(providers.Unclear), half},
		"shown, then no answer": {half, fakeprovider.Known(providers.Unclear), failed},
	} {
		t.Run(name, func(t *testing.T) {
			w := accepted(handlertest.Mini(t))
			w.looks(answers...)
			for w.Record(ref).State == order.Accepted && w.Record(ref).Polls < 6 { // a poll that came too soon
				w.looks(failed)
			}
			rec := w.state(order.Review, "ticket_count", w.Record(ref).Polls)
			if !strings.Contains(rec.Reason.Message, "says that issuing failed") {
				t.Errorf("the message is %q", rec.Reason.Message)
			}
			if name == "shown twice" && rec.Reason.Message != "the provider says that issuing failed (issuing failed), and shows 1 of 2 tickets; ask the provider" {
				t.Errorf("the message is %q", rec.Reason.Message)
			}
		})
	}
	w := accepted(handlertest.Mini(t))
	w.looks(shows(providers.FoundFailed, 0), shows(providers.FoundFailed, 0))
	w.state(order.Failed, "status_2", 2)
}

// An issued order that shows fewer tickets is waited for like a list that lags, and is review after its deadline.
func TestAnOrderThatShowsFewerTicketsIsNotIssued(t *testing.T) {
	few, silent := shows(providers.FoundIssued, 1), fakeprovider.Known(providers.FoundIssued)
	w := accepted(handlertest.Mini(t))
	w.looks(few, few)
	w.state(order.Accepted, "ticket_count", 2)
	w.looks(fakeprovider.Known(providers.Unclear)) // that shows nothing better
	w.state(order.Accepted, "ticket_count", 3)
	w.provider.AnswerIdentify(*few.Sight, fakeprovider.Yes) // nor does the look-up itself
	w.looks(silent)
	w.provider.AnswerIdentify(providers.Sight{}, fakeprovider.Refused)
	w.looks(silent)
	w.provider.AnswerIdentify(providers.Sight{}, fakeprovider.Yes)
	w.looks(silent)
	w.state(order.Accepted, "ticket_count", 6)
	w.provider.AnswerIdentify(*shows(providers.FoundIssued, 2).Sight, fakeprovider.Yes)
	w.looks(silent)
	w.state(order.Issued, "", 7)

	w = accepted(handlertest.Mini(t))
	w.looks(few)
	w.Clock.Advance(25 * time.Hour)
	w.looks(few)
	if rec := w.state(order.Review, "overdue", 2); !strings.Contains(rec.Reason.Message, "says that it has issued this order") || !strings.Contains(rec.Reason.Message, "ticket_count") {
		t.Errorf("the message is %q", rec.Reason.Message)
	}
}

// Other items than were ordered are review once two looks show them; what the documents do not promise to repeat is no reason.
func TestAnAcceptedOrderOfOtherItemsIsReviewed(t *testing.T) {
	other := shows(providers.FoundIssued, 2)
	other.Sight.Differs, other.Sight.Documented = "ItemNo", true
	w := accepted(handlertest.Mini(t))
	w.looks(other)
	w.state(order.Accepted, "number_taken", 1)
	w.looks(other)
	if rec := w.state(order.Review, "number_taken", 2); rec.Result != "" || !strings.Contains(rec.Reason.Message, "ItemNo") {
		t.Errorf("%q, a result of %d bytes", rec.Reason.Message, len(rec.Result))
	}
	w = accepted(handlertest.Mini(t)) // one answer was another order's
	w.looks(other, shows(providers.FoundIssued, 2))
	w.state(order.Issued, "", 2)

	w = accepted(handlertest.Mini(t))
	name := shows(providers.FoundIssued, 2)
	name.Sight.Differs = "CustomerName"
	w.looks(name)
	w.state(order.Issued, "", 1)
}

// An order whose Issue was answered with other tickets, or which was found with too few of them, is compared before it is issued.
func TestAnUnprovenOrderIsIssuedOnlyWithAllItsTickets(t *testing.T) {
	sight := func(n int) providers.Sight {
		return providers.Sight{CreatedAt: handlertest.Start.Add(time.Minute), Precision: time.Minute, Shown: n, Ordered: 2, Partial: n < 2}
	}
	w := unproven(t)
	for _, n := range []int{1, 1, 2} {
		w.provider.AnswerIdentify(sight(n), fakeprovider.Yes)
		w.looks(fakeprovider.Known(providers.FoundIssued))
	}
	w.state(order.Issued, "", 3)

	w = unproven(t)
	w.provider.AnswerIdentify(sight(1), fakeprovider.Yes)
	w.Clock.Advance(25 * time.Hour)
	w.looks(fakeprovider.Known(providers.FoundIssued))
	if rec := w.state(order.Review, "overdue", 1); strings.Contains(rec.Reason.Message, "whose it is") {
		t.Errorf("the message is %q", rec.Reason.Message)
	}
}

// A complete list that came with the look-up is the order's: the next machine that is asked may not know it.
func TestTicketsThatTheLookUpBroughtAreNotAskedForAgain(t *testing.T) {
	w := accepted(handlertest.Mini(t))
	w.provider.NeedTickets(2)
	f := fakeprovider.Known(providers.FoundIssued)
	f.Result = &providers.Result{Ref: "REF1", Tickets: []providers.Ticket{{TicketNo: handlertest.TicketNo + "1"}}}
	w.provider.AnswerTickets(nil, fakeprovider.Refused)
	w.looks(f) // not all of them
	w.state(order.Accepted, fakeprovider.Refused.Code, 1)
	f.Result.Tickets = append(f.Result.Tickets, providers.Ticket{TicketNo: handlertest.TicketNo + "2"})
	w.provider.Forget()
	w.looks(f)
	w.calls("look_up")
	if rec := w.state(order.Issued, "", 2); rec.Result == "" {
		t.Error("its tickets are not kept")
	}
}
