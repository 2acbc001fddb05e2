package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"issuance/internal/ledger"
	"issuance/providers"
)

// ErrUnknownOrder says that neither the ledger nor a queue knows the order.
var ErrUnknownOrder = errors.New("no such order in the ledger or the queues")

// Status is everything that may be shown of an order.
type Status struct {
	Provider    providers.Name `json:"provider"`
	OrderID     string         `json:"order_id"`
	State       ledger.State   `json:"state"`
	ProviderRef string         `json:"provider_ref"`
	Lane        string         `json:"lane,omitempty"`
	// Attempts counts the times the order was, or may have been, sent to the provider.
	Attempts   int             `json:"attempts"`
	Polls      int             `json:"polls"`
	Error      *StatusError    `json:"error,omitempty"`
	CreatedAt  *time.Time      `json:"created_at,omitempty"`
	AcceptedAt *time.Time      `json:"accepted_at"`
	FinalAt    *time.Time      `json:"final_at"`
	ResolvedBy string          `json:"resolved_by,omitempty"`
	Resolved   string          `json:"resolved_reason,omitempty"`
	Shape      json.RawMessage `json:"shape,omitempty"`
	Refunds    []RefundStatus  `json:"refunds"`
	// Tickets and Access hold bearer secrets; they are there only when asked for.
	Tickets []providers.Ticket `json:"tickets,omitempty"`
	Access  *providers.Access  `json:"access,omitempty"`
}

// StatusError is the provider's last word, or ours.
type StatusError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// RefundStatus is everything that may be shown of a refund.
type RefundStatus struct {
	RefundID   string         `json:"refund_id"`
	State      ledger.State   `json:"state"`
	Attempts   int            `json:"attempts"`
	Error      *StatusError   `json:"error,omitempty"`
	Quantity   int            `json:"quantity,omitempty"` // tickets the plan holds
	Refunded   int            `json:"refunded"`           // tickets refunded by this refund
	Tickets    []RefundTicket `json:"tickets,omitempty"`
	CreatedAt  *time.Time     `json:"created_at,omitempty"`
	FinalAt    *time.Time     `json:"final_at"`
	ResolvedBy string         `json:"resolved_by,omitempty"`
	Resolved   string         `json:"resolved_reason,omitempty"`
}

// RefundTicket is one ticket of a refund. TicketNo is there only when tickets were asked for.
type RefundTicket struct {
	TicketNo string             `json:"ticket_no,omitempty"`
	State    ledger.TicketState `json:"state"`
	Code     string             `json:"code,omitempty"`
}

// StatusOption changes what a status holds.
type StatusOption func(*statusWish)

type statusWish struct{ tickets bool }

// WithTickets opens the sealed tickets and access data. They are bearer secrets: whoever holds
// them holds the tickets.
func WithTickets() StatusOption { return func(w *statusWish) { w.tickets = true } }

// Status tells what became of an order, or ErrUnknownOrder.
func (c *Client) Status(ctx context.Context, p providers.Name, orderID string, opts ...StatusOption) (*Status, error) {
	var w statusWish
	for _, opt := range opts {
		opt(&w)
	}
	k := ledger.Key{Provider: p, OrderID: orderID}
	s := &Status{Provider: p, OrderID: orderID, Refunds: []RefundStatus{}}
	rec, err := c.ledger.Load(ctx, k)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		if err := c.statusFromQueue(ctx, k, s); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, fmt.Errorf("tasks: status: %w", err)
	default:
		if err := c.fill(s, rec, w); err != nil {
			return nil, err
		}
	}
	refunds, err := c.ledger.LoadRefunds(ctx, k)
	if err != nil {
		return nil, fmt.Errorf("tasks: status: %w", err)
	}
	for _, r := range refunds {
		rs, err := c.refundStatus(r, w)
		if err != nil {
			return nil, err
		}
		s.Refunds = append(s.Refunds, rs)
	}
	if s.State == "" {
		if len(s.Refunds) == 0 {
			return nil, fmt.Errorf("%s: %w", k, ErrUnknownOrder)
		}
		s.State = StateElsewhere
	}
	return s, nil
}

// StateElsewhere stands for an order that this system did not issue but has refunds of.
const StateElsewhere ledger.State = "elsewhere"

func (c *Client) statusFromQueue(ctx context.Context, k ledger.Key, s *Status) error {
	for _, lane := range []Lane{Checkout, Bulk} {
		p, err := c.queuedPayload(k.Provider, lane, IssueID(k.Provider, k.OrderID))
		if err != nil {
			return fmt.Errorf("tasks: status: %w", err)
		}
		if p != nil {
			s.State, s.Lane, s.Shape, s.CreatedAt = ledger.Queued, string(lane), p.Shape, stamp(p.EnqueuedAt)
			return nil
		}
	}
	return nil
}

func (c *Client) fill(s *Status, rec *ledger.Record, w statusWish) error {
	s.State, s.ProviderRef, s.Lane, s.Attempts, s.Polls = rec.State, rec.Ref, rec.Lane, rec.Attempts, rec.Polls
	s.Error, s.Shape = statusError(rec.Reason), rec.Shape
	s.CreatedAt, s.AcceptedAt, s.FinalAt = stamp(rec.CreatedAt), stamp(rec.AcceptedAt), stamp(rec.FinalAt)
	s.ResolvedBy, s.Resolved = rec.ResolvedBy, rec.Resolved
	if !w.tickets || rec.Result == "" {
		return nil
	}
	res, err := OpenResult(c.ring, rec.Key, rec.Result)
	if err != nil {
		return fmt.Errorf("tasks: %s: tickets: %w", rec.Key, err)
	}
	s.Tickets, s.Access = res.Tickets, res.Access
	return nil
}

func (c *Client) refundStatus(r *ledger.RefundRecord, w statusWish) (RefundStatus, error) {
	s := RefundStatus{RefundID: r.RefundID, State: r.State, Attempts: r.Attempts, Error: statusError(r.Reason),
		Quantity: r.Count, Refunded: r.Refunded, CreatedAt: stamp(r.CreatedAt), FinalAt: stamp(r.FinalAt),
		ResolvedBy: r.ResolvedBy, Resolved: r.Resolved}
	var numbers []string
	if w.tickets && len(r.Tickets) > 0 {
		var err error
		if numbers, err = OpenPlan(c.ring, r.RefundKey, r.Plan); err != nil {
			return s, fmt.Errorf("tasks: %s: tickets: %w", r.RefundKey, err)
		}
	}
	for i, t := range r.Tickets {
		rt := RefundTicket{State: t.State, Code: t.Code}
		if i < len(numbers) {
			rt.TicketNo = numbers[i]
		}
		if t.State == ledger.TicketRefunded && !r.State.Final() {
			s.Refunded++
		}
		s.Tickets = append(s.Tickets, rt)
	}
	return s, nil
}

func statusError(r ledger.Reason) *StatusError {
	if r == (ledger.Reason{}) {
		return nil
	}
	return &StatusError{Code: r.Code, Message: r.Message}
}

func stamp(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
