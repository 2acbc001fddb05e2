package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/tasks/order"
)

// Ends reads how records have ended, as the events of the stream that report it and without their StreamID. found
// are records that a search has found; the ends of an order and of all its refunds come together, the oldest first,
// with the order, or, where the order has no record, with the first of its refunds. So do the latest changes of the
// order's tickets. What has not ended is left out.
func (l *Ledger) Ends(ctx context.Context, found []order.Ref) ([]Event, error) {
	groups, err := l.groups(ctx, found)
	if err != nil {
		return nil, err
	}
	pipe := l.rdb.Pipeline()
	ends, tickets := make([][]*redis.SliceCmd, len(groups)), make([]*redis.StringCmd, len(groups))
	for i, g := range groups {
		tickets[i] = pipe.HGet(ctx, keys.Tickets(g.order), "t")
		for _, r := range g.refs() {
			ends[i] = append(ends[i], pipe.HMGet(ctx, keys.Record(r), "state", "code", "final", "ends"))
		}
	}
	if len(groups) > 0 {
		if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
			return nil, fmt.Errorf("ledger: ends: %w", err)
		}
	}
	var out []Event
	for i, g := range groups {
		if known := ends[i][0].Val()[0] != nil; known && !g.whole || !known && !g.first {
			continue // comes with another record
		}
		list := (&TicketList{Tickets: seenTickets(tickets[i].Val())}).events(g.order)
		for n, r := range g.refs() {
			if e, ok := lastEnd(r, ends[i][n].Val()); ok {
				list = append(list, e)
			}
		}
		slices.SortStableFunc(list, func(a, b Event) int { return a.At.Compare(b.At) })
		out = append(out, list...)
	}
	return out, nil
}

// group is an order and its refunds.
type group struct {
	order   order.Ref
	refunds []string
	whole   bool // the order itself was found
	first   bool // the order or the first of its refunds was found
}

func (g group) refs() []order.Ref {
	out := []order.Ref{g.order}
	for _, id := range g.refunds {
		out = append(out, g.order.Refund(id))
	}
	return out
}

// groups are the orders of found records, each once.
func (l *Ledger) groups(ctx context.Context, found []order.Ref) ([]group, error) {
	at := map[order.Ref]int{}
	var groups []group
	refunds := map[order.Ref][]string{}
	for _, r := range found {
		o := r.Order()
		if _, known := at[o]; !known {
			at[o] = len(groups)
			groups = append(groups, group{order: o})
		}
		if r.IsRefund() {
			refunds[o] = append(refunds[o], r.RefundID)
		} else {
			groups[at[o]].whole = true
		}
	}
	pipe := l.rdb.Pipeline()
	lists := make([]*redis.StringSliceCmd, len(groups))
	for i, g := range groups {
		lists[i] = pipe.ZRange(ctx, keys.Refunds(g.order), 0, -1)
	}
	if len(groups) > 0 {
		if _, err := pipe.Exec(ctx); err != nil {
			return nil, fmt.Errorf("ledger: ends: %w", err)
		}
	}
	for i := range groups {
		g := &groups[i]
		g.refunds = lists[i].Val()
		for _, id := range refunds[g.order] {
			if !slices.Contains(g.refunds, id) {
				g.refunds = append(g.refunds, id)
			}
		}
		g.first = g.whole || slices.Contains(refunds[g.order], g.refunds[0])
	}
	return groups, nil
}

// lastEnd is the last end of a record by its state, code, final and ends.
func lastEnd(r order.Ref, f []any) (Event, bool) {
	text := func(n int) string { s, _ := f[n].(string); return s }
	s := order.State(text(0))
	e := Event{ID: eventID(r, s, number(text(3))), Ref: r, State: s, Code: text(1), At: millis(text(2))}
	return e, s.Final() && !e.At.IsZero()
}

// eventID names the end of a record that has ended so many times before, as the script publish does.
func eventID(r order.Ref, s order.State, before int) string {
	return strings.Join([]string{r.String(), string(s), strconv.Itoa(before + 1)}, "/")
}

// Later reports whether one stream id comes after another. What is no id comes before all.
func Later(id, other string) bool {
	return cmp.Or(EventTime(id).Compare(EventTime(other)), cmp.Compare(placeOf(id), placeOf(other))) > 0
}

// placeOf is the place of a stream id among those of its millisecond.
func placeOf(id string) uint64 {
	_, place, _ := strings.Cut(id, "-")
	n, _ := strconv.ParseUint(place, 10, 64)
	return n
}

// EventTime is when the entry of a stream id was written, zero where it is none.
func EventTime(streamID string) time.Time {
	ms, _, _ := strings.Cut(streamID, "-")
	n, err := strconv.ParseInt(ms, 10, 64)
	if err != nil || n <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(n).UTC()
}
