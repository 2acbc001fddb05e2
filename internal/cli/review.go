package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"issuance/internal/cli/table"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks"
)

func (a *app) reviewCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "review [PROVIDER]",
		Short: "List what a person has to decide",
		Long: `List the orders and refunds in review, the oldest first: those whose truth could not be proven by
asking the provider. Each comes with what was sent when, the provider's last word, what to check,
and the command that ends the review.`,
		Example: `  enqueue review
  enqueue review pass2u --json`,
		Args:              takes(0, 1, "[PROVIDER]"),
		ValidArgsFunction: completeProvider,
		RunE: func(cmd *cobra.Command, args []string) error {
			names := providers.All()
			if len(args) == 1 {
				p, err := parseProvider(args[0])
				if err != nil {
					return err
				}
				names = []providers.Name{p}
			}
			return a.review(cmd.Context(), names)
		},
	}
}

// reviewLine is one open review: what is known, and what to do.
type reviewLine struct {
	Provider    providers.Name     `json:"provider"`
	OrderID     string             `json:"order_id"`
	RefundID    string             `json:"refund_id,omitempty"`
	State       ledger.State       `json:"state"`
	Error       *tasks.StatusError `json:"error,omitempty"`
	ProviderRef string             `json:"provider_ref,omitempty"`
	Shape       json.RawMessage    `json:"shape,omitempty"`
	Attempts    int                `json:"attempts"`
	Polls       int                `json:"polls"`
	CreatedAt   *time.Time         `json:"created_at"`
	SentAt      *time.Time         `json:"sent_at"`     // the last intent to call the provider
	DoubtAt     *time.Time         `json:"doubt_at"`    // a request whose outcome is unknown left before
	AcceptedAt  *time.Time         `json:"accepted_at"` // orders only
	ReviewAt    *time.Time         `json:"review_at"`
	Planned     int                `json:"planned,omitempty"`  // refunds: tickets to refund
	Refunded    int                `json:"refunded,omitempty"` // refunds: tickets proven refunded
	Baseline    *int               `json:"baseline,omitempty"` // Pass2U refunds: the order's refunded tickets before
	// Tickets counts the tickets of a refund by state.
	Tickets map[ledger.TicketState]int `json:"tickets,omitempty"`
	Check   string                     `json:"check"`
	Resolve string                     `json:"resolve"`

	history []ledger.Step
	since   []string // refunds by number: the order's other refunds that were sent or ended since the baseline
}

func (a *app) review(ctx context.Context, names []providers.Name) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	var lines []reviewLine
	for _, p := range names {
		refs, err := s.ledger.Reviews(ctx, p)
		if err != nil {
			return err
		}
		for _, r := range refs {
			line, found, err := s.reviewLine(ctx, r)
			if err != nil {
				return err
			}
			if found {
				lines = append(lines, line)
			}
		}
	}
	slices.SortFunc(lines, func(x, y reviewLine) int { return when(x.ReviewAt).Compare(when(y.ReviewAt)) })
	if len(lines) == 0 {
		a.tell("nothing is in review")
	}
	for i, l := range lines {
		if err := a.printReview(l, i > 0); err != nil {
			return err
		}
	}
	return nil
}

// reviewLine reads one record; found is false when it has been resolved meanwhile.
func (s *session) reviewLine(ctx context.Context, r ledger.Ref) (line reviewLine, found bool, err error) {
	var b ledger.Base
	line = reviewLine{Provider: r.Provider, OrderID: r.OrderID, RefundID: r.RefundID}
	if r.RefundID == "" {
		rec, loadErr := s.ledger.Load(ctx, r.Key)
		if err = loadErr; err == nil {
			b, line.ProviderRef, line.Polls, line.AcceptedAt = rec.Base, rec.Ref, rec.Polls, stamp(rec.AcceptedAt)
		}
	} else {
		rec, loadErr := s.ledger.LoadRefund(ctx, ledger.RefundKey(r))
		if err = loadErr; err == nil {
			b, line.Planned, line.Refunded = rec.Base, rec.Count, rec.Refunded
			if rec.Baseline >= 0 {
				line.Baseline = &rec.Baseline
			}
			if rec.Attempts > 0 && len(rec.Tickets) == 0 {
				line.since, err = s.refundsSince(ctx, rec)
			}
			for _, t := range rec.Tickets {
				if line.Tickets == nil {
					line.Tickets = map[ledger.TicketState]int{}
				}
				line.Tickets[t.State]++
			}
		}
	}
	if errors.Is(err, ledger.ErrNotFound) || err == nil && b.State != ledger.Review {
		return line, false, nil
	}
	if err != nil {
		return line, false, err
	}
	line.State, line.Attempts, line.Shape, line.history = b.State, b.Attempts, b.Shape, b.History
	if b.Reason != (ledger.Reason{}) {
		line.Error = &tasks.StatusError{Code: b.Reason.Code, Message: b.Reason.Message}
	}
	line.CreatedAt, line.SentAt, line.DoubtAt, line.ReviewAt = stamp(b.CreatedAt), stamp(b.SentAt), stamp(b.DoubtAt), stamp(b.FinalAt)
	line.Check, line.Resolve = whatToCheck(line), howToResolve(line)
	return line, true, nil
}

