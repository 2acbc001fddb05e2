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
)

// Story tells every order's way in one line per change of state, to people. It tells what this
// process does, which in a sandbox is all there is. Safe for concurrent use.
type Story struct {
	out     io.Writer
	changes chan change
	heard   map[ledger.Ref]*heard
	idWidth int

	mu sync.Mutex // guards out
}

type change struct {
	ledger.Change
	at      time.Time
	drained chan struct{} // closed instead of told
}

// heard is what was told of a record.
type heard struct {
	kind  string
	state ledger.State
	waits bool // a line said that the refund waits
}

// backlog is how many changes may wait to be told; more are left out, so that no order ever waits
// for a terminal.
const backlog = 10000

// NewStory makes a story that is told on out.
func NewStory(out io.Writer) *Story {
	return &Story{out: out, changes: make(chan change, backlog), heard: map[ledger.Ref]*heard{}, idWidth: 14}
}

// Observe is a ledger's observer; it never blocks.
func (s *Story) Observe(c ledger.Change) {
	select {
	case s.changes <- change{Change: c, at: time.Now()}:
	default:
	}
}

// Drain returns when all that was observed before is told, or when the context ends.
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

// Tell tells what is observed until the context ends and everything observed by then is told. l
// is asked for the details of a record.
func (s *Story) Tell(ctx context.Context, l *ledger.Ledger) {
	for {
		select {
		case c := <-s.changes:
			s.tell(ctx, l, c)
		case <-ctx.Done():
			for len(s.changes) > 0 {
				s.tell(ctx, l, <-s.changes)
			}
			return
		}
	}
}

func (s *Story) tell(ctx context.Context, l *ledger.Ledger, c change) {
	if c.drained != nil {
		close(c.drained)
		return
	}
	// What happened just before the end is told, too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	h := s.heard[c.Ref]
	if h == nil {
		h = &heard{}
		s.heard[c.Ref] = h
	}
	line, ok := s.line(ctx, l, h, c)
	if c.Final() {
		delete(s.heard, c.Ref)
	}
	if !ok {
		return
	}
	s.idWidth = max(s.idWidth, len(c.OrderID))
	s.Printf("%s  %-8s  %-*s  %s  %s\n", c.at.Format("15:04:05"), c.Provider, s.idWidth, c.OrderID, runewidth.FillRight(h.kind, kindWidth), table.Clean(line))
}

// kindWidth is the width of the longest usual kind.
const kindWidth = 29

// details are what a line may need besides the change itself.
type details struct {
	ledger.Base
	polls           int
	count, refunded int
}

func read(ctx context.Context, l *ledger.Ledger, r ledger.Ref) (details, error) {
	if r.RefundID != "" {
		rec, err := l.LoadRefund(ctx, ledger.RefundKey(r))
		if err != nil {
			return details{}, err
		}
		return details{Base: rec.Base, count: rec.Count, refunded: rec.Refunded}, nil
	}
	rec, err := l.Load(ctx, r.Key)
	if err != nil {
		return details{}, err
	}
	return details{Base: rec.Base, polls: rec.Polls}, nil
}

// line is what to tell of a change; ok is false when it is not worth a line.
func (s *Story) line(ctx context.Context, l *ledger.Ledger, h *heard, c change) (text string, ok bool) {
	if c.Event == "polled" || c.Event == "idle" || c.Event == "settle_ticket" {
		return "", false // only waiting
	}
	d, err := read(ctx, l, c.Ref)
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
		if c.State != ledger.Issued && c.State != ledger.Refunded {
			step += ": " + because(d.Reason)
		}
		return step, true
	case c.Event == "submit" && d.Attempts > 1:
		return fmt.Sprintf("%s (attempt %d)", step, d.Attempts), true
	case c.Event == "plan":
		return fmt.Sprintf("%s: %s to refund, chosen and written down", step, count(d.count, "ticket")), true
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
func effort(d details) string {
	var parts []string
	if d.Attempts > 1 {
		parts = append(parts, count(d.Attempts, "attempt"))
	}
	if d.polls > 0 {
		parts = append(parts, count(d.polls, "poll"))
	}
	parts = append(parts, seconds(d.Base)+" s")
	return " after " + strings.Join(parts, ", ")
}

// seconds is the time from the first claim to the end.
func seconds(b ledger.Base) string {
	if b.FinalAt.IsZero() || b.CreatedAt.IsZero() {
		return "-"
	}
	return fmt.Sprintf("%.1f", b.FinalAt.Sub(b.CreatedAt).Seconds())
}
