package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"issuance/internal/ledger"
	"issuance/internal/plain"
	"issuance/internal/seal"
	"issuance/internal/vault"
	"issuance/providers"
)

// ErrUnknownOrder says that the ledger does not know the order.
var ErrUnknownOrder = errors.New("no such order")

// ErrUnknownRefund says that the ledger does not know the refund. It is an ErrUnknownOrder, too.
var ErrUnknownRefund error = noSuchRefund{}

type noSuchRefund struct{}

func (noSuchRefund) Error() string        { return "no such refund" }
func (noSuchRefund) Is(target error) bool { return target == ErrUnknownOrder }

// unknown says of a record that it does not exist.
func unknown(r Ref) error {
	if r.IsRefund() {
		return fmt.Errorf("%s: %w", r, ErrUnknownRefund)
	}
	return fmt.Errorf("%s: %w", r, ErrUnknownOrder)
}

// Standing is where an order or a refund stands. Times are UTC.
type Standing struct {
	State State `json:"state"`
	Lane  Lane  `json:"lane,omitempty"`
	// Attempts counts the requests that can have reached the provider, Unsent those that certainly had no
	// effect (a refused connection, a call that was held back or turned away).
	Attempts   int          `json:"attempts"`
	Unsent     int          `json:"unsent,omitempty"`
	Error      *StatusError `json:"error,omitempty"`
	Waits      *Waiting     `json:"waits,omitempty"`
	CreatedAt  *time.Time   `json:"created_at,omitempty"`
	ReviewAt   *time.Time   `json:"review_at,omitempty"`   // since when it needs review
	FinalAt    *time.Time   `json:"final_at"`              // when it was settled, nil before
	ResolvedBy string       `json:"resolved_by,omitempty"` // who decided it: a review, or a cancellation
	Resolved   string       `json:"resolved_reason,omitempty"`
	// ReviewCode and ReviewMessage say why it had needed review before it was decided.
	ReviewCode    string          `json:"review_code,omitempty"`
	ReviewMessage string          `json:"review_message,omitempty"`
	Shape         json.RawMessage `json:"shape,omitempty"`
}

// Status is everything that may be shown of an order.
type Status struct {
	Provider providers.Name `json:"provider"`
	Account  Account        `json:"account"`
	OrderID  string         `json:"order_id"`
	Standing
	ProviderRef string         `json:"provider_ref"`
	Polls       int            `json:"polls"`
	AcceptedAt  *time.Time     `json:"accepted_at"`
	ErasedAt    *time.Time     `json:"erased_at,omitempty"` // when its customer's data was erased
	Refunds     []RefundStatus `json:"refunds"`
	// Looked is what the latest look at the tickets has shown, after a notice or because it was asked for; nil when
	// there was none.
	Looked *Looked `json:"looked,omitempty"`
	// Tickets and Access hold bearer secrets; they are there only when asked for.
	Tickets []providers.Ticket `json:"tickets,omitempty"`
	Access  *providers.Access  `json:"access,omitempty"`
	// TicketsAt is when the provider showed Tickets. What was redeemed since, or refunded by nobody here, is not in them;
	// what Refunds have refunded is in RefundID.
	TicketsAt *time.Time `json:"tickets_at,omitempty"`
}

// Refund is one of Refunds, nil when there is none of this id.
func (s *Status) Refund(refundID string) *RefundStatus {
	for i := range s.Refunds {
		if s.Refunds[i].RefundID == refundID {
			return &s.Refunds[i]
		}
	}
	return nil
}

// Looked counts an order's tickets by their status at a look.
type Looked struct {
	At       time.Time `json:"at"`
	Unused   int       `json:"unused"`
	Redeemed int       `json:"redeemed"`
	Refunded int       `json:"refunded"` // those refunded elsewhere among them
	// Elsewhere are refunded by no refund that is recorded here.
	Elsewhere int `json:"refunded_elsewhere"`
	Other     int `json:"other"` // expired, or in a status of the provider's own
}

