package console

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"issuance/internal/ledger"
	"issuance/internal/webhooks"
	"issuance/tasks"
	"issuance/tasks/order"
)

// moment is something that happened to an order.
type moment struct {
	At     time.Time // zero where the middle of a long history was dropped
	Ref    order.Ref
	Event  string
	Detail string
}

// timeline is everything that happened to an order and its refunds, the oldest first.
func (l Lang) timeline(records []*ledger.Record, decisions map[tasks.Ref][]ledger.Decision, sent []delivery) (out []moment) {
	for _, rec := range records {
		last := rec.CreatedAt
		for _, s := range rec.History {
			at := s.At
			if at.IsZero() {
				at = last // where it was dropped
			}
			last = at
			out = append(out, moment{at, rec.Ref, s.Event, l.detail(s)})
		}
		for _, d := range decisions[rec.Ref] {
			out = append(out, moment{d.At, rec.Ref, "decision", l.T("decision", l.decided(d.What), d.Who, d.From, d.Reason)})
		}
	}
	for _, d := range sent {
		if d.Outcome == "delivered" {
			out = append(out, moment{d.At, d.Ref, "delivery", d.Endpoint + ": " + d.EventID})
		}
	}
	slices.SortStableFunc(out, func(x, y moment) int { return cmp.Compare(x.At.UnixMilli(), y.At.UnixMilli()) })
	return out
}

// detail is what a step of a history says beyond its event.
func (l Lang) detail(s ledger.Step) string {
	switch s.Event {
	case string(order.Queued):
		return l.or("lane.", s.Detail)
	case "resolved":
		state, by, _ := strings.Cut(s.Detail, " ")
		return l.T("of", l.or("state.", state), l.said(by))
	case "ticket":
		if f := strings.SplitN(s.Detail, " ", 3); len(f) > 1 && !strings.HasSuffix(f[1], ",") {
			return strings.TrimSpace(l.T("ticket.no", f[0]) + " " + l.or("ticket.", f[1]) + " " + l.code(strings.Join(f[2:], " ")))
		}
		n, rest, _ := strings.Cut(s.Detail, " ")
		return l.T("ticket.no", n) + " " + l.said(rest)
	}
	if words := l.explain(s.Detail); words != "" {
		return l.code(s.Detail)
	}
	return l.said(s.Detail)
}

// code is a code with what it means, where that is known.
func (l Lang) code(code string) string {
	if words := l.explain(code); words != "" {
		return code + " — " + words
	}
	return code
}

// decided is what a person did.
func (l Lang) decided(what string) string {
	if state, ok := strings.CutPrefix(what, "resolve as "); ok {
		return l.T("decision.as", l.or("state.", state))
	}
	return l.or("decision.", l.said(what))
}

// delivery is one try to deliver an event of the order.
type delivery struct {
	webhooks.Delivery
	Endpoint string
	Ref      order.Ref
}

// mostDeliveries is how many of an endpoint's last deliveries are looked through: all that are remembered, and some more.
const mostDeliveries = 1200

// deliveries are the tries to deliver events of an order that are remembered, the oldest first.
func (c *Console) deliveries(ctx context.Context, r order.Ref) (out []delivery, err error) {
	endpoints, err := c.hooks.Announced(ctx)
	if err != nil {
		return nil, err
	}
	for _, e := range endpoints {
		list, err := c.hooks.Deliveries(ctx, e.Name, mostDeliveries)
		if err != nil {
			return nil, err
		}
		for _, d := range list {
			if ref, ok := refOf(d.EventID); ok && ref.Order() == r {
				out = append(out, delivery{d, e.Name, ref})
			}
		}
	}
	slices.SortStableFunc(out, func(x, y delivery) int { return x.At.Compare(y.At) })
	return out, nil
}

// refOf is the record that an event's id names: ACCOUNT/ORDER[/REFUND]/STATE/N.
func refOf(eventID string) (order.Ref, bool) {
	parts := strings.Split(eventID, "/")
	if len(parts) < 4 {
		return order.Ref{}, false
	}
	return order.ParseRef(strings.Join(parts[:len(parts)-2], "/"))
}

// Place is whose moment it is, "" for the order itself.
func (m moment) Place() string { return m.Ref.RefundID }

// waitText is what an unfinished record waits for.
func (l Lang) waitText(text string) string {
	if state, ok := strings.CutPrefix(text, "its order ("); ok {
		return l.T("wait.order", l.or("state.", strings.TrimSuffix(state, ")")))
	}
	return l.or("wait.", l.said(text))
}

// heldText is why no call may leave.
func (l Lang) heldText(text string) string {
	for _, prefix := range []string{"banned: ", "paused by "} {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			return l.T("held."+prefix, rest)
		}
	}
	return l.said(text)
}

// Waits is what an unfinished record waits for.
func (v *view) Waits(text string) string { return v.visit.lang.waitText(text) }

// Held is why no call may leave.
func (v *view) Held(text string) string { return v.visit.lang.heldText(text) }

// Detail is what a step of a history says beyond its event.
func (v *view) Detail(s ledger.Step) string { return v.visit.lang.detail(s) }

// EventName is a step of a history in words.
func (v *view) EventName(event string) string { return v.visit.lang.or("event.", event) }
