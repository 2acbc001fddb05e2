package ledger

import (
	"context"
	"time"

	"issuance/tasks/order"
)

// Change is one transition that this process has applied; those of other processes are not seen.
type Change struct {
	order.Ref
	// Event names what happened: "queued" for a record that this process is the first to claim, the name of a claim's release
	// ("idle", "unclear", "unrecognised", "not_sent", "unknown"), the final state ("issued", "review", …), or the
	// transition itself ("submit", "rejected", "confirmed", "accept", "polled", "plan", "settle_ticket",
	// "without_effect", "yield_turn", "reopen").
	Event string
	// State is the record's after it.
	State order.State

	// Of a record that a worker has ended: when the provider accepted the order (zero where it was issued at once), when
	// the end was recorded, both by the ledger's clock, the record's lane and its W3C traceparent.
	AcceptedAt, FinalAt time.Time
	Lane                order.Lane
	Trace               string
	// PendingAt is Ending.PendingAt.
	PendingAt time.Time
}

// Final reports whether the change was the record's end.
func (c Change) Final() bool { return c.Event == string(c.State) && c.State.Final() }

// observed are the transitions that an observer is called with.
var observed = map[string]bool{"submit": true, "release": true, "rejected": true, "confirmed": true, "accept": true, "polled": true, "finish": true,
	"plan": true, "settle_ticket": true, "without_effect": true, "yield_turn": true, "resolve": true, "reopen": true, "cancel": true}

// pendingAt is the context's key of Ending.PendingAt.
type pendingAt struct{}

// observe calls the observer, if there is one, with a transition that was applied. args are the
// script's without the time.
func (l *Ledger) observe(ctx context.Context, ref order.Ref, name string, args []any, r reply) {
	if l.opt.Observer == nil || !observed[name] || !r.answer().Applied {
		return
	}
	c := Change{Ref: ref, Event: name, State: r.answer().State, AcceptedAt: millis(r["accepted"]), FinalAt: millis(r["final"]),
		Lane: order.Lane(r["lane"]), Trace: r["trace"]}
	c.PendingAt, _ = ctx.Value(pendingAt{}).(time.Time)
	switch name {
	case "release":
		c.Event, _ = args[1].(string)
	case "finish", "resolve", "cancel":
		c.Event = string(c.State)
	}
	l.opt.Observer(c)
}

func (l *Ledger) observeFirst(ref order.Ref) {
	if l.opt.Observer != nil {
		l.opt.Observer(Change{Ref: ref, Event: string(order.Queued), State: order.Queued})
	}
}
