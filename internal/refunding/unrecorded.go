package refunding

import (
	"fmt"
	"slices"
	"time"

	"issuance/internal/handler"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

// unrecorded leaves a refund by quantity to review when the provider shows more refunded tickets than the order's
// refund records explain, right before its first plan: Redis may have lost this refund's own record after it was done,
// and a shop that enqueues it again must not have it done again. Refunds of named tickets and of all that are left
// do not need this, for they refund nothing twice.
func (r *run) unrecorded(shown, explained int) handler.Result {
	if r.doc.Wish.Quantity == 0 || r.Rec.Planned || shown <= explained || r.decided() {
		return handler.GoOn()
	}
	return handler.Review(order.CodeUnrecorded, fmt.Sprintf("the provider shows %s of the order as refunded, and its refund records explain %d; "+
		"nothing of this refund was sent", handler.Tickets(shown), explained))
}

// accepted is how many refunded tickets were shown when a person had this refund go on, which needs no decision about the
// order's next one; negative where nobody did.
func (r *run) accepted(shown int) int {
	if r.decided() {
		return shown
	}
	return -1
}

// decided reports whether a person has this refund go on after such a review.
func (r *run) decided() bool {
	return !r.Rec.ReopenedAt.IsZero() && slices.ContainsFunc(r.Rec.History, func(s ledger.Step) bool {
		return s.Event == string(order.Review) && s.Detail == string(order.CodeUnrecorded)
	})
}

// explainedCount is how many refunded tickets the order's other refunds explain at the most: what they refunded or may
// have refunded, and what was refunded before one of them was planned, which was looked into then.
func (o others) explainedCount(shown int) int {
	if o.resolvedUnplanned() {
		return shown
	}
	may := func(r *ledger.Record) int {
		if r.State.Settled() && r.ResolvedBy == "" {
			return o.refundedBy(r)
		}
		return max(o.refundedBy(r), sentCount(r)) // a person's decision stops no request
	}
	total := 0
	for _, r := range o.list {
		total += may(r)
	}
	for _, first := range o.list {
		if first.Baseline < 0 {
			continue
		}
		since := first.Baseline
		for _, r := range o.list {
			if r == first || lastSent(r).After(first.BaselineAt) {
				since += may(r)
			}
		}
		total = max(total, since)
	}
	return total
}

// explainedTickets counts the refunded tickets of a list, and those of them that the order's other refunds explain.
func (o others) explainedTickets(list []providers.Ticket) (shown, explained int) {
	for _, t := range list {
		if t.UseStatus != providers.Refunded {
			continue
		}
		shown++
		if o.known[t.TicketNo] {
			explained++
		}
	}
	if o.resolvedUnplanned() {
		return shown, shown
	}
	explained = o.unnamed(explained, time.Time{})
	for _, first := range o.list {
		if first.Baseline < 0 {
			continue
		}
		since := first.Baseline // a person had it go on with so many
		for _, t := range list {
			if t.UseStatus == providers.Refunded && o.known[t.TicketNo] && !o.planned[t.TicketNo].Before(first.BaselineAt) {
				since++
			}
		}
		explained = max(explained, o.unnamed(since, first.BaselineAt))
	}
	return shown, explained
}

// unnamed adds to a count what refunds explain that were planned since a moment and whose tickets are not known any more.
func (o others) unnamed(n int, since time.Time) int {
	for _, r := range o.list {
		if r.Plan == "" && !r.BaselineAt.Before(since) {
			n += max(r.Count, r.Refunded)
		}
	}
	return n
}

// resolvedUnplanned reports whether a person has decided that a refund is done which was never planned here, and so
// has looked at what is refunded.
func (o others) resolvedUnplanned() bool {
	return slices.ContainsFunc(o.list, func(r *ledger.Record) bool {
		return r.ResolvedBy != "" && !r.Planned && (r.State == order.Refunded || r.State == order.PartiallyRefunded)
	})
}

// sentCount is how many tickets a refund by number may have refunded, as far as it has been sent.
func sentCount(r *ledger.Record) int {
	if !mayHaveSent(r) {
		return 0
	}
	return r.Count
}
