package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"issuance/internal/ledger"
	"issuance/providers"
)

// NotCancellableError says that a document cannot be cancelled: it may have been sent, or it has ended.
type NotCancellableError struct {
	Ref   Ref
	State State
}

func (e *NotCancellableError) Error() string {
	if e.State.Final() {
		return fmt.Sprintf("%s has ended already (%s)", e.Ref, e.State)
	}
	return fmt.Sprintf("%s may have been sent already (%s)", e.Ref, e.State)
}

// Cancel ends an order, or a refund, of which nothing was ever sent: it becomes Cancelled, which is final
// and an event like any other. Doing so again is the same. Anything else is a *NotCancellableError, and an
// unknown order or refund is ErrUnknownOrder. who and reason are recorded and shown; put no customer's data there.
func (c *Client) Cancel(ctx context.Context, r Ref, who, reason string) error {
	var err error
	if r.Account, err = c.Account(ctx, r.Account); err != nil {
		return err
	}
	a, err := c.ledger.Cancel(ctx, r, who, reason)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		return unknown(r)
	case a.Applied: // should publishing have failed, the sweeper does it
		_ = c.queue.RunRefunds(ctx, c.ledger, r) // else they go on at their time
		return c.decided(ctx, "cancel", r, who, reason)
	case err == nil && a.State == Cancelled:
		return nil
	case err != nil:
		return fmt.Errorf("tasks: cancel %s: %w", r, err)
	}
	return &NotCancellableError{Ref: r, State: a.State}
}

// Erasure is the receipt of an erasure.
type Erasure struct {
	Provider providers.Name `json:"provider"`
	Account  Account        `json:"account"`
	OrderID  string         `json:"order_id"`
	// State is the order's; Unrecorded when only refunds of it are known.
	State  State     `json:"state"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	At     time.Time `json:"at"`
	// Removed names what was removed, of the order ("document", "tickets", …) and of its refunds
	// ("refund R1: document", …); empty when there was nothing left.
	Removed []string `json:"removed"`
}

// NotErasableError says that customer's data is still needed to find out what is true.
type NotErasableError struct {
	Ref   Ref
	State State
}

func (e *NotErasableError) Error() string {
	if e.State == Queued {
		return fmt.Sprintf("%s is still to be sent (%s)", e.Ref, e.State)
	}
	return fmt.Sprintf("%s is not settled (%s)", e.Ref, e.State)
}

// whatIsErased names the ledger's fields for people.
var whatIsErased = map[string]string{"doc": "document", "result": "tickets", "plan": "ticket numbers", "tickets": "ticket numbers and statuses", "message": "the provider's text", "review_message": "text of the review", "resolved_reason": "reason of the decision"}

// Erase removes the customer's data of an order and of its refunds at once: the documents, the tickets and
// what the provider wrote. That there was such an order, when, and how it ended stays. An order that was
// never sent is cancelled first. What is in doubt or in review is a *NotErasableError, and nothing of the
// order is removed then.
func (c *Client) Erase(ctx context.Context, r Ref, who, reason string) (*Erasure, error) {
	var err error
	if r.Account, err = c.Account(ctx, r.Account); err != nil {
		return nil, err
	}
	r = r.Order()
	refunds, err := c.ledger.Refunds(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("tasks: erase %s: %w", r, err)
	}
	refs := []Ref{r}
	for _, rec := range refunds {
		refs = append(refs, rec.Ref)
	}
	if err := c.erasable(ctx, refs, who, reason); err != nil {
		return nil, err
	}
	out := &Erasure{Provider: r.Account.Provider, Account: r.Account, OrderID: r.OrderID, By: who, Reason: reason, Removed: []string{}}
	found := false
	for _, ref := range refs {
		e, err := c.erase(ctx, ref, who)
		switch {
		case err != nil:
			return nil, err
		case e.State == "":
			continue
		}
		found = true
		out.add(ref, e)
	}
	if !found {
		return nil, unknown(r)
	}
	return out, c.decided(ctx, "erase", r, who, reason)
}

// add enters what was removed of one record.
func (e *Erasure) add(ref Ref, removed ledger.Erasure) {
	prefix := ""
	switch {
	case ref.IsRefund():
		prefix = "refund " + ref.RefundID + ": "
		if e.State == "" {
			e.State = Unrecorded
		}
	default:
		e.State = removed.State
	}
	for _, name := range removed.Removed {
		e.Removed = append(e.Removed, prefix+whatIsErased[name])
	}
	if removed.At.After(e.At) {
		e.At = removed.At
	}
}

// erase erases one record. One whose end is not published yet is published first.
func (c *Client) erase(ctx context.Context, r Ref, who string) (ledger.Erasure, error) {
	e, err := c.ledger.Erase(ctx, r, who)
	if err == nil && !e.Applied && e.State.Settled() {
		if err = c.ledger.Publish(ctx, r); err == nil {
			e, err = c.ledger.Erase(ctx, r, who)
		}
	}
	switch {
	case err != nil:
		return e, fmt.Errorf("tasks: erase %s: %w", r, err)
	case e.State != "" && !e.Applied:
		return e, &NotErasableError{Ref: r, State: e.State}
	}
	return e, nil
}

// erasable finds out whether all of an order can be erased, before anything is, and cancels what was never
// sent.
func (c *Client) erasable(ctx context.Context, refs []Ref, who, reason string) error {
	states, err := c.ledger.States(ctx, refs)
	if err != nil {
		return fmt.Errorf("tasks: erase %s: %w", refs[0], err)
	}
	var unsent []Ref
	for i, s := range states {
		switch {
		case s == Queued:
			unsent = append(unsent, refs[i])
		case s != "" && s != Accepted && !s.Settled():
			return &NotErasableError{Ref: refs[i], State: s}
		}
	}
	for _, r := range unsent {
		err := c.Cancel(ctx, r, who, "erased: "+reason)
		if no := (*NotCancellableError)(nil); errors.As(err, &no) {
			err = &NotErasableError{Ref: r, State: no.State}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// decided appends what an operator did to the stream of decisions.
func (c *Client) decided(ctx context.Context, what string, r Ref, who, reason string) error {
	if err := c.ledger.Decided(ctx, ledger.Decision{What: what, Ref: r, Who: who, Reason: reason}); err != nil {
		return fmt.Errorf("tasks: %w", err)
	}
	return nil
}
