package refunding

import (
	"context"
	"errors"
	"fmt"
	"time"

	"issuance/internal/ledger"
	"issuance/internal/vault"
	"issuance/tasks/order"
)

// others sums up the order's other refunds.
type others struct {
	list     []*ledger.Record
	refunded int                  // tickets they refunded
	floor    int                  // at least so many of the order's tickets are refunded, theirs among them
	open     bool                 // one of them is not proven: queued plans, or in review
	tickets  map[string]string    // ticket number → refund id, for tickets they refunded or may refund
	settled  map[string]bool      // of those, the ones certainly refunded
	under    map[string]bool      // of those, the ones of refunds under way: they may become free again
	planned  map[string]time.Time // when the tickets of known were chosen last
	known    map[string]bool      // tickets whose refund would be no surprise: refunded by one of them or found refunded by it, or sent
}

// errPlan says that a plan cannot be opened.
var errPlan = errors.New("a refund's plan cannot be opened")

func (r *run) others(ctx context.Context) (others, error) {
	o := others{tickets: map[string]string{}, settled: map[string]bool{}, under: map[string]bool{}, known: map[string]bool{}, planned: map[string]time.Time{}}
	list, err := r.Ledger.Refunds(ctx, r.Ref)
	if err != nil {
		return o, err
	}
	for _, other := range list {
		if other.RefundID == r.Ref.RefundID {
			continue
		}
		o.list = append(o.list, other)
		o.refunded += o.refundedBy(other)
		if other.State == order.Refunded && other.Baseline >= 0 && other.ResolvedBy == "" {
			o.floor = max(o.floor, other.Baseline+other.Count)
		}
		if other.State == order.Review {
			o.open = true
		}
		if len(other.Tickets) == 0 || other.Plan == "" { // nothing is known of its tickets (any more)
			continue
		}
		// Once a refund has ended, be it by a decision in review, nothing of it is in doubt any more.
		over := other.State.Final() && other.State != order.Review
		numbers, err := vault.OpenPlan(r.Ring, other.Ref, other.Plan)
		if err != nil {
			return o, fmt.Errorf("%w: %s: %w", errPlan, other.Ref, err)
		}
		for i, t := range other.Tickets {
			if i < len(numbers) && t.State != order.TicketRejected && (t.State != order.TicketPlanned || !over) {
				o.known[numbers[i]] = true
				o.planned[numbers[i]] = later(o.planned[numbers[i]], other.BaselineAt)
			}
			switch {
			case i >= len(numbers), t.State == order.TicketElsewhere, t.State == order.TicketRejected:
				continue
			case over && t.State != order.TicketRefunded:
				continue
			}
			o.tickets[numbers[i]] = other.RefundID
			o.settled[numbers[i]] = t.State == order.TicketRefunded
			o.under[numbers[i]] = !other.State.Final() && t.State != order.TicketRefunded
		}
	}
	o.floor = max(o.floor, o.refunded)
	return o, nil
}

// refundedBy is how many tickets a refund has refunded. A decision in review leaves the count of tickets as it was.
func (others) refundedBy(r *ledger.Record) int {
	if r.State == order.Refunded {
		return r.Count
	}
	return r.Refunded
}

// underWay names a refund of the order whose request may still arrive at the provider, and says
// until when: what it refunds then would be counted as another one's. A person who decides that it
// failed stops no request either.
func (o others) underWay(now time.Time, settleAfter time.Duration) (id string, until time.Time) {
	for _, other := range o.list {
		proven := other.State == order.Refunded || other.State.Final() && other.State != order.Review && other.ResolvedBy == ""
		if end := lastSent(other).Add(settleAfter); !proven && mayHaveSent(other) && end.After(now) && end.After(until) {
			id, until = other.RefundID, end
		}
	}
	return id, until
}

// mayHaveSent reports whether a request of a refund may have taken effect; one that never left cannot.
func mayHaveSent(r *ledger.Record) bool { return r.Attempts > r.Unsent }

// lastSent is the last moment at which a request of a refund can have left.
func lastSent(r *ledger.Record) time.Time {
	if r.DoubtAt.After(r.SentAt) {
		return r.DoubtAt
	}
	return r.SentAt
}

// meanwhile is what the order's other refunds did after a baseline was taken.
type meanwhile struct {
	refunded int       // tickets they refunded for certain
	doubtful string    // one of which it is not certain how many it refunded since, or ""
	last     time.Time // when one of them was sent or ended last
}

// since sorts the other refunds by what they add to the count taken at a moment. The plan waited
// until none of them was under way, so one that was neither sent nor ended since adds nothing. One
// whose own baseline is younger adds all that it refunded.
func (o others) since(at time.Time) meanwhile {
	var m meanwhile
	for _, other := range o.list {
		ended := other.State.Final() && other.State != order.Review
		last := lastSent(other)
		if ended && other.FinalAt.After(last) {
			last = other.FinalAt
		}
		if !mayHaveSent(other) || !last.After(at) {
			continue
		}
		if last.After(m.last) {
			m.last = last
		}
		if !ended || other.ResolvedBy != "" || other.Baseline < 0 || other.BaselineAt.Before(at) || at.IsZero() {
			m.doubtful = other.RefundID
			continue
		}
		m.refunded += other.Refunded
	}
	return m
}
