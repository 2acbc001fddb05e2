package sandbox

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-runewidth"

	"issuance/internal/cli/table"
	"issuance/internal/ledger"
	"issuance/tasks/order"
)

// Story prints every order's way in one line per change of state, for people: what this process does,
// which in a sandbox is all there is. Safe for concurrent use.
type Story struct {
	out     io.Writer
	changes chan change
	shown   map[order.Ref]*shown
	idWidth int

	mu sync.Mutex // guards out
}

type change struct {
	ledger.Change
	at      time.Time
	drained chan struct{} // closed instead of being printed
}

// shown is what a record's lines have said so far.
type shown struct {
	kind  string
	state order.State
	waits bool // a line said that the refund waits
}

// backlog is how many changes may wait to be printed; more are left out, so that no order ever waits
// for a terminal.
const backlog = 10000

// NewStory makes a story that is printed to out.
func NewStory(out io.Writer) *Story {
	return &Story{out: out, changes: make(chan change, backlog), shown: map[order.Ref]*shown{}, idWidth: 14}
}

// Observe is a ledger's observer; it never blocks.
func (s *Story) Observe(c ledger.Change) {
	select {
	case s.changes <- change{Change: c, at: time.Now()}:
	default:
	}
}

// Drain returns when all that was observed before is printed, or when the context ends.
func (s *Story) Drain(ctx context.Context) {
	drained := make(chan struct{})
	select {
	case s.changes <- change{drained: drained}:
	case <-ctx.Done():
		return
	}
	select {
	case <-drained:
	case <-ctx.Done():
	}
}

// Printf prints something else between two lines of the story.
func (s *Story) Printf(format string, a ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprintf(s.out, format, a...)
}

// Run prints what is observed until the context ends and everything observed by then is printed. l
// is asked for the details of a record.
func (s *Story) Run(ctx context.Context, l *ledger.Ledger) {
	for {
		select {
		case c := <-s.changes:
			s.print(ctx, l, c)
		case <-ctx.Done():
			for len(s.changes) > 0 {
				s.print(ctx, l, <-s.changes)
			}
			return
		}
	}
}

func (s *Story) print(ctx context.Context, l *ledger.Ledger, c change) {
	if c.drained != nil {
		close(c.drained)
		return
	}
	// What happened just before the end is printed, too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	h := s.shown[c.Ref]
	if h == nil {
		h = &shown{}
		s.shown[c.Ref] = h
	}
	line, ok := s.line(ctx, l, h, c)
	if c.Final() {
		delete(s.shown, c.Ref)
	}
	if !ok {
		return
	}
	s.idWidth = max(s.idWidth, len(c.OrderID))
	s.Printf("%s  %-8s  %-*s  %s  %s\n", c.at.Format("15:04:05"), c.Account.Provider, s.idWidth, c.OrderID, runewidth.FillRight(h.kind, kindWidth), table.Clean(line))
}

// kindWidth is the width of the longest usual kind.
const kindWidth = 29

// line describes a change; ok is false when it is not worth a line.
func (s *Story) line(ctx context.Context, l *ledger.Ledger, h *shown, c change) (text string, ok bool) {
	if c.Event == "polled" || c.Event == "idle" || c.Event == "settle_ticket" {
		return "", false // only waiting
	}
	d, err := l.Load(ctx, c.Ref)
	if err != nil {
		return "", false // the record is gone, or Redis is: the log says more
	}
	if h.kind == "" {
		h.kind = describe(c.Ref, d.Shape)
	}
	step := string(c.State)
	if h.state != "" && h.state != c.State {
		step = string(h.state) + " → " + string(c.State)
	}
	h.state = c.State
	why := " (" + because(d.Reason) + ")"
	if d.Reason == (ledger.Reason{}) {
		why = ""
	}
	switch {
	case c.Final():
		step += effort(d)
		if c.State != order.Issued && c.State != order.Refunded {
			step += ": " + because(d.Reason)
		}
		return step, true
	case c.Event == "submit" && d.Attempts > 1:
		return fmt.Sprintf("%s (attempt %d)", step, d.Attempts), true
	case c.Event == "plan":
		return fmt.Sprintf("%s: %s to refund, chosen and written down", step, count(d.Count, "ticket")), true
	case c.Event == "not_sent":
		return step + ": not sent" + why + ", tried again soon", true
	case c.Event == "unknown":
		return step + ": no clear answer" + why + ", looked up before anything is sent again", true
	case c.Event == "rejected":
		return step + ": refused" + why + ", looked up to be sure", true
	case c.Event == "yield_turn":
		if h.waits {
			return "", false
		}
		h.waits = true
		return step + ": waits" + why, true
	}
	return step, true
}

// because is a reason in one line.
func because(r ledger.Reason) string { return strings.Trim(r.Code+": "+r.Message, ": ") }

// effort says what it took.
func effort(d *ledger.Record) string {
	var parts []string
	if d.Attempts > 1 {
		parts = append(parts, count(d.Attempts, "attempt"))
	}
	if d.Polls > 0 {
		parts = append(parts, count(d.Polls, "poll"))
	}
	parts = append(parts, seconds(d)+" s")
	return " after " + strings.Join(parts, ", ")
}

// seconds is the time from the intake to the end.
func seconds(b *ledger.Record) string {
	if b.FinalAt.IsZero() || b.CreatedAt.IsZero() {
		return "-"
	}
	return fmt.Sprintf("%.1f", b.FinalAt.Sub(b.CreatedAt).Seconds())
}
