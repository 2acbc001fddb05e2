package ledger

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/providers"
	"issuance/tasks/order"
)

// Event is one end of a record on the stream keys.Events, or a change of an order's ticket. Delivery is at least once:
// two entries with the same ID report the same.
type Event struct {
	StreamID string
	// ID is "ACCOUNT/ORDER[/REFUND]/STATE/N": the record's N-th end. A review that is retried and ends in
	// review again is another end. Of a ticket it is "ACCOUNT/ORDER/ticket/PLACE/STATUS/N".
	ID string
	order.Ref
	// Ticket is the place of the ticket that it is about in the order's TicketList, from 1; 0 for an end. State is then
	// the ticket's status, redeemed or refunded.
	Ticket int
	State  order.State
	Code   string
	At     time.Time
	// By is who decided it, a review or a cancellation, and ReviewCode why the one had needed review.
	By, ReviewCode string
}

// Publish appends the event of a final record to the stream, marks the record, lets it age, and takes it
// out of the open set. Doing it twice appends the same event twice at the most, which consumers recognise
// by its ID. A record that is not final is left alone.
func (l *Ledger) Publish(ctx context.Context, r order.Ref) error {
	if l.sharded {
		return l.publishSharded(ctx, r)
	}
	k, args := l.publishing(r)
	f, err := l.run(ctx, r, "publish", append([]string{keys.Record(r), keys.Details(r)}, k...), args...)
	if err != nil {
		return err
	}
	return unpublished(r, f)
}

// publishing is what a script needs to publish a record's end: the keys and arguments of publish in
// scripts/prelude.lua. In a cluster it gets no keys and leaves that to publishSharded.
func (l *Ledger) publishing(r order.Ref) (k []string, args []any) {
	if l.sharded {
		return nil, nil
	}
	k = []string{keys.Events, keys.Open(r.Account), keys.Reviews(r.Account)}
	if r.IsRefund() {
		k = append(k, keys.Refunds(r))
	}
	return k, []any{r.String(), string(r.Account.Provider), r.Account.String(), r.OrderID, r.RefundID, keys.Member(r), l.opt.KeepEvents,
		l.opt.KeepDetails.Milliseconds(), l.opt.KeepRecords.Milliseconds()}
}

// unpublished is why a record's end could not be published. The record is in the open set until it is.
func unpublished(r order.Ref, f reply) error {
	if f["problem"] == "" {
		return nil
	}
	return fmt.Errorf("ledger: publish %s: %s", r, f["problem"])
}

// Events reads up to count events after the stream id `after` ("0" for the first, "$" for new
// ones), waiting up to block for one; block 0 does not wait.
func (l *Ledger) Events(ctx context.Context, after string, count int64, block time.Duration) ([]Event, error) {
	if block <= 0 {
		block = -1 // go-redis: no BLOCK
	}
	streams, err := l.rdb.XRead(ctx, &redis.XReadArgs{Streams: []string{keys.Events, after}, Count: count, Block: block}).Result()
	if err == redis.Nil {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: events: %w", err)
	}
	var out []Event
	for _, s := range streams {
		for _, m := range s.Messages {
			out = append(out, event(m))
		}
	}
	return out, nil
}

// LastEvent is the stream id of the newest event, "0" when there was none.
func (l *Ledger) LastEvent(ctx context.Context) (string, error) {
	last, err := l.rdb.XRevRangeN(ctx, keys.Events, "+", "-", 1).Result()
	if err != nil {
		return "", fmt.Errorf("ledger: events: %w", err)
	}
	if len(last) == 0 {
		return "0", nil
	}
	return last[0].ID, nil
}

// FirstEvent is the stream id of the oldest event that is still kept, "" when there is none.
func (l *Ledger) FirstEvent(ctx context.Context) (string, error) {
	first, err := l.rdb.XRangeN(ctx, keys.Events, "-", "+", 1).Result()
	if err != nil {
		return "", fmt.Errorf("ledger: events: %w", err)
	}
	if len(first) == 0 {
		return "", nil
	}
	return first[0].ID, nil
}

// ForgottenBefore is when the oldest event that is still kept was published, if earlier ones have left the stream; else zero.
func (l *Ledger) ForgottenBefore(ctx context.Context) (time.Time, error) {
	n, err := l.rdb.Exists(ctx, keys.Events).Result()
	if err != nil || n == 0 {
		return time.Time{}, err
	}
	info, err := l.rdb.XInfoStream(ctx, keys.Events).Result()
	if err != nil || info.EntriesAdded <= info.Length {
		return time.Time{}, err
	}
	return EventTime(info.FirstEntry.ID), nil
}

func event(m redis.XMessage) Event {
	v := func(name string) string { s, _ := m.Values[name].(string); return s }
	ms, _ := strconv.ParseInt(v("at"), 10, 64)
	var a providers.Account
	_ = a.UnmarshalText([]byte(v("account"))) // written by publish
	return Event{StreamID: m.ID, ID: v("event_id"), Ref: order.Ref{Account: a, OrderID: v("order_id"), RefundID: v("refund_id")},
		Ticket: number(v("ticket")), State: order.State(v("state")), Code: v("code"), At: time.UnixMilli(ms).UTC(), By: v("by"), ReviewCode: v("review_code")}
}

// HasEvent reports whether the stream still holds the entry of a stream id.
func (l *Ledger) HasEvent(ctx context.Context, streamID string) (bool, error) {
	kept, err := l.rdb.XRangeN(ctx, keys.Events, streamID, streamID, 1).Result()
	if err != nil {
		return false, fmt.Errorf("ledger: events: %w", err)
	}
	return len(kept) > 0, nil
}

// ParseEventID is what an event's id names of it: the record, or its ticket, and the state.
func ParseEventID(id string) (e Event, ok bool) {
	parts := strings.Split(id, "/")
	n := len(parts) - 2
	if n < 2 {
		return Event{}, false
	}
	e.ID, e.State = id, order.State(parts[n])
	if n == 4 && parts[2] == "ticket" {
		e.Ticket, n = number(parts[3]), 2
	}
	e.Ref, ok = order.ParseRef(strings.Join(parts[:n], "/"))
	return e, ok
}
