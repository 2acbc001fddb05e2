package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"issuance/internal/cli/table"
	"issuance/internal/operate"
	"issuance/internal/plain"
	"issuance/internal/typed"
	"issuance/tasks"
)

func (a *app) statusCommand() *cobra.Command {
	var tickets bool
	cmd := &cobra.Command{
		Use:   "status " + manyOrders,
		Short: "Show where orders and their refunds stand",
		Long: `Show where orders and their refunds stand, what an unfinished one waits for and until when, and
whether a worker is there for it.

States of an order: queued, submitting, accepted, issued, failed, cancelled, review.
States of a refund: queued, submitting, refunded, partially_refunded, failed, cancelled, review.
In review, the truth could not be proven by asking the provider, and a person decides: see
"enqueue review". An order of which only refunds are recorded here is shown as unrecorded: it was issued by
another system, or is not enqueued yet.

"sent" counts the requests that can have reached the provider. Tries that certainly had no effect (a
refused connection, a call that was held back) are counted apart.

"tickets" is what the latest look at ECTicket has shown of them, after a notice (docs/notices.md) or
"enqueue tickets --refresh".

--tickets also shows ticket numbers, redemption codes, links and passcodes, as they were when the provider
issued them or at the latest look, and what refunds of ours did since; the provider is not asked ("enqueue tickets" can).
Whoever sees them holds the tickets, and opening a Pass2U link counts as picking the ticket up. It needs
ISSUANCE_SEAL_KEYS.

The exit code is 4 when an order is unknown.`,
		Example: `  enqueue status ecticket CBX20220302153064851
  enqueue status ecticket:2000132/CBX20220302153064851 pass2u/P00001
  enqueue status pass2u P00001 --json
  enqueue status ecticket CBX20220302153064851 --tickets`,
		Args:              takesOrders(manyOrders),
		ValidArgsFunction: a.completeAccount,
		RunE: func(cmd *cobra.Command, args []string) error {
			refs, err := ordersOnly(parseRefs(args, ""))
			if err != nil {
				return err
			}
			return a.with(cmd.Context(), func(s *session) error { return a.status(cmd.Context(), s, refs, tickets) })
		},
	}
	cmd.Flags().BoolVar(&tickets, "tickets", false, "show the tickets, which are secrets")
	return cmd
}

func (a *app) status(ctx context.Context, s *session, refs []tasks.Ref, tickets bool) error {
	var options []tasks.StatusOption
	client, err := s.reader()
	if tickets {
		options = append(options, tasks.WithTickets())
		documents, _ := rules(s.env, nil) // whose account is meant; as in reader
		client, err = s.tasks(documents)
	}
	if err != nil {
		return err
	}
	var failed failures
	for i, r := range refs {
		account, err := client.Account(ctx, r.Account)
		if err != nil {
			return concerning(r, err)
		}
		r.Account = account
		st, err := client.Status(ctx, r.Account, r.OrderID, options...)
		if err != nil {
			if err = concerning(r, err); !errors.Is(err, tasks.ErrUnknownOrder) {
				return err
			}
			known, locateErr := typed.First(r.OrderID, func(number string) ([]tasks.Ref, error) { return client.Locate(ctx, r.Account, number) })
			if locateErr != nil {
				return locateErr
			}
			failed.add(a, explain(&otherNumberError{err, known, r.OrderID, notServed(ctx, client, r.Account)}))
			continue
		}
		if a.json {
			err = a.printJSON(st)
		} else {
			err = a.printStatus(st, i > 0, tickets)
		}
		if err != nil {
			return err
		}
	}
	return failed.err()
}

// notServed says that no worker serves an account; nil where one does, or nobody knows.
func notServed(ctx context.Context, client *tasks.Client, a tasks.Account) *tasks.UnknownAccountError {
	var unknown *tasks.UnknownAccountError
	_, err := client.Served(ctx, a)
	errors.As(err, &unknown)
	return unknown
}

