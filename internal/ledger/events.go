package ledger

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/providers"
)

// Event is one final status on the stream EventsKey. Delivery is at least once: two entries with
// the same ID tell the same thing.
type Event struct {
	StreamID string
	// ID is "PROVIDER/ORDER/STATE" or "PROVIDER/ORDER/REFUND/STATE".
	ID       string
	Provider providers.Name
	OrderID  string
	RefundID string // empty for orders
	State    State
	Code     string
	At       time.Time
}

func (r Ref) record() string {
	if r.RefundID != "" {
		return RefundKey(r).refund()
	}
	return r.Key.order()
}

func (r Ref) openMember() string {
	if r.RefundID != "" {
		return RefundKey(r).openMember()
	}
	return r.Key.openMember()
}

func (r Ref) String() string {
	if r.RefundID != "" {
		return RefundKey(r).String()
	}
	return r.Key.String()
}

// Publish appends the event of a final record to the stream, marks the record, lets it expire
// after KeepFinal, and takes it out of the open set. Doing it twice appends the same event twice,
// which consumers tell by its ID. A record that is not final is left alone.
func (l *Ledger) Publish(ctx context.Context, r Ref) error {
	f, err := l.rdb.HMGet(ctx, r.record(), "state", "code", "final_at", "event").Result()
	if err != nil {
		return fmt.Errorf("ledger: publish %s: %w", r, err)
	}
	field := func(i int) string { s, _ := f[i].(string); return s }
	state := State(field(0))
	if !state.Final() {
		return nil
	}
	marked := ""
	if field(3) == "" {
		marked, err = l.rdb.XAdd(ctx, &redis.XAddArgs{Stream: EventsKey, MaxLen: l.opt.KeepEvents, Approx: true, Values: []any{
			"event_id", fmt.Sprintf("%s/%s", r, state), "provider", string(r.Provider), "order_id", r.OrderID,
			"refund_id", r.RefundID, "state", string(state), "code", field(1), "at", field(2)}}).Result()
		if err != nil {
			return fmt.Errorf("ledger: publish %s: %w", r, err)
		}
	}
	keep := ""
	if state != Review {
		keep = strconv.FormatInt(l.opt.KeepFinal.Milliseconds(), 10)
	}
	reply, err := l.run(ctx, "published", []string{r.record()}, string(state), marked, keep)
	if err != nil {
		return err
	}
	if !answer(reply).Applied {
		return nil // resolved meanwhile: whoever resolved it publishes that, or the sweeper does
	}
	pipe := l.rdb.Pipeline()
	if keep != "" && r.RefundID != "" {
		pipe.PExpire(ctx, r.Key.refunds(), l.opt.KeepFinal)
	}
	if state == Review {
		pipe.ZAdd(ctx, reviewKey(r.Provider), redis.Z{Score: float64(millis(field(2)).UnixMilli()), Member: r.openMember()})
	}
	pipe.ZRem(ctx, openKey(r.Provider), r.openMember())
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("ledger: publish %s: %w", r, err)
	}
	return nil
}

// Events reads up to count events after the stream id `after` ("0" for the first, "$" for new
// ones), waiting up to block for one; block 0 does not wait.
func (l *Ledger) Events(ctx context.Context, after string, count int64, block time.Duration) ([]Event, error) {
	if block <= 0 {
		block = -1 // go-redis: no BLOCK
	}
	streams, err := l.rdb.XRead(ctx, &redis.XReadArgs{Streams: []string{EventsKey, after}, Count: count, Block: block}).Result()
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

func event(m redis.XMessage) Event {
	v := func(name string) string { s, _ := m.Values[name].(string); return s }
	ms, _ := strconv.ParseInt(v("at"), 10, 64)
	return Event{StreamID: m.ID, ID: v("event_id"), Provider: providers.Name(v("provider")), OrderID: v("order_id"),
		RefundID: v("refund_id"), State: State(v("state")), Code: v("code"), At: time.UnixMilli(ms).UTC()}
}
