package chaos

import (
	"context"
	"errors"
	"fmt"

	"issuance/internal/ledger"
	"issuance/internal/vault"
	"issuance/providers"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/tasks/order"
)

// readRefund reads one refund and checks what can be checked of it alone.
func (a *Auditor) readRefund(ctx context.Context, f *Refund) error {
	if f.LeftOut {
		return nil
	}
	rec, err := a.record(ctx, f.Ref())
	if errors.Is(err, ledger.ErrNotFound) {
		a.differ(LostTrack, f.Ref(), "it was enqueued, and the ledger does not know it")
		return nil
	}
	if err != nil {
		return err
	}
	a.refunds[f] = rec
	count(a.RefundStates, string(f.Order.Provider)+" "+f.Kind(), rec.State)
	if !rec.State.Final() {
		a.differ(LostTrack, f.Ref(), "it is still %s (%s)", rec.State, rec.Reason.Code)
		return nil
	}
	a.final(rec)
	a.cancelled(rec, f.Cancel)
	return nil
}

// refundsOf compares all refunds of an order with the order's tickets in the books.
func (a *Auditor) refundsOf(o *Order) error {
	recorded, unprovable, attempts := 0, 0, 0
	by := map[string]*Refund{} // ticket number → the refund that says it refunded it
	for _, f := range o.Refunds {
		rec := a.refunds[f]
		if rec == nil {
			continue
		}
		attempts += rec.Attempts
		if rec.State == order.Review {
			a.review(f, rec)
			unprovable += rec.Count
			continue
		}
		recorded += rec.Refunded
		if err := a.tickets(f, rec, by); err != nil {
			return err
		}
		if rec.State.Final() {
			a.refundState(f, rec)
		}
	}
	if _, calls := a.rig.Intents.calls(o.Ref()); calls > attempts {
		a.differ(NoIntent, o.Ref(), "the provider was asked for %d refunds, the ledger holds %d attempts", calls, attempts)
	}
	happened := a.books.refunded(o)
	switch {
	case happened > recorded+unprovable:
		a.differ(RefundedTwice, o.Ref(), "%d tickets are refunded, the ledger knows of %d (and %d in review)", happened, recorded, unprovable)
	case happened < recorded:
		a.differ(WrongStatus, o.Ref(), "the ledger says that %d tickets are refunded, %d are", recorded, happened)
	}
	if o.Provider == providers.ECTicket {
		a.refundedTickets(o, by)
	}
	return nil
}

// tickets collects the tickets that a refund says it has refunded, each of which may be one
// refund's only.
func (a *Auditor) tickets(f *Refund, rec *ledger.Record, by map[string]*Refund) error {
	if len(rec.Tickets) == 0 {
		return nil
	}
	numbers, err := vault.OpenPlan(a.rig.Ring, f.Ref(), rec.Plan)
	if err != nil {
		return err
	}
	if len(numbers) != len(rec.Tickets) {
		return fmt.Errorf("%s: a plan of %d tickets with %d states", f.Ref(), len(numbers), len(rec.Tickets))
	}
	n := 0
	for i, t := range rec.Tickets {
		if t.State != order.TicketRefunded {
			continue
		}
		n++
		if other := by[numbers[i]]; other != nil {
			a.differ(WrongStatus, f.Ref(), "it says that it refunded a ticket which %s refunded", other.ID)
		}
		by[numbers[i]] = f
	}
	if n != rec.Refunded {
		a.differ(WrongStatus, f.Ref(), "it says that it refunded %d tickets and names %d", rec.Refunded, n)
	}
	return nil
}

// refundedTickets compares, ticket by ticket, who the ledger says refunded it with the books.
func (a *Auditor) refundedTickets(o *Order, by map[string]*Refund) {
	known := map[string]bool{}
	for _, t := range a.books.ecticket[o.ID].Tickets {
		known[t.TicketNo] = true
		f := by[t.TicketNo]
		switch {
		case t.Refunds > 1:
			a.differ(RefundedTwice, o.Ref(), "a ticket was refunded %d times", t.Refunds)
		case f != nil && t.Refunds == 0:
			a.differ(WrongStatus, f.Ref(), "it says that it refunded a ticket that is not refunded (use status %d)", t.UseStatus)
		case f == nil && t.Refunds == 1:
			a.differ(RefundedTwice, o.Ref(), "a ticket is refunded, and no refund says that it refunded it")
		case t.Refunds == 1 && t.UseStatus != ecticketsim.Refunded:
			a.differ(WrongStatus, o.Ref(), "a refund was taken back")
		}
	}
	for no, f := range by {
		if !known[no] {
			a.differ(WrongStatus, f.Ref(), "it says that it refunded a ticket that is not of its order")
		}
	}
}

