package tasks

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/ledger"
)

// Event reports one end of an order or a refund: it was settled, or came to need review.
type Event struct {
	// ID is new for every end: a review that is retried and ends in review again is another event. The
	// same event may be delivered twice.
	ID string
	// Position is the event's place in the stream, for EventReader.Commit.
	Position string
	Ref      Ref
	State    State
	Code     string // why, where there is something to say; see Code
	At       time.Time
}

// GapError says that events before the next one are gone: the reader was away for longer than events are
// kept (ISSUANCE_KEEP_EVENTS). Reading goes on after it; what was missed is in the orders' statuses.
type GapError struct {
	After string // the position that was committed last
	First string // the position of the oldest event that is still there
}

func (e *GapError) Error() string {
	return fmt.Sprintf("events between %s and %s are gone; look up the status of what is still waited for", e.After, e.First)
}

// EventReader reads the final statuses of all orders and refunds, from a position that it keeps in Redis
// under a name: whoever stops, for whatever reason, goes on where the last Commit was. Delivery is at least
// once; Event.ID recognises what came twice. A reader is used by one goroutine at a time; two readers of
// one name both get every event.
type EventReader struct {
	c       *Client
	name    string
	after   string // what was read last; "" before the first Next
	pending []ledger.Event
}

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
		if err := ctx.Err(); err != nil {
			return Event{}, err
		}
		events, err := r.c.ledger.Events(ctx, r.after, eventBatch, time.Second)
		if end := ended(ctx); err != nil && end != nil {
			err = end
		}
		if err != nil {
			return Event{}, fmt.Errorf("tasks: %w", err)
		}
		r.pending = events
	}
	e := r.pending[0]
	r.pending, r.after = r.pending[1:], e.StreamID
	return Event{ID: e.ID, Position: e.StreamID, Ref: e.Ref, State: e.State, Code: e.Code, At: e.At}, nil
}

// begin finds the position to go on from.
func (r *EventReader) begin(ctx context.Context) error {
	after, err := r.c.rdb.HGet(ctx, keys.Cursors, r.name).Result()
	if errors.Is(err, redis.Nil) {
		r.after = "0"
		return nil
	}
	if err != nil {
		return fmt.Errorf("tasks: events: %w", err)
	}
	first, err := r.c.ledger.FirstEvent(ctx)
	if err != nil {
		return fmt.Errorf("tasks: %w", err)
	}
	kept, err := r.c.rdb.XRangeN(ctx, keys.Events, after, after, 1).Result()
	if err != nil {
		return fmt.Errorf("tasks: events: %w", err)
	}
	r.after = after
	// The committed event itself is gone, and there are younger ones: those between may be gone, too.
	if len(kept) == 0 && first != "" && before(after, first) {
		return &GapError{After: after, First: first}
	}
	return nil
}

// Commit keeps the position of an event: whoever reads under this name later begins after it.
func (r *EventReader) Commit(ctx context.Context, e Event) error {
	if err := r.c.rdb.HSet(ctx, keys.Cursors, r.name, e.Position).Err(); err != nil {
		return fmt.Errorf("tasks: events: %w", err)
	}
	return nil
}

// before compares stream ids, "MS-N".
func before(a, b string) bool {
	split := func(s string) (ms, n uint64) {
		x, y, _ := strings.Cut(s, "-")
		ms, _ = strconv.ParseUint(x, 10, 64) // Redis wrote it
		n, _ = strconv.ParseUint(y, 10, 64)
		return ms, n
	}
	am, an := split(a)
	bm, bn := split(b)
	return am < bm || am == bm && an < bn
}
