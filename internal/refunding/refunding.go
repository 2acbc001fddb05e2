// Package refunding is the handler that refunds. What a refund is going to do is written to the
// ledger before its first call, each call's intent before the call, and whatever may have taken
// effect is proven by asking before anything is sent again.
//
// There are two strategies, after what the provider offers: ticket by ticket (tickets.go; ECTicket), and
// a number of tickets which the provider picks (count.go; Pass2U). One refund of an order is under
// way at a time.
//
// It may import internal/handler and what that may import. It acts on the kind of an outcome alone and knows
// no provider's codes.
package refunding

import (
	"context"
	"fmt"
	"time"

	"issuance/internal/handler"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/providers/instead"
	"issuance/tasks/order"
)

// Config of a Handler.
type Config struct {
	handler.Config
	// CallTimeout is the longest that one call to the provider may take. Default 20 s.
	CallTimeout time.Duration
	// OrderPatience is how long a refund waits for an order that nobody knows. Default 10 min.
	OrderPatience time.Duration
}

// strategy is how a provider refunds.
type strategy interface {
	// refund goes on with a refund whose order is known to be issued.
	refund(ctx context.Context, r *run) (handler.Result, error)
}

// New makes a handler that refunds by what the account's provider can do: it must be a TicketRefunder or a
// CountRefunder. The handler is an asynq.Handler and safe for concurrent use.
func New(c Config) (*handler.Course, error) {
	if c.CallTimeout <= 0 {
		c.CallTimeout = 20 * time.Second
	}
	if c.OrderPatience <= 0 {
		c.OrderPatience = 10 * time.Minute
	}
	var s strategy
	switch p := c.Provider.(type) {
	case providers.TicketRefunder:
		s = byTickets{p, newLists(p), &owners{}, &ours{}, &instead.Call{}}
	case providers.CountRefunder:
		s = byCount{p}
	default:
		return nil, fmt.Errorf("refunding: %s cannot refund", c.Provider.Account())
	}
	return handler.New(c.Config, true, func(ctx context.Context, hr *handler.Run) (handler.Result, error) {
		return (&run{Run: hr, callTimeout: c.CallTimeout, orderPatience: c.OrderPatience, began: time.Now()}).act(ctx, s)
	}), nil
}

// run is one run of one refund's task.
type run struct {
	*handler.Run
	callTimeout, orderPatience time.Duration
	began                      time.Time // by this machine's clock
	// doc is nil when the document keeps the rules no more. A refund that is planned goes on without it.
	doc *providers.RefundDocument
	// orderRec is the order's record; nil where there is none.
	orderRec *ledger.Record
	// known are the stored tickets of the order, once they were needed.
	known map[string]bool
}

func (r *run) act(ctx context.Context, s strategy) (handler.Result, error) {
	r.doc, _ = r.Codec.ParseRefund("request", r.Request, r.Rules())
	if res, err := r.locate(ctx); err != nil || res.Ends() {
		return res, err
	}
	return s.refund(ctx, r)
}

// invalidDocument ends a refund that cannot be planned.
func (r *run) invalidDocument() handler.Result {
	return r.giveUp(order.CodeInvalidDocument, "the refund's document does not keep the provider's rules")
}

// end ends the refund. refunded counts the tickets it refunded.
func (r *run) end(s order.State, why ledger.Reason, refunded int) handler.Result {
	return handler.End(ledger.Ending{State: s, Reason: why, Refunded: refunded})
}

// fail ends a refund of which nothing was sent.
func (r *run) fail(code order.Code, message string) handler.Result {
	return handler.Fail(ledger.Reason{Code: string(code), Message: message})
}

// giveUp ends a refund that cannot go on. What may have been sent needs review: the order's
// record may have expired, or a person may have decided about the order, while its refund was in doubt.
func (r *run) giveUp(code order.Code, text string) handler.Result {
	if mayHaveSent(r.Rec) || !r.Rec.DoubtAt.IsZero() || r.Rec.Rejection.Code != "" {
		return handler.Review(code, text+"; the refund may have been sent before, so look at the provider")
	}
	return r.fail(code, text)
}

// yield gives claim and turn back, and waits: nothing has been planned yet.
func (r *run) yield(wait time.Duration, code order.Code, text string) handler.Result {
	return handler.Wait(wait, code, text).Yielding()
}

// waitFor waits after an outcome that settled nothing.
func (r *run) waitFor(out providers.Outcome, text string) handler.Result {
	w := handler.WaitFor(r.wait(out), handler.Reason(out), text+handler.Text(out))
	if out.Kind == providers.Held {
		w = w.Holding()
	}
	return w
}

// askLater waits after a question about a request of such an age whose answer was of no use, ever longer.
func (r *run) askLater(now, since time.Time, out providers.Outcome, text string) handler.Result {
	if out.Unasked() {
		return r.waitFor(out, text)
	}
	wait := max(handler.AskAgain(now.Sub(since), r.lookAfter()), out.RetryAfter)
	return handler.WaitFor(wait, handler.Reason(out), text+handler.Text(out))
}

// wait is how long to pause after an outcome that settled nothing.
func (r *run) wait(out providers.Outcome) time.Duration {
	if out.RetryAfter == 0 && out.Kind == providers.Unknown {
		return r.lookAfter()
	}
	return handler.Later(out, r.Rec.Attempts)
}

// lookAfter is how long to leave a request in doubt alone.
func (r *run) lookAfter() time.Duration { return handler.LookAfter(r.doubts(), r.LookAfter) }

// doubts is how many requests had no clear answer before; of tickets, the most that one of them had.
// Requests that never left do not count.
func (r *run) doubts() int {
	if len(r.Rec.Tickets) == 0 {
		return r.Rec.Doubts
	}
	n := 0
	for _, t := range r.Rec.Tickets {
		n = max(n, t.Doubts-1)
	}
	return n
}

// inVain reports whether sending again has gone on for so long that it needs review.
func (r *run) inVain(now, since time.Time, doubts int) bool {
	return handler.InVain(doubts, now, since, r.GiveUp)
}

// tooLong reports whether a doubt is so old that it needs review.
func (r *run) tooLong(now, doubtAt time.Time) bool { return handler.Old(now, doubtAt, r.GiveUp) }

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