// StatusError is the provider's last answer, or ours.
type StatusError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Waiting says what an unfinished record waits for.
type Waiting struct {
	// For is that in a few words, such as "a free worker" or "the provider to issue it".
	For string `json:"for"`
	// Until is when that is over at the latest; nil when nobody knows.
	Until *time.Time `json:"until,omitempty"`
	// NextAt is when it is looked at next; nil when that is as soon as a worker is free, or when what it waits for lets it go on.
	NextAt *time.Time `json:"next_at,omitempty"`
	// OrderState is the state of the order that a refund waits for; the order's end makes the refund go on.
	OrderState State `json:"order_state,omitempty"`
	// LastRun is what the last run found, where For and the last result do not say it.
	LastRun string `json:"last_run,omitempty"`
	// Held says why no call for it may leave, whatever else it waits for: the provider's ban, an
	// operator's pause, or a provider that does not answer the account. HeldSince is when that began.
	// HeldUntil is when a ban ends, or the time that the provider asked for; the others have no known end.
	Held      string     `json:"held,omitempty"`
	HeldSince *time.Time `json:"held_since,omitempty"`
	HeldUntil *time.Time `json:"held_until,omitempty"`
	// NoWorker is true when it is known that no worker serves its queue at present.
	NoWorker bool `json:"no_worker,omitempty"`
	// NoWrites says why Redis takes no writes ("takes no writes: …"), where workers are not seen: they may be there
	// and can neither show it nor go on. NoWorker is false then.
	NoWrites string `json:"no_writes,omitempty"`
}

// RefundStatus is everything that may be shown of a refund.
type RefundStatus struct {
	RefundID string `json:"refund_id"`
	Standing
	Quantity int            `json:"quantity,omitempty"` // tickets the plan holds
	Refunded int            `json:"refunded"`           // tickets refunded by this refund
	Tickets  []RefundTicket `json:"tickets,omitempty"`
}

// RefundTicket is one ticket of a refund. TicketNo is there only when tickets were asked for.
type RefundTicket struct {
	TicketNo string      `json:"ticket_no,omitempty"`
	State    TicketState `json:"state"`
	Code     string      `json:"code,omitempty"`
}

// Ref names the order.
func (s *Status) Ref() Ref { return Ref{Account: s.Account, OrderID: s.OrderID} }

// Ended reports whether nothing more happens to the order and its refunds by themselves.
func (s *Status) Ended() bool {
	for _, r := range s.Refunds {
		if !r.State.Final() {
			return false
		}
	}
	return s.State.Final() || s.State == Unrecorded
}

// StatusOption changes what a status holds.
type StatusOption func(*statusWish)

type statusWish struct{ tickets bool }

func newStatusWish(opts []StatusOption) (w statusWish) {
	for _, opt := range opts {
		opt(&w)
	}
	return w
}

// WithTickets adds the tickets and what opens them, which are bearer secrets.
func WithTickets() StatusOption { return func(w *statusWish) { w.tickets = true } }

// Status says where an order and its refunds stand. An account without a merchant is the provider's
// default. ErrUnknownOrder says that there is no such order.
func (c *Client) Status(ctx context.Context, a Account, orderID string, opts ...StatusOption) (*Status, error) {
	a, err := c.Account(ctx, a)
	if err != nil {
		return nil, err
	}
	s, err := c.recorded(ctx, Ref{Account: a, OrderID: orderID}, newStatusWish(opts))
	if err != nil {
		return nil, err
	}
	return s, c.addWaits(ctx, s)
}

// recorded is a status as far as the ledger has it. The account is complete.
func (c *Client) recorded(ctx context.Context, ref Ref, w statusWish) (*Status, error) {
	s := &Status{Provider: ref.Account.Provider, Account: ref.Account, OrderID: ref.OrderID, Refunds: []RefundStatus{}}
	rec, err := c.ledger.Load(ctx, ref)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
	case err != nil:
		return nil, fmt.Errorf("tasks: status: %w", err)
	default:
		if err := c.fill(s, rec, w); err != nil {
			return nil, err
		}
	}
	if s.State == Issued {
		if err := c.fillLooked(ctx, s, w); err != nil {
			return nil, err
		}
	}
	refunds, err := c.ledger.Refunds(ctx, ref)
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
	s.markRefunded()
	if s.State == "" {
		if len(s.Refunds) == 0 {
			return nil, unknown(ref)
		}
		s.State = Unrecorded
	}
	return s, nil
}

// States says where many orders and refunds stand, in one round trip; a few hundred at a time are
// best. "" stands for unknown ones.
func (c *Client) States(ctx context.Context, refs []Ref) ([]State, error) {
	full := make([]Ref, len(refs))
	for i, r := range refs {
		a, err := c.Account(ctx, r.Account)
		if err != nil {
			return nil, err
		}
		full[i] = Ref{Account: a, OrderID: r.OrderID, RefundID: r.RefundID}
	}
	out, err := c.ledger.States(ctx, full)
	if err != nil {
		return nil, fmt.Errorf("tasks: %w", err)
	}
	return out, nil
}