// refundState checks that a refund's end fits what it asked for and what the order had.
func (a *Auditor) refundState(f *Refund, rec *ledger.Record) {
	o, key := f.Order, f.Ref()
	asked := f.Quantity
	if f.Wish == ByNumbers {
		asked = len(f.Numbers)
	}
	if f.Wish == All {
		asked = o.Tickets
	}
	if rec.Refunded > asked {
		a.differ(RefundedTwice, key, "%d tickets were to be refunded, %d are", asked, rec.Refunded)
	}
	if rec.State == order.Cancelled {
		return // compared with the wish to cancel it already
	}
	if of := a.orders[o]; of != nil && (of.State == order.Failed || of.State == order.Cancelled) {
		if rec.State != order.Failed {
			a.differ(WrongStatus, key, "it is %s, and its order is %s", rec.State, of.State)
		}
		return
	}
	switch rec.State {
	case order.Refunded:
		if rec.Refunded == 0 || rec.Refunded != rec.Count || f.Wish != All && rec.Refunded != asked {
			a.differ(WrongStatus, key, "it is refunded with %d of %d tickets (planned %d)", rec.Refunded, asked, rec.Count)
		}
	case order.PartiallyRefunded:
		if rec.Refunded == 0 || rec.Refunded >= rec.Count {
			a.differ(WrongStatus, key, "it is partially refunded with %d of %d tickets", rec.Refunded, rec.Count)
		}
	case order.Failed:
		a.failedRefund(f, rec, asked)
	}
}

// failedRefund checks that a refund that failed had to: tickets that can be refunded become fewer
// only, so what is left in the end was there before.
func (a *Auditor) failedRefund(f *Refund, rec *ledger.Record, asked int) {
	if rec.Refunded != 0 {
		a.differ(WrongStatus, f.Ref(), "it failed, and says that it refunded %d tickets", rec.Refunded)
	}
	left := a.books.refundable(f.Order)
	if a.inReview(f.Order) {
		return // what a review holds may or may not be left
	}
	switch {
	case f.Wish == ByQuantity && left >= asked:
		a.differ(WrongStatus, f.Ref(), "it failed (%s) to refund %d tickets, and %d are left to be refunded", rec.Reason.Code, asked, left)
	case f.Wish == All && left > 0 && !refusedAsAWhole(f, rec):
		a.differ(WrongStatus, f.Ref(), "it failed (%s), and %d tickets are left to be refunded", rec.Reason.Code, left)
	case f.Wish == ByNumbers:
		open := map[string]bool{}
		for _, t := range a.books.ecticket[f.Order.ID].Tickets {
			open[t.TicketNo] = t.UseStatus == ecticketsim.Unused
		}
		for _, no := range f.Numbers {
			if open[no] {
				a.differ(WrongStatus, f.Ref(), "it failed (%s), and a ticket it named could be refunded", rec.Reason.Code)
			}
		}
	}
}

// refusedAsAWhole allows a refund of all tickets to fail with some left: Pass2U refuses it when one of
// a page's tickets is redeemed, and shows nobody how many are left to ask for.
func refusedAsAWhole(f *Refund, rec *ledger.Record) bool {
	o := f.Order
	return o.Provider == providers.Pass2U && o.Kind == kindPage && o.Redeem > 0 && rec.Reason.Code == "refundable_quantity_not_enough"
}

func (a *Auditor) inReview(o *Order) bool {
	for _, f := range o.Refunds {
		if rec := a.refunds[f]; rec != nil && rec.State == order.Review {
			return true
		}
	}
	return false
}

// review accepts only what no look-up can answer: Pass2U does not show which tickets of a whole order
// are refunded, so a request for some of them that got no clear answer stays in doubt. One for all of
// them has to be repeated first; a rejection of that proves nothing either.
func (a *Auditor) review(f *Refund, rec *ledger.Record) {
	// A ticket that the vendor's office refunded before cannot be told from one that this refund did, should its record
	// have been lost.
	if rec.Reason.Code == string(order.CodeUnrecorded) && f.Order.InOffice > 0 && f.Wish == ByQuantity && rec.Attempts == 0 {
		return
	}
	if f.Order.Kind != kindPage || rec.Reason.Code != string(order.CodeUnprovable) || rec.Attempts == 0 {
		a.differ(NeedlessReview, f.Ref(), "%s: %s", rec.Reason.Code, rec.Reason.Message)
		return
	}
	alone := len(f.Order.Refunds) == 1
	if alone && rec.Count == f.Order.Tickets && rec.Attempts < 2 {
		a.differ(NeedlessReview, f.Ref(), "all %d tickets were to be refunded, and nobody has asked again", rec.Count)
	}
}
