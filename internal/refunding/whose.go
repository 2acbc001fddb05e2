package refunding

import (
	"context"
	"fmt"
	"sync"
	"time"

	"issuance/internal/handler"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

// Whose doing it is that a ticket is refunded of which a request is in doubt.

// refunded settles a ticket that is refunded. It was unused when it was planned, so it is this refund that did it,
// unless another merchant did, or its time is before our first request.
func (t ticket) refunded(ctx context.Context, now time.Time, st providers.TicketStatus) (handler.Result, error) {
	if t.state().Confirmed() {
		t.ours.by(st.RefundedBy)
	} else if st.RefundedBy != "" && st.RefundedBy != t.Ref.Account.Merchant && !st.ByPlatform {
		switch own := t.ours.merchant(ctx, t); own {
		case "":
			if res, err := t.laggingAt(ctx, now); err != nil || res.IsWait() { // another refund may show it meanwhile
				return res, err
			}
			return handler.Review(order.CodeInDoubt, fmt.Sprintf("a ticket whose refund got no clear answer is refunded in the name of %s, and no refund that was "+
				"confirmed shows whether that is how the provider names this account; ask the provider who refunded it", st.RefundedBy)), nil
		case st.RefundedBy:
		default:
			return handler.GoOn(), t.settle(elsewhere)
		}
	}
	if t.state().Rejection != "" && st.RefundStoreID != "" && st.RefundStoreID != t.call.StoreID {
		return handler.Review(order.CodeInDoubt, "the provider rejected the refund of a ticket, and shows that another shop than this refund's has refunded it; ask the provider"), nil
	}
	at, dated := t.Codec.Time(st.RefundedAt)
	if !dated || t.state().SentAt.IsZero() {
		return handler.GoOn(), t.settle(ledger.Settlement{State: order.TicketRefunded})
	}
	switch when, again := handler.Compare(t.Provider, at, minute, t.state().SentAt); {
	case when == handler.Since:
		return handler.GoOn(), t.settle(ledger.Settlement{State: order.TicketRefunded})
	case again:
		const text = "the ticket is refunded, and the provider's clock is not measured well enough to say since when"
		wait := min(handler.AskAgain(now.Sub(t.state().DoubtAt), t.LookAfter), atLeast)
		return handler.WaitFor(wait, ledger.Reason{Code: string(order.CodeInDoubt), Message: text}, text), nil
	case when == handler.Before:
		return t.refundedBefore(ctx, now, at)
	}
	return t.dateInDoubt(at), nil
}

var elsewhere = ledger.Settlement{State: order.TicketElsewhere, Code: string(order.CodeRefundedElsewhere)}

const minute = time.Minute // the unit of the times of refunds

// refundedBefore acts on a date that is before our first request by more than any clock is off. It may be of another time
// zone: the documents name none; where orders of the account have shown it, that decides. And where it is from before a look
// of ours that saw the ticket unused, by more than a list lags, one of the two is untrue, so that it proves nothing.
func (t ticket) refundedBefore(ctx context.Context, now, at time.Time) (handler.Result, error) {
	zoned := handler.InAnotherZone(t.Provider, at, minute, t.state().SentAt, now)
	if z, ok := t.provider.(providers.ZoneTeller); ok && zoned {
		if shift, known := z.Zone(ctx); known {
			if when, _ := handler.Compare(t.Provider, at.Add(shift), minute, t.state().SentAt); when == handler.Since {
				return handler.GoOn(), t.settle(ledger.Settlement{State: order.TicketRefunded})
			}
		}
	}
	seen, _ := handler.Compare(t.Provider, at, minute, t.Rec.BaselineAt.Add(-handler.LongestLag))
	contradicted := seen != handler.Since && !t.Rec.BaselineAt.IsZero()
	switch {
	case !zoned && !contradicted:
		return handler.GoOn(), t.settle(elsewhere)
	case zoned && contradicted && t.state().Rejection == "":
		return handler.GoOn(), t.settle(ledger.Settlement{State: order.TicketRefunded})
	}
	return t.dateInDoubt(at), nil
}

func (t ticket) dateInDoubt(at time.Time) handler.Result {
	return handler.Review(order.CodeInDoubt, fmt.Sprintf("a ticket was unused when this refund chose it, and is refunded since %s by the provider's clock, which seems "+
		"to be before the first request for it at %s; ask the provider who refunded it", handler.Moment(at), handler.Moment(t.state().SentAt)))
}

// ours is how the provider names the account in what it shows of refunds, which its documents do not say: the merchant, its
// platform, or another id. Refunds that were confirmed show it. Safe for concurrent use.
type ours struct {
	mu     sync.Mutex
	ticket string // one whose refund was confirmed and has shown
	id     string
}

// confirmed notes a ticket whose refund was confirmed and has shown.
func (o *ours) confirmed(ticketNo string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ticket = ticketNo
}

// by notes in whose name a confirmed refund is shown.
func (o *ours) by(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if id != "" {
		o.id = id
	}
}

// merchant is the id under which refunds of the account are shown; "" where none has shown it.
func (o *ours) merchant(ctx context.Context, t ticket) string {
	o.mu.Lock()
	id, ticketNo := o.id, o.ticket
	o.mu.Unlock()
	if id != "" || ticketNo == "" {
		return id
	}
	st, out := t.provider.TicketStatus(ctx, ticketNo)
	if out.Kind != providers.Done || st.UseStatus != providers.Refunded {
		return ""
	}
	o.by(st.RefundedBy)
	return st.RefundedBy
}
