package ledger

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/providers"
	"issuance/tasks/order"
)

// mostLocated bounds what Locate returns of one account.
const mostLocated = 200

// Locate finds records of an account by what people have in their hands: the order's number (then its refunds come with
// it), the provider's own number of it, or a refund's id. Its work is bounded: a few commands for each month that records
// are kept, and none that looks at other records. Of refunds with one id it finds the latest of each month. An order whose
// customer's data was erased is found by its own number only. Whether a record has changed since is for the caller to see.
func (l *Ledger) Locate(ctx context.Context, a providers.Account, text string) ([]order.Ref, error) {
	if text == "" || strings.ContainsAny(text, ":\n{}") { // no id holds one of them
		return nil, nil
	}
	o := order.Ref{Account: a, OrderID: text}
	pipe := l.rdb.Pipeline()
	own := pipe.Exists(ctx, keys.Record(o))
	refunds := pipe.ZRange(ctx, keys.Refunds(o), 0, mostLocated-1)
	var pointers []*redis.StringCmd
	for _, m := range l.months() {
		key, field := place(a, text, m)
		pointers = append(pointers, pipe.HGet(ctx, key, field))
	}
	cmds, _ := pipe.Exec(ctx)
	for _, c := range cmds {
		if err := c.Err(); err != nil && err != redis.Nil {
			return nil, fmt.Errorf("ledger: locate: %w", err)
		}
	}
	var out []order.Ref
	if own.Val() > 0 {
		out = append(out, o)
	}
	for _, id := range refunds.Val() {
		out = append(out, o.Refund(id))
	}
	var hints []order.Ref
	for _, p := range pointers {
		for _, v := range slices.Backward(strings.Split(p.Val(), "\n")) {
			if r := leadsTo(a, v, text); v != "" && !slices.Contains(out, r) && !slices.Contains(hints, r) && len(out)+len(hints) < mostLocated {
				hints = append(hints, r)
			}
		}
	}
	hints, err := l.confirmed(ctx, hints, text)
	return append(out, hints...), err
}

// leadsTo is the record that a pointer from text leads to.
func leadsTo(a providers.Account, value, text string) order.Ref {
	id, isRefund := strings.CutSuffix(value, ":")
	r := order.Ref{Account: a, OrderID: id}
	if isRefund {
		r.RefundID = text
	}
	return r
}

// confirmed are those whose record says what the pointer said.
func (l *Ledger) confirmed(ctx context.Context, hints []order.Ref, text string) ([]order.Ref, error) {
	if len(hints) == 0 {
		return nil, nil
	}
	pipe := l.rdb.Pipeline()
	records := make([]*redis.SliceCmd, len(hints))
	for i, r := range hints {
		records[i] = pipe.HMGet(ctx, keys.Record(r), "state", "ref", "erased_at")
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("ledger: locate: %w", err)
	}
	var out []order.Ref
	for i, r := range hints {
		f := records[i].Val()
		if f[0] != nil && f[2] == nil && (r.IsRefund() || f[1] == text) {
			out = append(out, r)
		}
	}
	return out, nil
}