// refundsSince tells, each in a few words, the order's other refunds whose tickets would be counted as
// this one's: those that were sent or ended after its baseline, or at all when it has none.
func (s *session) refundsSince(ctx context.Context, rec *ledger.RefundRecord) ([]string, error) {
	list, err := s.ledger.LoadRefunds(ctx, rec.Key)
	var out []string
	for _, other := range list {
		moved := rec.Baseline < 0 || other.SentAt.After(rec.BaselineAt) || other.FinalAt.After(rec.BaselineAt)
		if other.RefundID != rec.RefundID && other.Attempts > 0 && moved {
			out = append(out, fmt.Sprintf("%s (%s, %s)", other.RefundID, other.State, count(other.Count, "ticket")))
		}
	}
	return out, err
}

// late is how long after it was sent a request may still take effect at a provider, and some more.
const late = "20 minutes"

// whatToCheck says how a person finds out the truth, and what follows from it.
func whatToCheck(l reviewLine) string {
	switch {
	case l.Error != nil && (l.Error.Code == "number_taken" || l.Error.Code == "number_exists"):
		return fmt.Sprintf("find out whose order %s at the provider is: what it holds and when it was made. It is ours, sent before Redis lost its data: issued. "+
			"It is anybody else's, or not there: failed, and the order may be sold again under a new number", l.OrderID)
	case l.Attempts == 0:
		return "nothing of it was ever sent from here, so there is nothing to look for: failed"
	case l.RefundID == "" && l.Provider == providers.ECTicket:
		return fmt.Sprintf("look up order %s in ECPay's vendor back office. It is there, with these items and issued: issued. "+
			"Issuing failed, or it is still not there %s after it was last sent: failed, and the order may be sold again under a new number", l.OrderID, late)
	case l.RefundID == "":
		return fmt.Sprintf("look up channelOrderId %s at Pass2U. It is there, with this quantity: issued. "+
			"It is still not there %s after it was last sent: failed, and the order may be sold again under a new number", l.OrderID, late)
	case l.Provider == providers.ECTicket:
		return fmt.Sprintf("not before %s after it was last sent: `enqueue status ecticket %s --tickets` shows the tickets of this refund, "+
			"`enqueue ticket TICKETNO` whether one is refunded. "+
			"All are: refunded. Some are: partially_refunded. None is: failed, and it may be refunded again under a new refund id", late, l.OrderID)
	}
	before := "how many were refunded before it could not be seen"
	if l.Baseline != nil {
		before = fmt.Sprintf("%d were refunded before it", *l.Baseline)
	}
	others := ""
	if len(l.since) > 0 {
		others = fmt.Sprintf(", or by the order's other refunds since: %s; settle those in review together with this one", strings.Join(l.since, ", "))
	}
	return fmt.Sprintf("not before %s after it was last sent, count the refunded tickets of channelOrderId %s at Pass2U; %s. "+
		"Leave out those refunded by somebody at Pass2U itself%s. %s more: refunded. Fewer more: partially_refunded. No more: failed, and it may be refunded again under a new refund id",
		late, l.OrderID, before, others, planned(l.Planned))
}

func planned(n int) string {
	if n == 0 {
		return "As many as were asked for"
	}
	return fmt.Sprint(n)
}

func howToResolve(l reviewLine) string {
	command, ends := fmt.Sprintf("enqueue resolve %s %s", l.Provider, l.OrderID), orderEnds
	if l.RefundID != "" {
		command, ends = command+" --refund "+l.RefundID, refundEnds
	}
	return fmt.Sprintf("%s --as '%s' --reason 'what you found'", command, strings.Join(names(ends), "|")) // quoted: a shell takes | for a pipe
}

// lastSteps is how much of the history a review shows.
const lastSteps = 6

func (a *app) printReview(l reviewLine, gap bool) error {
	if a.json {
		return a.printJSON(l)
	}
	head := fmt.Sprintf("%s/%s", l.Provider, l.OrderID)
	if l.RefundID != "" {
		head = "refund " + head + "/" + l.RefundID
	}
	if gap {
		head = "\n" + head
	}
	if err := a.print("%s  in review since %s\n", head, a.timeAt(l.ReviewAt)); err != nil {
		return err
	}
	t := table.Table{Indent: "  "}
	row := func(name, value string) {
		if value != "" {
			t.Row(name, value)
		}
	}
	row("why", statusError(l.Error))
	row("what", shape(l.Shape))
	row("provider's id", l.ProviderRef)
	row("queued", a.timeAt(l.CreatedAt))
	text := sent(l.Attempts, l.Polls)
	if l.SentAt != nil {
		text += ", last at " + a.timeAt(l.SentAt)
	}
	row("sent", text)
	if l.DoubtAt != nil {
		row("in doubt", "a request that may have taken effect left by "+a.timeAt(l.DoubtAt))
	}
	if l.RefundID != "" {
		row("planned", fmt.Sprintf("%s%s; proven refunded: %d", count(l.Planned, "ticket"), ticketStates(l.Tickets), l.Refunded))
	}
	name := "history"
	for _, step := range l.history[max(0, len(l.history)-lastSteps):] {
		t.Row(name, strings.TrimSpace(a.time(step.At)+"  "+step.Event+"  "+step.Detail))
		name = ""
	}
	row("check", l.Check)
	row("then", l.Resolve)
	return a.printTable(&t)
}

func ticketStates(counts map[ledger.TicketState]int) string {
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

func stamp(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func when(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
