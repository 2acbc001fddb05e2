package ledger

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"issuance/internal/keys"
	"issuance/internal/seal"
	"issuance/providers"
	"issuance/tasks/order"
)

// Reason explains a state: a provider's code and message, or ours. Both are safe to show.
type Reason struct{ Code, Message string }

// Intent is what is written before a provider is called.
type Intent struct {
	Host  string // where the request goes
	Lease time.Duration
	// Ticket is the place of a ticket in a refund's plan; negative when the request is for all of the refund.
	// Orders have none.
	Ticket int
}

// Submit writes the intent to send a request, and returns how many there were so far. Not applied means
// that the claim is lost: nothing may be sent. After an error the intent may stand all the same: give the
// claim back with NotSent.
func (l *Ledger) Submit(ctx context.Context, r order.Ref, fence string, in Intent) (Answer, int, error) {
	ticket := ""
	if r.IsRefund() && in.Ticket >= 0 {
		ticket = strconv.Itoa(in.Ticket)
	}
	f, err := l.runIntent(ctx, r, "submit", []string{keys.Record(r)}, fence, in.Lease.Milliseconds(), in.Host, ticket, bit(r.IsRefund()))
	if err != nil {
		return Answer{}, 0, err
	}
	return f.answer(), number(f["attempts"]), nil
}

// Release says what the requests of a claim that is given back led to.
type Release string

const (
	// Idle: no request of this claim is open; the call was held back, or a look-up learned nothing.
	Idle Release = "idle"
	// NotSent: the request of this claim certainly did not take effect.
	NotSent Release = "not_sent"
	// Unknown: the request of this claim may have taken effect.
	Unknown Release = "unknown"
	// Absent: as Idle, because the provider does not know the order. Since when it says so is kept
	// (Record.AbsentAt) until the next intent.
	Absent Release = "absent"
	// Unclear: as Idle, because the provider's answer was of no use for a refund's plan, or as one to an
	// order's look-up. Since when that is so is kept (Record.UnclearSince) until there is one.
	Unclear Release = "unclear"
	// Unrecognised: as Unclear, because the provider has an order under the number of which it is still to be seen whether it is
	// ours. That it was there is kept (Record.Unproven): an order does not vanish.
	Unrecognised Release = "unrecognised"
	// Unworked: nothing was done with the claim, so the runners that died before stay counted. A refund's turn
	// is given back, unless it is planned.
	Unworked Release = "unworked"
)

// GiveBack gives a claim back without a result. The order's turn stays with a refund.
func (l *Ledger) GiveBack(ctx context.Context, r order.Ref, fence string, how Release, why Reason) (Answer, error) {
	k := []string{keys.Record(r)}
	if r.IsRefund() {
		k = append(k, keys.Turn(r))
	}
	return l.transition(ctx, r, "release", k, fence, string(how), why.Code, why.Message, r.RefundID)
}

// DrewBan counts a ban of the account that a call for the record drew. Not applied means that the record has ended.
func (l *Ledger) DrewBan(ctx context.Context, r order.Ref) (Answer, error) {
	return l.transition(ctx, r, "drew_ban", []string{keys.Record(r)})
}

// Rejected remembers the provider's rejection of this attempt; the claim is kept. A look-up has to
// confirm that no earlier request took effect before it becomes the record's end. A reason without
// a code is remembered as "rejected".
func (l *Ledger) Rejected(ctx context.Context, r order.Ref, fence string, why Reason) (Answer, error) {
	if why.Code == "" {
		why.Code = string(order.CodeRejected) // an empty code would say that nothing was rejected
	}
	return l.transition(ctx, r, "rejected", []string{keys.Record(r)}, fence, why.Code, why.Message)
}

// Confirmed remembers that the provider has confirmed this attempt at a refund by number, in an answer that does not
// prove it; the claim is kept. Until its effect shows, it is in doubt.
func (l *Ledger) Confirmed(ctx context.Context, r order.Ref, fence string, why Reason) (Answer, error) {
	return l.transition(ctx, r, "confirmed", []string{keys.Record(r)}, fence, why.Code, why.Message)
}

// WithoutEffect records of a refund by number that none of its requests had an effect, and none can have one any more: it
// may be planned anew. The claim is kept.
func (l *Ledger) WithoutEffect(ctx context.Context, r order.Ref, fence string) (Answer, error) {
	return l.transition(ctx, r, "without_effect", []string{keys.Record(r)}, fence)
}

