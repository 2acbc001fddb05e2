package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"issuance/internal/cli/table"
	"issuance/internal/ledger"
	"issuance/internal/operate"
	"issuance/tasks"
)

func (a *app) reviewCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "review [ACCOUNT]",
		Short: "List what a person has to decide",
		Long: `List the orders and refunds in review, the oldest first: those whose truth could not be proven by
asking the provider. Each comes with what was sent when, the provider's last answer, what to check,
and the command that ends the review.`,
		Example: `  enqueue review
  enqueue review pass2u --json
  enqueue review ecticket:2000132`,
		Args:              takes(0, 1, "[ACCOUNT]"),
		ValidArgsFunction: a.completeAccount,
		RunE: func(cmd *cobra.Command, args []string) error {
			var asked tasks.Account
			if len(args) == 1 {
				var err error
				if asked, err = parseAccount(args[0]); err != nil {
					return err
				}
			}
			return a.read(cmd.Context(), func(s *session, c *tasks.Client) error { return a.review(cmd.Context(), s, c, asked) })
		},
	}
}

// reviewLine is one open review: what is known, and what to do.
type reviewLine struct {
	refLine
	State       tasks.State        `json:"state"`
	Error       *tasks.StatusError `json:"error,omitempty"`
	ProviderRef string             `json:"provider_ref,omitempty"`
	Shape       json.RawMessage    `json:"shape,omitempty"`
	Attempts    int                `json:"attempts"` // requests that can have reached the provider
	Unsent      int                `json:"unsent,omitempty"`
	Polls       int                `json:"polls"`
	CreatedAt   *time.Time         `json:"created_at"`
	SentAt      *time.Time         `json:"sent_at"`     // the last intent to call the provider
	DoubtAt     *time.Time         `json:"doubt_at"`    // a request whose outcome is unknown left before
	AcceptedAt  *time.Time         `json:"accepted_at"` // orders only
	ReviewAt    *time.Time         `json:"review_at"`
	Planned     int                `json:"planned,omitempty"`  // refunds: tickets to refund
	Refunded    int                `json:"refunded,omitempty"` // refunds: tickets proven refunded
	Baseline    *int               `json:"baseline,omitempty"` // refunds by number: the order's refunded tickets before
	// Tickets counts the tickets of a refund by state.
	Tickets map[tasks.TicketState]int `json:"tickets,omitempty"`
	Check   string                    `json:"check"`
	Resolve string                    `json:"resolve"`
	Retry   string                    `json:"retry,omitempty"` // where that may be the decision

	history   []ledger.Step
	decisions []ledger.Decision
}

