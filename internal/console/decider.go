package console

import (
	"context"
	"slices"
	"strings"
	"time"

	"issuance/internal/ledger"
	"issuance/tasks/order"
)

// decider is who decided about a record, or about an account or a webhook, what it was, why and when.
type decider struct {
	Who, What, Why string
	At             time.Time
}

// deciderOf is who decided about a record last, nil where nobody did. The record has it by the very transition, which the
// list of decisions follows.
func deciderOf(rec *ledger.Record) *decider {
	for _, s := range slices.Backward(rec.History) {
		what, by := "", s.Detail
		switch s.Event {
		case "resolved":
			var state string
			state, by, _ = strings.Cut(s.Detail, " ")
			what = "resolve as " + state
		case "reopened":
			what = "retry"
		case string(order.Cancelled):
			what = "cancel"
		default:
			continue
		}
		who, why, _ := strings.Cut(strings.TrimPrefix(by, "by "), ": ")
		return &decider{who, what, why, s.At}
	}
	return nil
}

// faster is the failure of a decision about a record that somebody else decided first, nil where nobody did.
func (v *visit) faster(d *decider) error {
	if d == nil {
		return nil
	}
	why := d.Why
	if why == "" { // it was erased with the customer's data
		why = v.lang.T("none")
	}
	return fail(conflict, "fail.decided", d.Who, v.lang.decided(d.What), v.clock(d.At), why)
}

// was is the failure of a decision about a review that is none any more.
func (v *visit) was(r order.Ref, state order.State) error {
	switch state {
	case "":
		return notFound
	case order.Review:
		return fail(conflict, "fail.unpublished")
	}
	rec, err := v.Ledger.Load(v.r.Context(), r)
	if err != nil {
		return err
	}
	if err := v.faster(deciderOf(rec)); err != nil {
		return err
	}
	return fail(conflict, "fail.no_review", v.lang.or("state.", string(state)))
}

// another is who cancelled a record, if it was not this one for this reason: cancelling again is the same.
func (c *Console) another(ctx context.Context, r order.Ref, who, reason string) (*decider, error) {
	rec, err := c.Ledger.Load(ctx, r)
	if err != nil || rec.State != order.Cancelled || rec.ResolvedBy == who && rec.Resolved == reason {
		return nil, err
	}
	if d := deciderOf(rec); d != nil {
		return d, nil
	}
	return &decider{rec.ResolvedBy, "cancel", rec.Resolved, rec.FinalAt}, nil
}

// How often, and after what pause, the list of decisions is looked at for what somebody has just done: the entry follows it.
const (
	looksBack = 4
	lookAgain = 50 * time.Millisecond
)

// before is who did something to an account or a webhook before the visitor could, nil where the list does not have it.
func (v *visit) before(is func(ledger.Decision) (about, did bool)) (*decider, error) {
	ctx := v.r.Context()
	for range looksBack {
		last, err := v.Ledger.Latest(ctx, func(d ledger.Decision) bool { about, _ := is(d); return about })
		if err != nil {
			return nil, err
		}
		if last != nil {
			if _, did := is(*last); did {
				return &decider{last.Who, last.What, last.Reason, last.At}, nil
			}
		}
		select {
		case <-time.After(lookAgain):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return nil, nil
}