// Acceptance is what is known of an order that the provider has.
type Acceptance struct {
	ProviderRef string
	Result      seal.Sealed
	// Unproven: it was found under the order's number, and whether it is ours is still to be seen.
	Unproven bool
	// Found is what a look-up after a request without a clear answer showed of the order; "" when there was none.
	Found providers.FindingState
	// Why is what that look-up said where it showed a failure, which another look has to confirm.
	Why Reason
}

// sighted is what a look-up found, as the history has it: "found issued".
func sighted(f providers.FindingState) string { return strings.ReplaceAll(string(f), "_", " ") }

// Accept records that the provider has the order and will issue it later.
func (l *Ledger) Accept(ctx context.Context, r order.Ref, fence string, a Acceptance) (Answer, error) {
	f, err := l.runListed(ctx, r, a.ProviderRef, "accept", []string{keys.Record(r)}, fence, a.ProviderRef, pack(a.Result), bit(a.Unproven), sighted(a.Found),
		a.Why.Code, a.Why.Message)
	return f.answer(), err
}

// Ending is the final status of an order or a refund.
type Ending struct {
	State       order.State
	Reason      Reason
	ProviderRef string      // orders
	Result      seal.Sealed // orders
	Polled      bool        // orders: a poll led to it and is to be counted
	Refunded    int         // refunds: tickets refunded by it
	// PendingAt is the latest moment at which the order is known not to have been issued yet; zero where that is its
	// acceptance. It is not stored: see Change.
	PendingAt time.Time
	// Found is what a look-up after a request without a clear answer showed of the order; "" when there was none.
	Found providers.FindingState
}

// Finish records a final status, gives a refund's turn on, and publishes the event. fence is empty when
// an order is accepted. A lost race is an answer; a state that is no such record's end is an error.
func (l *Ledger) Finish(ctx context.Context, r order.Ref, fence string, e Ending) (Answer, error) {
	if !CanEnd(r, e.State) || e.State == order.Cancelled {
		return Answer{}, fmt.Errorf("ledger: finish %s: it cannot end as %q", r, e.State)
	}
	ctx = context.WithValue(ctx, pendingAt{}, e.PendingAt)
	polls := 0
	if e.Polled {
		polls = 1
	}
	return l.end(ctx, r, searchedBy(r, e.ProviderRef), "finish", fence, string(e.State), e.Reason.Code, e.Reason.Message, e.ProviderRef, pack(e.Result),
		polls, strconv.Itoa(e.Refunded), r.RefundID, sighted(e.Found))
}

// end runs a script that ends a record, which is found by text from now on, and publishes the end where the script
// could not.
func (l *Ledger) end(ctx context.Context, r order.Ref, text, name string, args ...any) (Answer, error) {
	k := []string{keys.Record(r), keys.Details(r), keys.Refunds(r)}
	if r.IsRefund() {
		k[2] = keys.Turn(r)
	}
	publishKeys, publishArgs := l.publishing(r)
	f, err := l.runListed(ctx, r, text, name, append(k, publishKeys...), append(args, publishArgs...)...)
	if err != nil {
		return Answer{}, err
	}
	a := f.answer()
	a.Refunds = number(f["refunds"])
	switch {
	case !a.Applied:
		return a, nil
	case l.sharded:
		return a, l.publishSharded(ctx, r)
	}
	return a, unpublished(r, f)
}

// CanEnd reports whether an order, or a refund when r names one, can end in state s.
func CanEnd(r order.Ref, s order.State) bool {
	states := order.OrderStates()
	if r.IsRefund() {
		states = order.RefundStates()
	}
	return s.Final() && slices.Contains(states, s)
}

// Cancel ends a record of which nothing was ever sent. Not applied means that a request may have left, or
// that it has ended.
func (l *Ledger) Cancel(ctx context.Context, r order.Ref, who, reason string) (Answer, error) {
	a, err := l.end(ctx, r, "", "cancel", who, reason, r.RefundID)
	switch {
	case a.Applied && r.IsRefund():
		_ = l.relist(ctx, r) // else it is found from its intake on for as long as that was to last
	case err == nil && !a.Applied && a.State == "":
		return Answer{}, ErrNotFound
	}
	return a, err
}
