package console

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"issuance/internal/ledger"
	"issuance/internal/thinevent"
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
	Kind   string // of kindSend, kindLook, kindNotice, or "" for what is neither
	Again  bool   // a notice of an event that was delivered before
}

// What a moment is, so that a look or a notice that is repeated is not taken for a second request.
const (
	kindSend   = "send"   // a request that can issue or refund
	kindLook   = "look"   // it was only asked
	kindNotice = "notice" // a webhook of ours
)

// kinds are those of the steps of a history.
var kinds = map[string]string{string(order.Submitting): kindSend, "looked_up": kindLook}

// left has a request that did not leave say so, and not look like one that did.
func (m *moment) left(next []ledger.Step, words string) {
	if m.Kind == kindSend && len(next) > 0 && next[0].Event == "not_sent" {
		m.Kind, m.Detail = "", m.Detail+words
	}
}

// timeline is everything that happened to an order and its refunds, the oldest first.
func (l Lang) timeline(records []*ledger.Record, decisions map[tasks.Ref][]ledger.Decision, sent []delivery) (out []moment) {
	for _, rec := range records {
		last := rec.CreatedAt
		for i, s := range rec.History {
			at := s.At
			if at.IsZero() {
				at = last // where it was dropped
			}
			last = at
			m := moment{At: at, Ref: rec.Ref, Event: s.Event, Detail: l.detail(s), Kind: kinds[s.Event]}
			m.left(rec.History[i+1:], l.T("timeline.unsent"))
			out = append(out, m)
		}
		for _, d := range decisions[rec.Ref] {
			out = append(out, moment{At: d.At, Ref: rec.Ref, Event: "decision", Detail: l.T("decision", l.decided(d.What), d.Who, l.origin(d.From), d.Reason)})
		}
	}
	before := map[string]bool{}
	for _, d := range sent {
		if d.Outcome == "delivered" {
			id := d.Endpoint + ": " + d.EventID
			out = append(out, moment{At: d.At, Ref: d.Ref, Event: "delivery", Detail: id, Kind: kindNotice, Again: before[id]})
			before[id] = true
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
	if words := l.explainIn(order.State(s.Event), s.Detail); words != "" {
		return s.Detail + " — " + words
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

// origin is where a person decided: a browser at the console, or a program's user.
func (l Lang) origin(o ledger.Origin) string {
	if name, console := strings.CutPrefix(o.Login, consoleLogin); console {
		return l.T("decision.console", name, o.Host)
	}
	return o.String()
}

// delivery is one try to deliver an event of the order.
type delivery struct {
	webhooks.Delivery
	Endpoint string
	Ref      order.Ref
	Type     string // of the event
	Ticket   int    // its place, where the event is about one
}

// deliveryOf is a delivery to an endpoint with what its event's id names; not ok where that is no record.
func deliveryOf(d webhooks.Delivery, endpoint string) (delivery, bool) {
	e, ok := ledger.ParseEventID(d.EventID)
	return delivery{d, endpoint, e.Ref, thinevent.New(e).Type, e.Ticket}, ok
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
			if one, ok := deliveryOf(d, e.Name); ok && one.Ref.Order() == r {
				out = append(out, one)
			}
		}
	}
	slices.SortStableFunc(out, func(x, y delivery) int { return x.At.Compare(y.At) })
	return out, nil
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
	if why, ok := strings.CutPrefix(text, "banned: "); ok {
		return l.T("held.banned: ", l.said(why))
	}
	if rest, ok := strings.CutPrefix(text, "paused by "); ok {
		who, why, _ := strings.Cut(rest, ": ")
		return l.T("held.paused by ", who, why)
	}
	return l.said(text)
}

// Waits is what an unfinished record waits for.
func (v *view) Waits(text string) string { return v.visit.local(v.visit.lang.waitText(text)) }

// Held is why no call may leave.
func (v *view) Held(text string) string { return v.visit.local(v.visit.lang.heldText(text)) }

// Detail is what a step of a history says beyond its event.
func (v *view) Detail(s ledger.Step) string { return v.visit.local(v.visit.lang.detail(s)) }

// EventName is a step of a history in words.
func (v *view) EventName(event string) string { return v.visit.lang.or("event.", event) }

// KindBadge is the class of the badge of what a moment is.
func (v *view) KindBadge(kind string) string {
	return map[string]string{kindSend: "busy", kindLook: "off", kindNotice: "off"}[kind]
}