func (a *app) printStatus(s *tasks.Status, gap, tickets bool) error {
	f := fields{table.Table{Indent: "  "}}
	f.row("state", string(s.State))
	a.waits(&f, s.Waits, nil)
	f.row("order", operate.Shape(s.Shape))
	f.row("provider's id", s.ProviderRef)
	a.standing(&f, &s.Standing, s.Polls, s.AcceptedAt)
	f.row("tickets", a.looked(s.Looked))
	f.row("erased", a.timeAt(s.ErasedAt))
	for _, r := range s.Refunds {
		a.refundRows(&f, r, s.Waits)
	}
	if err := a.printEntry(gap, table.Clean(s.Ref().String()), &f); err != nil || !tickets {
		return err
	}
	return a.printTickets(s)
}

// waits adds what an unfinished record waits for; order is what the order of a refund waits for.
func (a *app) waits(f *fields, w, order *tasks.Waiting) {
	if w == nil {
		return
	}
	text := w.For
	if w.OrderState != "" && order != nil && order.NextAt != nil {
		text += ", which is looked at next at " + a.time(*order.NextAt)
	}
	if w.Until != nil {
		text += ", until " + a.time(*w.Until)
	}
	f.row("waits for", text)
	if w.NoWorker {
		f.row("workers", "none serves its queue at present, so nothing happens until one does")
	}
	f.row("next look", a.timeAt(w.NextAt))
	f.row("last run", w.LastRun)
	until := w.HeldUntil
	if w.Until == until { // it has been said
		until = nil
	}
	f.row("held", a.haltText(w.Held, w.HeldSince, until))
	if w.NoWrites != "" {
		f.row("redis", w.NoWrites+", so nothing happens until it does")
	}
}

func (a *app) refundRows(f *fields, r tasks.RefundStatus, order *tasks.Waiting) {
	f.Row("", "")
	f.Row("refund "+r.RefundID, string(r.State))
	a.waits(f, r.Waits, order)
	if r.Quantity > 0 {
		f.row("tickets", fmt.Sprintf("%d of %d refunded", r.Refunded, r.Quantity))
	}
	a.standing(f, &r.Standing, 0, nil)
}

// standing adds how an order or a refund has come to where it stands.
func (a *app) standing(f *fields, s *tasks.Standing, polls int, accepted *time.Time) {
	f.row("lane", string(s.Lane))
	if s.CreatedAt != nil {
		f.row("sent", sent(s.Attempts, s.Unsent))
	}
	if polls > 0 {
		f.row("looked up", times(polls))
	}
	f.row("queued", a.timeAt(s.CreatedAt))
	f.row("accepted", a.timeAt(accepted))
	f.row("in review", since(a.timeAt(s.ReviewAt)))
	f.row("final", a.timeAt(s.FinalAt))
	f.row("last result", statusError(s.Error))
	f.row("decided", decided(s.ResolvedBy, s.Resolved))
	f.row("review code", statusError(&tasks.StatusError{Code: s.ReviewCode, Message: s.ReviewMessage}))
}

// sent says how often a document was sent to the provider.
func sent(attempts, unsent int) string {
	text := "not yet"
	if attempts > 0 {
		text = times(attempts)
	}
	switch {
	case unsent == 1:
		text += "; 1 try did not leave"
	case unsent > 1:
		text += fmt.Sprintf("; %d tries did not leave", unsent)
	}
	return text
}

func times(n int) string { return count(n, "time") }

func since(at string) string {
	if at == "" {
		return ""
	}
	return "since " + at
}

func statusError(e *tasks.StatusError) string {
	switch {
	case e == nil:
		return ""
	case e.Code != "" && e.Message != "":
		return e.Code + ": " + plain.Text(e.Message)
	}
	return e.Code + plain.Text(e.Message)
}

func decided(by, reason string) string {
	switch {
	case by == "" && reason == "":
		return ""
	case reason == "": // erased
		return "by " + by
	}
	return fmt.Sprintf("by %s: %s", by, reason)
}