func (a *app) review(ctx context.Context, s *session, c *tasks.Client, asked tasks.Account) error {
	a.warnNoWrites(ctx, s)
	accounts, err := s.desk().Accounts(ctx, c, asked)
	if err != nil {
		return err
	}
	var lines []reviewLine
	for _, account := range accounts {
		refs, err := s.ledger.Reviews(ctx, account)
		if err != nil {
			return err
		}
		for some := range slices.Chunk(refs, peekBatch) {
			records, _, err := s.ledger.LoadMany(ctx, some)
			if err != nil {
				return err
			}
			for _, rec := range records {
				if rec == nil || rec.State != tasks.Review { // resolved meanwhile
					continue
				}
				line, err := s.reviewLine(ctx, rec)
				if err != nil {
					return err
				}
				lines = append(lines, line)
			}
		}
	}
	slices.SortStableFunc(lines, func(x, y reviewLine) int { return when(x.ReviewAt).Compare(when(y.ReviewAt)) })
	if len(lines) == 0 {
		a.report("nothing is in review")
	}
	for i, l := range lines {
		if err := a.printReview(l, i > 0); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) reviewLine(ctx context.Context, rec *ledger.Record) (reviewLine, error) {
	l := reviewLine{refLine: lineOf(rec.Ref), State: rec.State,
		ProviderRef: rec.ProviderRef, Shape: rec.Shape, Attempts: rec.Attempts - rec.Unsent, Unsent: rec.Unsent, Polls: rec.Polls,
		CreatedAt: stamp(rec.CreatedAt), SentAt: stamp(rec.SentAt), DoubtAt: stamp(rec.DoubtAt), AcceptedAt: stamp(rec.AcceptedAt),
		ReviewAt: stamp(rec.FinalAt), Planned: rec.Count, Refunded: rec.Refunded, history: rec.History}
	if rec.Reason != (ledger.Reason{}) {
		l.Error = &tasks.StatusError{Code: rec.Reason.Code, Message: rec.Reason.Message}
	}
	if rec.IsRefund() && rec.Baseline >= 0 {
		l.Baseline = &rec.Baseline
	}
	for _, t := range rec.Tickets {
		if l.Tickets == nil {
			l.Tickets = map[tasks.TicketState]int{}
		}
		l.Tickets[t.State]++
	}
	list, err := s.desk().OtherRefunds(ctx, rec)
	if err != nil {
		return l, err
	}
	var others []string
	for _, other := range list {
		others = append(others, fmt.Sprintf("%s (%s, %s)", other.RefundID, other.State, count(other.Count, "ticket")))
	}
	decisions, err := s.desk().Decisions(ctx, rec.Ref)
	if err != nil {
		return l, err
	}
	l.decisions = decisions[rec.Ref]
	l.Check, l.Resolve, l.Retry = whatToCheck(rec, others), howToResolve(rec.Ref), howToRetry(rec)
	return l, nil
}

// late is how long after it was sent a request may still take effect at a provider, and some more.
const late = "20 minutes"

// whatToCheck says how a person finds out the truth, and what follows from it.
func whatToCheck(rec *ledger.Record, others []string) string {
	switch operate.QuestionOf(rec) {
	case operate.WhoseOrder:
		return fmt.Sprintf("find out whose order %s at the provider is: what it holds and when it was made. It is ours, sent before Redis lost its data: issued. "+
			"It is anybody else's, or not there: failed, and the order may be sold again under a new number", rec.OrderID)
	case operate.WhoRefunded:
		return fmt.Sprintf("find out who refunded tickets of order %s before. It was this refund, in a record that Redis lost: refunded. "+
			"It was somebody else, and this refund is to be made as well: enqueue retry. It is not wanted any more: failed", rec.OrderID)
	case operate.NothingSent:
		return "nothing of it was ever sent from here, so there is nothing to look for: failed"
	case operate.UnknownProvider:
		return "this program does not know the provider; use the one that its workers are"
	}
	return operate.AskProvider(rec, others, late, "")
}

func howToResolve(r tasks.Ref) string {
	return fmt.Sprintf("%s --as '%s' --reason 'what you found'", command("resolve", r), strings.Join(names(operate.Ends(r)), "|")) // quoted: a shell takes | for a pipe
}

// howToRetry is the command that has a record worked on again, where that may be the decision; else "".
func howToRetry(rec *ledger.Record) string {
	if operate.QuestionOf(rec) != operate.WhoRefunded {
		return ""
	}
	return command("retry", rec.Ref) + " --reason 'who refunded them'"
}

// command is a command line about a record.
func command(name string, r tasks.Ref) string {
	line := fmt.Sprintf("enqueue %s %s %s", name, r.Account, r.OrderID)
	if r.IsRefund() {
		line += " --refund " + r.RefundID
	}
	return line
}

// lastSteps is how much of the history a review shows.
const lastSteps = 6

func (a *app) printReview(l reviewLine, gap bool) error {
	if a.json {
		return a.printJSON(l)
	}
	head := tasks.Ref{Account: l.Account, OrderID: l.OrderID, RefundID: l.RefundID}.String()
	if l.RefundID != "" {
		head = "refund " + head
	}
	f := fields{table.Table{Indent: "  "}}
	f.row("in review", since(a.timeAt(l.ReviewAt)))
	f.row("why", statusError(l.Error))
	f.row("what", operate.Shape(l.Shape))
	f.row("provider's id", l.ProviderRef)
	f.row("queued", a.timeAt(l.CreatedAt))
	f.row("sent", sent(l.Attempts, l.Unsent))
	f.row("last try", a.timeAt(l.SentAt))
	if l.DoubtAt != nil {
		f.row("in doubt", "a request that may have taken effect left by "+a.timeAt(l.DoubtAt))
	}
	if l.Polls > 0 {
		f.row("looked up", times(l.Polls))
	}
	if l.RefundID != "" {
		f.row("planned", fmt.Sprintf("%s%s; proven refunded: %d", count(l.Planned, "ticket"), ticketStates(l.Tickets), l.Refunded))
	}
	name := "history"
	for _, step := range l.history[max(0, len(l.history)-lastSteps):] {
		f.Row(name, strings.TrimSpace(a.time(step.At)+"  "+step.Event+"  "+step.Detail))
		name = ""
	}
	for _, d := range l.decisions {
		f.row("decision", a.time(d.At)+"  "+decisionText(d))
	}
	f.row("check", l.Check)
	f.WholeRow("then", l.Resolve)
	if l.Retry != "" {
		f.WholeRow("or", l.Retry)
	}
	return a.printEntry(gap, head, &f)
}

func ticketStates(counts map[tasks.TicketState]int) string {
	var parts []string
	for state, n := range counts {
		parts = append(parts, fmt.Sprintf("%d %s", n, state))
	}
	if len(parts) == 0 {
		return ""
	}
	slices.Sort(parts)
	return " (" + strings.Join(parts, ", ") + ")"
}

func when(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
