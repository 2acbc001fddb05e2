package chaos

import (
	"context"
	"errors"
	"slices"

	"issuance/internal/ledger"
	"issuance/internal/vault"
	"issuance/providers"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/tasks/order"
)

// order audits one order.
func (a *Auditor) order(ctx context.Context, o *Order) error {
	ref := o.Ref()
	if o.Fate == Taken {
		return a.taken(ctx, o)
	}
	if n := a.books.timesIssued(o); n > 1 {
		a.differ(IssuedTwice, ref, "tickets were made %d times", n)
	}
	if n := a.books.tickets(o); a.books.issued(o) && n != o.Tickets {
		a.differ(IssuedTwice, ref, "%d tickets were ordered, the provider made %d", o.Tickets, n)
	}
	rec, err := a.record(ctx, ref)
	if errors.Is(err, ledger.ErrNotFound) {
		a.differ(LostTrack, ref, "it was enqueued, and the ledger does not know it (issued: %v)", a.books.issued(o))
		return nil
	}
	if err != nil {
		return err
	}
	a.orders[o] = rec
	count(a.OrderStates, string(o.Provider)+" "+o.Kind, rec.State)
	if issues, _ := a.rig.Intents.calls(ref); issues > rec.Attempts {
		a.differ(NoIntent, ref, "the provider was asked %d times, the ledger holds %d attempts", issues, rec.Attempts)
	}
	if !rec.State.Final() {
		a.differ(LostTrack, ref, "it is still %s (%s), at the provider issued: %v", rec.State, rec.Reason.Code, a.books.issued(o))
		return nil
	}
	a.final(rec)
	if a.cancelled(rec, o.Cancel) {
		if a.books.known(o) {
			a.differ(WrongCancel, ref, "it is cancelled, and the provider has it")
		}
		return nil
	}
	a.orderState(o, rec)
	return a.orderResult(o, rec)
}

// taken audits an order whose number another system's order has: a person has to decide, and nothing of the other one
// may be stored.
func (a *Auditor) taken(ctx context.Context, o *Order) error {
	ref := o.Ref()
	rec, err := a.record(ctx, ref)
	if errors.Is(err, ledger.ErrNotFound) {
		a.differ(LostTrack, ref, "it was enqueued, and the ledger does not know it")
		return nil
	}
	if err != nil {
		return err
	}
	a.orders[o] = rec
	count(a.OrderStates, string(o.Provider)+" "+o.Kind, rec.State)
	a.final(rec)
	if a.cancelled(rec, o.Cancel) {
		return nil
	}
	if rec.State != order.Review || rec.Reason.Code != string(order.CodeNumberTaken) {
		a.differ(WrongStatus, ref, "another system's order has its number, and it is %s (%s)", rec.State, rec.Reason.Code)
	}
	if rec.Result != "" {
		a.differ(WrongData, ref, "something of another system's order is stored")
	}
	return nil
}

// orderState compares the record's state with the books and with the order's fate.
func (a *Auditor) orderState(o *Order, rec *ledger.Record) {
	issued := a.books.issued(o)
	switch rec.State {
	case order.Issued:
		if !issued {
			a.differ(WrongStatus, o.Ref(), "the ledger says issued, the provider has not issued it")
		}
	case order.Failed:
		if issued || o.Provider == providers.ECTicket && a.books.known(o) && a.books.ecticket[o.ID].Status != ecticketsim.Failed {
			a.differ(WrongStatus, o.Ref(), "the ledger says failed (%s), the provider has issued it or will", rec.Reason.Code)
		}
	default: // review: what became of an order of a load can always be looked up
		a.differ(NeedlessReview, o.Ref(), "%s: %s", rec.Reason.Code, rec.Reason.Message)
		return
	}
	if yes, maybe := o.Fate.Issued(); !maybe && yes != (rec.State == order.Issued) {
		a.differ(WrongStatus, o.Ref(), "its fate (%s) was another than %s (%s)", o.Fate, rec.State, rec.Reason.Code)
	}
	if o.Provider == providers.Pass2U && a.books.pass2u[o.ID].Mails > 1 {
		a.differ(WrongData, o.Ref(), "the customer got %d mails", a.books.pass2u[o.ID].Mails)
	}
}

// orderResult opens what the ledger keeps of an issued order, and compares it with the books.
func (a *Auditor) orderResult(o *Order, rec *ledger.Record) error {
	if rec.State != order.Issued || o.Kind != kindSerial && o.Provider == providers.ECTicket {
		return nil
	}
	if rec.Result == "" {
		a.differ(WrongData, o.Ref(), "the ledger keeps no tickets of it, and nobody else delivers them")
		return nil
	}
	res, err := vault.OpenResult(a.rig.Ring, o.Ref(), rec.Result)
	if err != nil {
		return err
	}
	switch o.Kind {
	case kindSerial:
		a.serials(o, res)
	case kindVoucher:
		if len(res.Tickets) != o.Tickets {
			a.differ(WrongData, o.Ref(), "the ledger keeps %d vouchers of %d", len(res.Tickets), o.Tickets)
		}
	case kindPage:
		if res.Access == nil || res.Access.Passcode == "" {
			a.differ(WrongData, o.Ref(), "the ledger keeps no page and passcode of it")
		}
	}
	if o.Provider == providers.Pass2U && rec.ProviderRef != a.books.pass2u[o.ID].Pass2uOrderID {
		a.differ(WrongData, o.Ref(), "the ledger keeps another pass2uOrderId than the provider's")
	}
	return nil
}

// serials compares ticket numbers and redemption codes.
func (a *Auditor) serials(o *Order, res *providers.Result) {
	var want, have []string
	for _, t := range a.books.ecticket[o.ID].Tickets {
		code, _ := a.rig.ECTicket.WriteOffNo(t.TicketNo)
		want = append(want, t.TicketNo+" "+code)
	}
	for _, t := range res.Tickets {
		have = append(have, t.TicketNo+" "+t.WriteOffNo)
	}
	slices.Sort(want)
	slices.Sort(have)
	if !slices.Equal(want, have) {
		a.differ(WrongData, o.Ref(), "the ledger's ticket numbers and codes are not the provider's (%d of %d)", len(have), len(want))
	}
}
