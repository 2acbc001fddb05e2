package handler

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"issuance/providers"
)

// Control is what control looks have shown: at an order that the provider certainly has, and at a number that cannot exist.
type Control struct {
	// Found says that the order was found. OK is false when there is none to ask for, or no clear answer about it.
	Found, OK bool
	// Unknown is the answer about the number; the zero value where nobody asked because the order was not found.
	Unknown providers.Finding
}

// Means reports whether an answer that is taken for "unknown number" means that, by a control that Serves it: the provider
// answers in the same way about a number that cannot exist.
func (c Control) Means(f providers.Finding) bool {
	return !f.Assumed || c.Unknown.State == providers.Absent && c.Unknown.Outcome.Code == f.Outcome.Code
}

// Looks that are answered at about the same time share a control.
const (
	// fresh is how much later than the answer that it serves a control begins at the most.
	fresh = 5 * time.Second
	// gather is how long a control waits for further answers that it may serve, where more orders than one are rejected, and
	// gathered how many are worth no longer wait: those who wait take slots.
	gather   = 4 * time.Second
	gathered = 6
)

// controls shares the control looks of an account at a host. Safe for concurrent use.
//
// What a control is for: the answer about an order, "no", is that of a provider whose code for "unknown number" is not public,
// so it may mean "not now". A control tells the two apart if it begins after that answer has come, and soon after it: were all
// questions answered with "not now" at that moment, and still, it would not find its order. One that began before says nothing
// of what may have begun meanwhile, so none is ever used again: who comes after it began is served by the next one. So each answer
// that a control serves had come before the first of its looks began, and by no more than fresh, just as if it had a
// control of its own. Nothing about lags rests on it: whether a look may be the last one is decided before (Run.Lag), and an
// order that the control finds was shown when it was issued.
type controls struct {
	mu   sync.Mutex
	next *controlled // has not begun, and may be joined; nil without one
}

// controlled is one control, for all who have joined it.
type controlled struct {
	Control
	joined int
	full   chan struct{} // closed when enough have joined
	done   chan struct{}
	began  time.Time
	made   bool
}

// Control makes a control that begins after this call has, together with others who ask for one now. crowd says that others are
// expected. Call it as soon as the answer has come that it is to serve.
func (c *Course) Control(ctx context.Context, log *slog.Logger, crowd bool) (Control, error) {
	answered := time.Now()
	one, first := c.controls.join()
	if first {
		return c.lead(ctx, log, one, crowd)
	}
	select {
	case <-one.done:
	case <-ctx.Done():
		return Control{}, ctx.Err()
	}
	if one.made && elapsed(answered, one.began) <= fresh {
		return one.Control, nil
	}
	return c.control(ctx, log) // who made it was interrupted, or it came too late: one of our own
}

func (c *controls) join() (one *controlled, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next == nil {
		c.next, first = &controlled{full: make(chan struct{}), done: make(chan struct{})}, true
	}
	c.next.joined++
	if c.next.joined == gathered {
		close(c.next.full)
	}
	return c.next, first
}

// begin lets nobody join any more.
func (c *controls) begin(one *controlled) {
	c.mu.Lock()
	defer c.mu.Unlock()
	one.began = time.Now()
	c.next = nil
}

// lead makes a control for all who join until it begins.
func (c *Course) lead(ctx context.Context, log *slog.Logger, one *controlled, crowd bool) (got Control, err error) {
	defer close(one.done)
	if crowd {
		wait := time.NewTimer(gather)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-one.full:
		case <-ctx.Done():
		}
	}
	c.controls.begin(one)
	if err := ctx.Err(); err != nil {
		return got, err
	}
	got, err = c.control(ctx, log)
	one.Control, one.made = got, err == nil && ctx.Err() == nil
	return got, err
}

// control makes the looks.
func (c *Course) control(ctx context.Context, log *slog.Logger) (got Control, err error) {
	got.Found, got.OK, err = Known(ctx, log, c.Provider, c.Ledger)
	if err == nil && (got.Found || !got.OK) {
		got.Unknown = probe(ctx, log, c.Provider)
	}
	return got, err
}
