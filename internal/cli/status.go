package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"issuance/internal/budget"
	"issuance/internal/cli/table"
	"issuance/providers"
	"issuance/tasks"
)

func (a *app) statusCommand() *cobra.Command {
	var tickets bool
	cmd := &cobra.Command{
		Use:   "status PROVIDER ORDER",
		Short: "Tell where an order and its refunds stand",
		Long: `Tell where an order and its refunds stand.

States of an order: queued, submitting, accepted, issued, failed, review.
States of a refund: queued, submitting, refunded, partially_refunded, failed, review.
In review, the truth could not be proven by asking the provider, and a person decides: see
"enqueue review". An order that was issued elsewhere and has refunds here is shown as elsewhere.

--tickets also shows ticket numbers, redemption codes, links and passcodes. Whoever sees them holds
the tickets, and opening a Pass2U link counts as picking the ticket up. It needs ISSUANCE_SEAL_KEYS.`,
		Example: `  enqueue status ecticket CBX20220302153064851
  enqueue status pass2u P00001 --json
  enqueue status ecticket CBX20220302153064851 --tickets`,
		Args:              takes(2, 2, "PROVIDER ORDER"),
		ValidArgsFunction: completeProvider,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := parseProvider(args[0])
			if err != nil {
				return err
			}
			return a.status(cmd.Context(), p, args[1], tickets)
		},
	}
	cmd.Flags().BoolVar(&tickets, "tickets", false, "show the tickets, which are secrets")
	return cmd
}

func (a *app) status(ctx context.Context, p providers.Name, order string, tickets bool) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	var options []tasks.StatusOption
	client, err := s.reader()
	if tickets {
		options = append(options, tasks.WithTickets())
		client, err = s.tasks(tasks.Rules{})
	}
	if err != nil {
		return err
	}
	st, err := client.Status(ctx, p, order, options...)
	if err != nil {
		return unknownOrder(err, p, order)
	}
	if a.json {
		return a.printJSON(st)
	}
	if err := a.printStatus(st); err != nil || !waits(st) {
		return err
	}
	return a.tellBans(ctx, s.rdb, p)
}

// waits reports whether the order or a refund of it has no final status yet.
func waits(st *tasks.Status) bool {
	return !st.State.Final() || slices.ContainsFunc(st.Refunds, func(r tasks.RefundStatus) bool { return !r.State.Final() })
}

// tellBans says that orders wait because the provider refuses calls.
func (a *app) tellBans(ctx context.Context, rdb redis.UniversalClient, p providers.Name) error {
	accounts, err := budget.States(ctx, rdb)
	if err != nil {
		return err
	}
	for _, st := range accounts {
		if st.Provider() == p && st.Ban != nil {
			a.tell("%s is banned %s; no call leaves until then, and its orders go on by themselves", st.Account, a.banText(st.Ban))
		}
	}
	return nil
}

// unknownOrder says what to check when an order is unknown.
func unknownOrder(err error, p providers.Name, order string) error {
	if !errors.Is(err, tasks.ErrUnknownOrder) {
		return err
	}
	return fmt.Errorf("%s/%s is unknown here: check the number and that REDIS_URL is your workers' Redis; records of finished orders are kept for 90 days", p, table.Clean(order))
}

func (a *app) printStatus(s *tasks.Status) error {
	if err := a.print("%s/%s\n", s.Provider, table.Clean(s.OrderID)); err != nil {
		return err
	}
	t := table.Table{Indent: "  "}
	row := func(name, value string) {
		if value != "" {
			t.Row(name, value)
		}
	}
	row("state", string(s.State))
	row("order", shape(s.Shape))
	row("provider's id", s.ProviderRef)
	row("lane", s.Lane)
	if s.CreatedAt != nil {
		row("sent", sent(s.Attempts, s.Polls))
		row("queued", a.timeAt(s.CreatedAt))
		row("accepted", a.timeAt(s.AcceptedAt))
		row("final", a.timeAt(s.FinalAt))
	}
	row("last word", statusError(s.Error))
	row("resolved", resolved(s.ResolvedBy, s.Resolved))
	if err := a.printTable(&t); err != nil {
		return err
	}
	if err := a.printRefunds(s.Refunds); err != nil {
		return err
	}
	return a.printTickets(s)
}

func (a *app) printRefunds(refunds []tasks.RefundStatus) error {
	if len(refunds) == 0 {
		return nil
	}
	t := table.Table{Indent: "  ", Right: []int{2, 3}}
	t.Row("REFUND", "STATE", "PLANNED", "REFUNDED", "QUEUED", "FINAL", "LAST WORD")
	for _, r := range refunds {
		word := statusError(r.Error)
		if by := resolved(r.ResolvedBy, r.Resolved); by != "" {
			word = by
		}
		planned := "-"
		if r.Quantity > 0 {
			planned = fmt.Sprint(r.Quantity)
		}
		t.Row(r.RefundID, string(r.State), planned, fmt.Sprint(r.Refunded), a.timeAt(r.CreatedAt), a.timeAt(r.FinalAt), word)
	}
	return a.printTable(&t)
}

// printTickets prints what was asked for with --tickets; nothing else fills these fields.
func (a *app) printTickets(s *tasks.Status) error {
	if s.Access != nil {
		t := table.Table{Indent: "  "}
		t.Row("page", s.Access.URL)
		t.Row("passcode", s.Access.Passcode)
		if err := a.printTable(&t); err != nil {
			return err
		}
	}
	if len(s.Tickets) > 0 {
		t := table.Table{Indent: "  "}
		t.Row("TICKET", "ITEM", "STATUS", "REDEMPTION CODE", "LINK (opening it counts as pick-up)")
		for _, k := range s.Tickets {
			t.Row(k.TicketNo, strings.TrimSpace(k.ItemNo+" "+k.ItemName), string(k.UseStatus), k.WriteOffNo+k.Barcode, k.URL)
		}
		t.DropEmpty()
		if err := a.printTable(&t); err != nil {
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
		if err := a.printTable(&t); err != nil {
			return err
		}
	}
	return nil
}

// sent tells how often an order was sent to the provider and asked for since.
func sent(attempts, polls int) string {
	switch {
	case attempts == 0 && polls == 0:
		return "not yet"
	case polls == 0:
		return times(attempts)
	}
	return fmt.Sprintf("%s, then asked for %s", times(attempts), times(polls))
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func statusError(e *tasks.StatusError) string {
	switch {
	case e == nil:
		return ""
	case e.Code != "" && e.Message != "":
		return e.Code + ": " + e.Message
	}
	return e.Code + e.Message
}

func resolved(by, reason string) string {
	if by == "" && reason == "" {
		return ""
	}
	return fmt.Sprintf("by %s: %s", by, reason)
}

// shape puts the public description of a document into one line: its fields as name=value, items
// as ITEM×NUMBER.
func shape(raw json.RawMessage) string {
	var m map[string]any
	if json.Unmarshal(raw, &m) != nil {
		return ""
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		switch v := m[name].(type) {
		case []any:
			for _, e := range v {
				if item, ok := e.(map[string]any); ok {
					parts = append(parts, shapeItem(item))
				}
			}
		case map[string]any:
		default:
			parts = append(parts, fmt.Sprintf("%s=%v", name, v))
		}
	}
	return strings.Join(parts, ", ")
}

func shapeItem(item map[string]any) string {
	name, _ := item["ItemNo"].(string)
	if name == "" {
		name, _ = item["ItemName"].(string)
	}
	if n, ok := item["TicketAmount"].(float64); ok {
		return fmt.Sprintf("%s×%d", name, int(n))
	}
	return name
}
