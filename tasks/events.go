package tasks

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/ledger"
)

// Event reports one end of an order or a refund: it was settled, or came to need review. With a Ticket it reports
// what became of an order's ticket after it was issued.
type Event struct {
	// ID is new for every end: a review that is retried and ends in review again is another event. The
	// same event may be delivered twice.
	ID string
	// Position is the event's place in the stream, for EventReader.Commit.
	Position string
	Ref      Ref
	// Ticket is the place of the ticket that it is about among the order's tickets, from 1; 0 for an end. State is then
	// the ticket's status, "redeemed" or "refunded", which is none of an order.
	Ticket int
	State  State
	Code   string // why, where there is something to say; see Code
	At     time.Time
	// By is who decided it, a review or a cancellation, and ReviewCode why the one had needed review.
	By, ReviewCode string
}

// GapError says that events before the next one may be gone: the reader was away for longer than events are
// kept (ISSUANCE_KEEP_EVENTS). Reading goes on after it; what was missed is in the orders' statuses.
type GapError struct {
	After string // the position of the event that was read last
	First string // the position of the oldest event that is still there
}

func (e *GapError) Error() string {
	return fmt.Sprintf("events between %s and %s are gone", e.After, e.First)
}

// EventReader reads the final statuses of all orders and refunds, and what became of tickets, from a position that it keeps in Redis
// under a name: whoever stops, for whatever reason, goes on where the last Commit was. Delivery is at least
// once; Event.ID recognises what came twice. A reader is used by one goroutine at a time; two readers of
// one name both get every event.
type EventReader struct {
	c       *Client
	name    string
	after   string // what was read last; "" before the first Next
	pending []ledger.Event
	gap     *GapError // found and not returned yet
}

// oldest is the position before every event.
const oldest = "0"

var readerName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Events makes a reader of a name: 1 to 64 letters, digits, '.', '_' or '-'. A name that was never used
// begins with the oldest event that is kept.
func (c *Client) Events(name string) (*EventReader, error) {
	if !readerName.MatchString(name) {
		return nil, fmt.Errorf("tasks: event reader: a name has 1 to 64 letters, digits, '.', '_' or '-'")
	}
	return &EventReader{c: c, name: name}, nil
}

// eventBatch is how many events are fetched at a time.
const eventBatch = 200

// Next returns the next event, waiting for one until the context ends. A *GapError is returned once for
// each gap. After any other error Next may be called again.
func (r *EventReader) Next(ctx context.Context) (Event, error) {
	if r.after == "" {
		if err := r.begin(ctx); err != nil {
			return Event{}, err
		}
	}
	for len(r.pending) == 0 {
		if err := r.fetch(ctx); err != nil {
			if end := ended(ctx); end != nil {
				err = end // a connection that ends with the context reports only an i/o timeout
			}
			return Event{}, fmt.Errorf("tasks: events: %w", err)
		}
		if gap := r.gap; gap != nil {
			r.gap = nil
			return Event{}, gap
		}
	}
	e := r.pending[0]
	r.pending, r.after = r.pending[1:], e.StreamID
	return Event{ID: e.ID, Position: e.StreamID, Ref: e.Ref, Ticket: e.Ticket, State: e.State, Code: e.Code, At: e.At, By: e.By, ReviewCode: e.ReviewCode}, nil
}

// begin finds the position to go on from.
func (r *EventReader) begin(ctx context.Context) error {
	after, err := r.c.rdb.HGet(ctx, keys.Cursors, r.name).Result()
	switch {
	case errors.Is(err, redis.Nil):
		after = oldest
	case err != nil:
		if end := ended(ctx); end != nil {
			err = end
		}
		return fmt.Errorf("tasks: events: %w", err)
	}
	r.after = after
	return nil
}

// fetch reads the events that follow, waiting a second for one. Events are trimmed from the oldest on, so
// none was lost as long as the one before them is still there afterwards.
func (r *EventReader) fetch(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	events, err := r.c.ledger.Events(ctx, r.after, eventBatch, time.Second)
	if err != nil || len(events) == 0 {
		return err
	}
	if r.after != oldest {
		kept, err := r.c.rdb.XRangeN(ctx, keys.Events, r.after, r.after, 1).Result()
		if err != nil {
			return err
		}
		if len(kept) == 0 {
			r.gap = &GapError{After: r.after, First: events[0].StreamID}
		}
	}
	r.pending = events
	return nil
}

// Commit keeps the position of an event: whoever reads under this name later begins after it.
func (r *EventReader) Commit(ctx context.Context, e Event) error {
	if e.Position == "" {
		return errors.New("tasks: events: commit of an event without a position")
	}
	if err := r.c.rdb.HSet(ctx, keys.Cursors, r.name, e.Position).Err(); err != nil {
		return fmt.Errorf("tasks: events: %w", err)
	}
	return nil
}
