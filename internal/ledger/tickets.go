package ledger

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/seal"
	"issuance/providers"
	"issuance/tasks/order"
)

// TicketList is what looks at the provider have shown of an order's tickets since it was issued. A ticket's place in
// it never changes.
type TicketList struct {
	// Numbers are the tickets' numbers by their place, sealed; see package vault.
	Numbers seal.Sealed
	Tickets []SeenTicket
	At      time.Time // of the latest look

	version, due string
}

// SeenTicket is what was seen of one ticket.
type SeenTicket struct {
	TicketSight
	Since  time.Time // when a look first showed that
	Events int       // how many were published of it
}

// TicketSight is what a look shows of a ticket.
type TicketSight struct {
	Status providers.UseStatus
	// Elsewhere: it is refunded, and by none of the order's refunds here.
	Elsewhere bool
}

// Code explains the sight as an event's code does.
func (s TicketSight) Code() string {
	if s.Elsewhere {
		return string(order.CodeRefundedElsewhere)
	}
	return ""
}

// published reports whether a ticket's coming to this is an event.
func (s TicketSight) published() bool {
	return s.Status == providers.Redeemed || s.Status == providers.Refunded
}

// TicketList reads what looks have shown of an order's tickets; it is empty where there was none.
func (l *Ledger) TicketList(ctx context.Context, r order.Ref) (*TicketList, error) {
	f, err := l.rdb.HGetAll(ctx, keys.Tickets(r)).Result()
	if err != nil {
		return nil, fmt.Errorf("ledger: tickets of %s: %w", r, err)
	}
	return &TicketList{Numbers: unpack(f["nos"]), Tickets: seenTickets(f["t"]), At: millis(f["at"]), version: f["v"], due: f["due"]}, nil
}

// SeeTickets records what a look has shown, by the tickets' places in before and, behind them, of further ones, and
// publishes an event for each ticket that has come to be redeemed or refunded: once for each time that it has. numbers
// are those of all tickets, "" where no ticket is new. It is not applied when the order is not issued, its customer's data is erased,
// or another look was recorded since before was read. After an error the look has to be repeated.
func (l *Ledger) SeeTickets(ctx context.Context, r order.Ref, before *TicketList, sights []TicketSight, numbers seal.Sealed) (Answer, error) {
	now, err := l.Time(ctx)
	if err != nil {
		return Answer{}, fmt.Errorf("ledger: tickets of %s: %w", r, err)
	}
	seen, changes := before.after(r, sights, now)
	k := []string{keys.Record(r), keys.Tickets(r)}
	if !l.sharded {
		k = append(k, keys.Events)
	}
	f, err := l.run(ctx, r, "tickets", k, append([]any{before.version, pack(numbers), ticketsText(seen), l.opt.KeepRecords.Milliseconds(), l.opt.KeepEvents,
		string(r.Account.Provider), r.Account.String(), r.OrderID}, changes...)...)
	switch {
	case err != nil:
		return Answer{}, err
	case f["problem"] != "":
		return f.answer(), fmt.Errorf("ledger: publish tickets of %s: %s", r, f["problem"])
	case f.answer().Applied && l.sharded && f["due"] != "":
		return f.answer(), l.publishTickets(ctx, r, f["due"])
	}
	return f.answer(), nil
}

// after is the list after a look, and the changes in it as the script takes them.
func (t *TicketList) after(r order.Ref, sights []TicketSight, now time.Time) (seen []SeenTicket, changes []any) {
	for i, s := range sights {
		was := SeenTicket{}
		if i < len(t.Tickets) {
			was = t.Tickets[i]
		}
		if was.TicketSight != s {
			was.Since = now
			if s.published() && s.Status != was.Status {
				was.Events++
				changes = append(changes, ticketEventID(r, i+1, s.Status, was.Events), i+1, string(s.Status), s.Code())
			}
			was.TicketSight = s
		}
		seen = append(seen, was)
	}
	return seen, changes
}

// ticketEventID names the n-th event of an order's ticket.
func ticketEventID(r order.Ref, place int, s providers.UseStatus, n int) string {
	return fmt.Sprintf("%s/ticket/%d/%s/%d", r, place, s, n)
}

// publishTickets appends changes to the stream, and takes them off the list.
func (l *Ledger) publishTickets(ctx context.Context, r order.Ref, due string) error {
	for line := range strings.Lines(due) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		if len(f) != 5 {
			return fmt.Errorf("ledger: publish tickets of %s: a change of %d fields", r, len(f))
		}
		err := l.rdb.XAdd(ctx, &redis.XAddArgs{Stream: keys.Events, MaxLen: l.opt.KeepEvents, Approx: true, Values: []any{
			"event_id", f[0], "provider", string(r.Account.Provider), "account", r.Account.String(), "order_id", r.OrderID, "refund_id", "",
			"ticket", f[1], "state", f[2], "code", f[3], "at", f[4]}}).Err()
		if err != nil {
			return fmt.Errorf("ledger: publish tickets of %s: %w", r, err)
		}
	}
	_, err := l.run(ctx, r, "tickets_published", []string{keys.Tickets(r)}, due)
	return err
}

// Statuses as Redis holds them: a line for each ticket, "STATUS SINCE EVENTS[ elsewhere]".
func ticketsText(list []SeenTicket) string {
	var b strings.Builder
	for _, t := range list {
		fmt.Fprintf(&b, "%s %d %d", oneWord(string(t.Status)), t.Since.UnixMilli(), t.Events)
		if t.Elsewhere {
			b.WriteString(" elsewhere")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// oneWord is a provider's own status without what would end its field.
func oneWord(s string) string {
	if s = strings.Join(strings.Fields(s), "_"); s != "" {
		return s
	}
	return "-"
}

func seenTickets(text string) (list []SeenTicket) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 3 {
			continue
		}
		list = append(list, SeenTicket{TicketSight: TicketSight{Status: providers.UseStatus(f[0]), Elsewhere: len(f) > 3}, Since: millis(f[1]), Events: number(f[2])})
	}
	return list
}

// events are the latest ones of the tickets of an order, as the stream has them but for their StreamID.
func (t *TicketList) events(r order.Ref) (out []Event) {
	for i, s := range t.Tickets {
		if s.published() && s.Events > 0 {
			out = append(out, Event{ID: ticketEventID(r, i+1, s.Status, s.Events), Ref: r, Ticket: i + 1, State: order.State(s.Status), Code: s.Code(), At: s.Since})
		}
	}
	return out
}
