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
// after KeepFinal, and takes it out of the open set. Doing it twice appends the same event twice at
// the most, which consumers tell by its ID. A record that is not final is left alone.
func (l *Ledger) Publish(ctx context.Context, r Ref) error {
	if l.apart {
		return l.publishApart(ctx, r)
	}
	keys, tell := l.tell(r)
	reply, err := l.run(ctx, "publish", append([]string{r.record()}, keys...), tell...)
	if err != nil {
		return err
	}
	return untold(r, reply)
}

// tell is what a script needs to tell a record's end: the keys and arguments of tell in
// scripts/prelude.lua. In a cluster it gets none and leaves that to publishApart.
func (l *Ledger) tell(r Ref) (keys []string, args []any) {
	if l.apart {
		return nil, nil
	}
	keys = []string{EventsKey, openKey(r.Provider), reviewKey(r.Provider)}
	if r.RefundID != "" {
		keys = append(keys, r.Key.refunds())
	}
	return keys, []any{r.String(), string(r.Provider), r.OrderID, r.RefundID, r.openMember(), l.opt.KeepEvents, l.opt.KeepFinal.Milliseconds()}
}

// ended turns the reply of a script that ends a record into an answer, and publishes the end where
// the script could not.
func (l *Ledger) ended(ctx context.Context, r Ref, reply []string, err error) (Answer, error) {
	if err != nil {
		return Answer{}, err
	}
	a := answer(reply)
	switch {
	case !a.Applied:
		return a, nil
	case l.apart:
		return a, l.publishApart(ctx, r)
	}
	return a, untold(r, reply)
}

// untold is why a record's end could not be told. The record is in the open set until it is.
func untold(r Ref, reply []string) error {
	if len(reply) < 3 || reply[2] == "" {
		return nil
	}
	return fmt.Errorf("ledger: publish %s: %s", r, reply[2])
}

// publishApart is Publish step by step: the event, the mark, the open set. Wherever it breaks off, the
// record is still open, and publishing it again repeats no more than the event.
func (l *Ledger) publishApart(ctx context.Context, r Ref) error {
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
	if state != Review {
		pipe.ZRem(ctx, reviewKey(r.Provider), r.openMember())
	} else {
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
