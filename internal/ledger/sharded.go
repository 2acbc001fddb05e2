package ledger

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/tasks/order"
)

// end is a record's end as publishSharded found it.
type end struct {
	state                 order.State
	code, at, event, ends string // ends: how many it had before
	by, reviewCode        string
	open                  string // its time in the open set, "" when it is not there
}

// publishSharded is Publish step by step: the event, the mark, the sets. Wherever it breaks off, the
// record is still open, and publishing it again repeats no more than the event. The record may be resolved or
// reopened between any two steps: what is no longer as it was found is left alone.
func (l *Ledger) publishSharded(ctx context.Context, r order.Ref) error {
	if err := l.publishSteps(ctx, r); err != nil {
		return fmt.Errorf("ledger: publish %s: %w", r, err)
	}
	return nil
}

func (l *Ledger) publishSteps(ctx context.Context, r order.Ref) error {
	e, err := l.readEnd(ctx, r)
	if err != nil || !e.state.Final() {
		return err
	}
	marked := ""
	if e.event == "" {
		if err := l.publishEarlier(ctx, r, number(e.at)); err != nil {
			return err
		}
		values := []any{"event_id", eventID(r, e.state, number(e.ends)), "provider", string(r.Account.Provider), "account", r.Account.String(),
			"order_id", r.OrderID, "refund_id", r.RefundID, "state", string(e.state), "code", e.code, "at", e.at}
		if e.by != "" {
			values = append(values, "by", e.by)
		}
		if e.reviewCode != "" {
			values = append(values, "review_code", e.reviewCode)
		}
		marked, err = l.rdb.XAdd(ctx, &redis.XAddArgs{Stream: keys.Events, MaxLen: l.opt.KeepEvents, Approx: true, Values: values}).Result()
		if err != nil {
			return err
		}
	}
	k := []string{keys.Record(r), keys.Details(r)}
	if r.IsRefund() {
		k = append(k, keys.Refunds(r))
	}
	a, err := l.transition(ctx, r, "published", k, e.ends, marked, l.opt.KeepDetails.Milliseconds(), l.opt.KeepRecords.Milliseconds(), r.RefundID)
	if err != nil || !a.Applied {
		return err // not applied: whoever changed it meanwhile publishes it, or the sweeper does
	}
	if err := l.listReview(ctx, r, e); err != nil {
		return err
	}
	if e.state.Settled() {
		return l.rdb.ZRem(ctx, keys.Open(r.Account), keys.Member(r)).Err()
	}
	return l.removeAt(ctx, keys.Open(r.Account), r, e.open)
}

// publishEarlier publishes the ends of an order and its refunds that came before one of them and whose events are not on the
// stream yet, because their publishers died or found a node away: events of one order stand in the order in which they happened.
func (l *Ledger) publishEarlier(ctx context.Context, r order.Ref, before int) error {
	refunds, err := l.rdb.ZRange(ctx, keys.Refunds(r), 0, -1).Result()
	if err != nil || len(refunds) == 0 {
		return err
	}
	refs := []order.Ref{r.Order()}
	for _, id := range refunds {
		refs = append(refs, r.Order().Refund(id))
	}
	pipe := l.rdb.Pipeline()
	cmds := make([]*redis.SliceCmd, len(refs))
	for i, ref := range refs {
		cmds[i] = pipe.HMGet(ctx, keys.Record(ref), "state", "final", "event")
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	at := map[order.Ref]int{}
	for i, ref := range refs {
		f := cmds[i].Val()
		state, _ := f[0].(string)
		final, _ := f[1].(string)
		if ended := number(final); ref != r && order.State(state).Final() && f[2] == nil && ended < before {
			at[ref] = ended
		}
	}
	for _, ref := range slices.SortedFunc(maps.Keys(at), func(a, b order.Ref) int { return at[a] - at[b] }) {
		if err := l.publishSteps(ctx, ref); err != nil {
			return err
		}
	}
	return nil
}

func (l *Ledger) readEnd(ctx context.Context, r order.Ref) (end, error) {
	pipe := l.rdb.Pipeline()
	record := pipe.HMGet(ctx, keys.Record(r), "state", "code", "final", "event", "ends", "resolved_by", "review_code")
	open := pipe.ZScore(ctx, keys.Open(r.Account), keys.Member(r))
	_, _ = pipe.Exec(ctx) // each command has its error
	f, err := record.Result()
	if err != nil {
		return end{}, err
	}
	field := func(i int) string { s, _ := f[i].(string); return s }
	e := end{state: order.State(field(0)), code: field(1), at: field(2), event: field(3), ends: field(4), by: field(5), reviewCode: field(6)}
	switch err := open.Err(); {
	case err == nil:
		e.open = fmt.Sprintf("%.0f", open.Val())
	case err != redis.Nil:
		return end{}, err
	}
	return e, nil
}

// listReview lists a record while it needs review, and takes a settled one off the list.
func (l *Ledger) listReview(ctx context.Context, r order.Ref, e end) error {
	set := keys.Reviews(r.Account)
	if e.state.Settled() {
		return l.rdb.ZRem(ctx, set, keys.Member(r)).Err()
	}
	// GT: it may be in review anew, and listed for that.
	if err := l.rdb.ZAddGT(ctx, set, redis.Z{Score: float64(number(e.at)), Member: keys.Member(r)}).Err(); err != nil {
		return err
	}
	// Whoever decides takes it off the list, which may have been before it was put there.
	f, err := l.rdb.HMGet(ctx, keys.Record(r), "state", "ends").Result()
	if err != nil {
		return err
	}
	if ends, _ := f[1].(string); f[0] == string(order.Review) && ends == e.ends {
		return nil
	}
	return l.removeAt(ctx, set, r, e.at)
}

// removeAt takes a record out of a set unless somebody gave it another time there.
func (l *Ledger) removeAt(ctx context.Context, set string, r order.Ref, at string) error {
	if at == "" {
		return nil
	}
	return scripts["put_off"].Run(ctx, l.rdb, []string{set}, l.args([]any{at, keys.Member(r), ""})...).Err()
}