func (c *Client) fill(s *Status, rec *ledger.Record, w statusWish) error {
	s.Standing, s.ProviderRef, s.Polls = standing(rec), rec.ProviderRef, rec.Polls
	s.AcceptedAt, s.ErasedAt = stamp(rec.AcceptedAt), stamp(rec.ErasedAt)
	if !w.tickets || rec.Result == "" {
		return nil
	}
	res, err := vault.OpenResult(c.ring, rec.Ref, rec.Result)
	if err != nil {
		return unopened(rec.Ref, "tickets", err)
	}
	s.Tickets, s.Access = res.Tickets, res.Access
	if s.TicketsAt = s.FinalAt; s.State != Issued || s.ReviewCode != "" {
		s.TicketsAt = s.AcceptedAt // no later answer is stored
	}
	return nil
}

// fillLooked adds what looks at the tickets have shown since the order was issued.
func (c *Client) fillLooked(ctx context.Context, s *Status, w statusWish) error {
	list, err := c.ledger.TicketList(ctx, s.Ref())
	if err != nil {
		return fmt.Errorf("tasks: status: %w", err)
	}
	if len(list.Tickets) == 0 {
		return nil
	}
	s.Looked = &Looked{At: list.At}
	for _, t := range list.Tickets {
		switch t.Status {
		case providers.Unused:
			s.Looked.Unused++
		case providers.Redeemed:
			s.Looked.Redeemed++
		case providers.Refunded:
			s.Looked.Refunded++
		default:
			s.Looked.Other++
		}
		if t.Elsewhere {
			s.Looked.Elsewhere++
		}
	}
	if !w.tickets {
		return nil
	}
	numbers, err := vault.OpenTickets(c.ring, s.Ref(), list.Numbers)
	if err != nil {
		return unopened(s.Ref(), "tickets", err)
	}
	for i, t := range list.Tickets {
		if i < len(numbers) {
			k := ticketOf(s, numbers[i])
			k.UseStatus, k.RefundedElsewhere = t.Status, t.Elsewhere
		}
	}
	s.TicketsAt = stamp(list.At)
	return nil
}

// ticketOf is a status's ticket of a number, which is added where the provider did not show it when it issued.
func ticketOf(s *Status, number string) *providers.Ticket {
	i := slices.IndexFunc(s.Tickets, func(t providers.Ticket) bool { return t.TicketNo == number })
	if i < 0 {
		i = len(s.Tickets)
		s.Tickets = append(s.Tickets, providers.Ticket{TicketNo: number})
	}
	return &s.Tickets[i]
}

// unopened is why what is sealed cannot be shown.
func unopened(r Ref, what string, err error) error {
	if errors.Is(err, seal.ErrUnknownKey) {
		err = fmt.Errorf("%w: %w", ErrWrongKeys, err)
	}
	return fmt.Errorf("tasks: %s: %s: %w", r, what, err)
}

func (c *Client) refundStatus(r *ledger.Record, w statusWish) (RefundStatus, error) {
	s := RefundStatus{RefundID: r.RefundID, Standing: standing(r), Quantity: r.Count, Refunded: r.Refunded}
	var numbers []string
	if w.tickets && len(r.Tickets) > 0 && r.Plan != "" {
		var err error
		if numbers, err = vault.OpenPlan(c.ring, r.Ref, r.Plan); err != nil {
			return s, unopened(r.Ref, "tickets", err)
		}
	}
	for i, t := range r.Tickets {
		rt := RefundTicket{State: t.State, Code: t.Code}
		if i < len(numbers) {
			rt.TicketNo = numbers[i]
		}
		if t.State == "refunded" && !r.State.Final() {
			s.Refunded++
		}
		s.Tickets = append(s.Tickets, rt)
	}
	return s, nil
}

// standing is a record's, without what it waits for.
func standing(rec *ledger.Record) Standing {
	s := Standing{State: rec.State, Lane: rec.Lane, Attempts: rec.Attempts - rec.Unsent, Unsent: rec.Unsent, Error: statusError(rec.Reason),
		CreatedAt: stamp(rec.CreatedAt), FinalAt: stamp(rec.FinalAt), ResolvedBy: rec.ResolvedBy, Resolved: rec.Resolved,
		ReviewCode: rec.ReviewReason.Code, ReviewMessage: rec.ReviewReason.Message, Shape: rec.Shape}
	if s.State == Review {
		s.ReviewAt, s.FinalAt = s.FinalAt, nil
	}
	return s
}

func statusError(r ledger.Reason) *StatusError {
	if r == (ledger.Reason{}) {
		return nil
	}
	return &StatusError{Code: r.Code, Message: plain.Text(r.Message)}
}

func stamp(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
