package cli

import (
	"fmt"
	"slices"
	"strings"

	"issuance/internal/cli/table"
	"issuance/providers"
	"issuance/tasks"
)

// printTickets prints what was asked for with --tickets, each block behind an empty line.
func (a *app) printTickets(s *tasks.Status) error {
	if s.Access != nil {
		t := table.Table{Indent: "  "}
		t.WholeRow("page", s.Access.URL)
		t.Row("passcode", s.Access.Passcode)
		if err := a.printBlock("", &t); err != nil {
			return err
		}
	}
	if len(s.Tickets) > 0 {
		if err := a.printTicketTable(s); err != nil {
			return err
		}
	} else if why := noTickets(s); why != "" {
		t := table.Table{Indent: "  "}
		t.Row("tickets", why)
		if err := a.printBlock("", &t); err != nil {
			return err
		}
	}
	for _, r := range s.Refunds {
		t := table.Table{Indent: "  "}
		for _, k := range r.Tickets {
			if k.TicketNo != "" {
				t.Row("refund "+r.RefundID, k.TicketNo, string(k.State), k.Code)
			}
		}
		if t.Len() == 0 {
			continue
		}
		if err := a.printBlock("", &t); err != nil {
			return err
		}
	}
	return nil
}

// printBlock prints a table behind an empty line, and a line that says what it is.
func (a *app) printBlock(what string, t *table.Table) error {
	if err := a.print("\n"); err != nil {
		return err
	}
	if what != "" {
		if err := a.text("%s", t.Indent+what); err != nil {
			return err
		}
	}
	return a.printTable(t)
}

// printTicketTable prints the tickets as the provider showed them, and what our refunds did since.
func (a *app) printTicketTable(s *tasks.Status) error {
	t := table.Table{Indent: "  ", Head: true}
	t.Row("TICKET", "ITEM", "STATUS THEN", "SINCE", "REDEMPTION CODE", "LINK")
	for _, k := range s.Tickets {
		t.WholeRow(k.TicketNo, strings.TrimSpace(k.ItemNo+" "+k.ItemName), useStatus(k), refundedSince(k), k.WriteOffNo+k.Barcode, k.URL)
	}
	t.DropEmpty()
	what := "tickets as the provider showed them"
	if s.TicketsAt != nil {
		what += " at " + a.time(*s.TicketsAt)
	}
	if slices.ContainsFunc(s.Tickets, func(k providers.Ticket) bool { return k.URL != "" }) {
		what += "; opening a link counts as pick-up"
	}
	if err := a.printBlock(what, &t); err != nil {
		return err
	}
	for _, r := range s.Refunds {
		if r.Refunded == 0 || len(r.Tickets) > 0 {
			continue // each of its tickets is marked
		}
		note := fmt.Sprintf("refund %s has refunded %s of them since; the provider does not show which", r.RefundID, thousands(int64(r.Refunded)))
		if err := a.text("  %s", note); err != nil {
			return err
		}
	}
	return nil
}

// useStatus is a ticket's in words.
func useStatus(k providers.Ticket) string {
	if k.UseStatus == providers.Refunded && k.RefundedElsewhere {
		return string(k.UseStatus) + " elsewhere"
	}
	return string(k.UseStatus)
}

// looked counts an order's tickets by what the latest look has shown.
func (a *app) looked(l *tasks.Looked) string {
	if l == nil {
		return ""
	}
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{{l.Redeemed, "redeemed"}, {l.Refunded - l.Elsewhere, "refunded"}, {l.Elsewhere, "refunded elsewhere"}, {l.Unused, "unused"}, {l.Other, "expired or other"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.what))
		}
	}
	return strings.Join(parts, ", ") + ", seen at " + a.time(l.At)
}

// refundedSince says what refunds have found out about a ticket that the provider may not have shown yet.
func refundedSince(k providers.Ticket) string {
	switch {
	case k.RefundID != "":
		return "refunded by " + k.RefundID
	case k.RefundedElsewhere && k.UseStatus != providers.Refunded:
		return "refunded elsewhere"
	}
	return ""
}

// noTickets says why an order shows none.
func noTickets(s *tasks.Status) string {
	switch {
	case s.ErasedAt != nil:
		return "erased with the customer's data"
	case s.State == tasks.Unrecorded:
		return "not known here: the order was issued by another system, or is not enqueued yet"
	case s.State == tasks.Failed || s.State == tasks.Cancelled:
		return "none: it was not issued"
	case s.State != tasks.Issued:
		return "none yet"
	case len(s.Shape) == 0:
		return "not kept any more (ISSUANCE_KEEP_DETAILS)"
	case s.Access != nil:
		return ""
	case s.Account.Provider == providers.ECTicket:
		return "none are kept here: ECPay delivers them to the customer itself. To have them shown: enqueue tickets ACCOUNT ORDER --refresh"
	}
	return "none are kept here: the provider delivers them to the customer itself"
}
