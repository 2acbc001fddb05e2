package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"issuance/internal/cli/table"
	"issuance/internal/webhooks"
)

// webhookLine is a webhook with --json.
type webhookLine struct {
	Name         string     `json:"name"`
	Host         string     `json:"host"`
	State        string     `json:"state"` // ok, failing, off, new or removed
	Events       []string   `json:"events,omitempty"`
	Accounts     []string   `json:"accounts,omitempty"`
	Outstanding  int        `json:"outstanding"` // events that are on their way
	Waiting      int        `json:"waiting"`     // of these, for another try
	Behind       float64    `json:"behind"`      // age in seconds of the oldest event that is not on its way yet
	Delivered    int        `json:"delivered"`
	GivenUp      int        `json:"given_up"`
	Failures     int        `json:"failures"` // in a row
	FailingSince *time.Time `json:"failing_since"`
	OffSince     *time.Time `json:"off_since"`
	HeldUntil    *time.Time `json:"held_until"`
	NextProbe    *time.Time `json:"next_probe,omitempty"` // while it takes nothing
	ReplaySince  *time.Time `json:"replay_since"`
	LastAt       *time.Time `json:"last_at"`
	LastStatus   int        `json:"last_status,omitempty"`
	LastSeconds  float64    `json:"last_seconds"`
	LastError    string     `json:"last_error,omitempty"`
	ServedAt     *time.Time `json:"served_at"` // when a front door last announced it
}

func (a *app) listWebhooks(ctx context.Context, s *session) error {
	store := webhooks.NewStore(s.rdb)
	all, err := store.Announced(ctx)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		a.report("no front door has served a webhook yet; see GATEWAY_WEBHOOKS_FILE")
	}
	for i, w := range all {
		st, err := store.State(ctx, w.Name)
		if err != nil {
			return err
		}
		late, err := w.Oldest(ctx, s.ledger, a.now(), st.Cursor)
		if err != nil {
			return err
		}
		if err := a.printWebhook(webhookOf(a.now(), w, st, late), i > 0); err != nil {
			return err
		}
	}
	return nil
}

func webhookOf(now time.Time, w webhooks.Announced, st webhooks.State, late time.Duration) webhookLine {
	l := webhookLine{Name: w.Name, Host: w.Host, State: w.Word(st), Events: w.Events, Accounts: w.Accounts, Outstanding: st.Outstanding,
		Waiting: st.Waiting, Behind: late.Seconds(), Delivered: st.Delivered, GivenUp: st.GivenUp, Failures: st.Fails, FailingSince: stamp(st.FailingAt),
		OffSince: stamp(st.OffAt), NextProbe: stamp(st.ProbeAt), ReplaySince: stamp(st.ReplaySince), LastAt: stamp(st.At), LastStatus: st.Status,
		LastSeconds: st.Took.Seconds(), LastError: st.Text, ServedAt: stamp(w.Seen)}
	if st.HeldUntil.After(now) {
		l.HeldUntil = stamp(st.HeldUntil)
	}
	return l
}

func (a *app) printWebhook(l webhookLine, more bool) error {
	if a.json {
		return a.printJSON(l)
	}
	f := fields{table.Table{Indent: "  "}}
	f.row("host", l.Host)
	f.row("events", strings.Join(l.Events, ", "))
	f.row("accounts", strings.Join(l.Accounts, ", "))
	f.row("delivered", count(l.Delivered, "event"))
	if l.GivenUp > 0 {
		f.row("given up", count(l.GivenUp, "event"))
	}
	f.row("on their way", fmt.Sprintf("%s, %d of them wait for another try", count(l.Outstanding, "event"), l.Waiting))
	if l.Behind > 0 {
		f.row("behind", (time.Duration(l.Behind) * time.Second).String())
	}
	if l.Failures > 0 {
		f.row("failures", fmt.Sprintf("%d in a row, since %s", l.Failures, a.timeAt(l.FailingSince)))
	}
	f.row("off since", a.timeAt(l.OffSince))
	f.row("held until", a.timeAt(l.HeldUntil))
	f.row("next probe", a.timeAt(l.NextProbe))
	f.row("replay since", a.timeAt(l.ReplaySince))
	if l.LastAt != nil {
		f.row("last answer", strings.TrimSpace(fmt.Sprintf("%s  %s", a.timeAt(l.LastAt), answered(l.LastStatus, l.LastSeconds, l.LastError))))
	}
	f.row("last served", a.timeAt(l.ServedAt))
	return a.printEntry(more, l.Name+"  "+l.State, &f)
}

// answered says how a delivery was answered.
func answered(status int, seconds float64, text string) string {
	s := fmt.Sprintf("%.3f s", seconds)
	if status != 0 {
		s = fmt.Sprintf("HTTP %d, ", status) + s
	}
	if text != "" && text != fmt.Sprintf("HTTP %d", status) {
		s += ", " + text
	}
	return s
}

// deliveryLine is a delivery with --json.
type deliveryLine struct {
	At      *time.Time `json:"at"`
	EventID string     `json:"event_id"`
	Try     int        `json:"try"`
	Outcome string     `json:"outcome"`
	Status  int        `json:"status,omitempty"`
	Seconds float64    `json:"seconds"`
	Error   string     `json:"error,omitempty"`
}

func (a *app) deliveries(ctx context.Context, s *session, name string, limit int64) error {
	list, err := webhooks.NewStore(s.rdb).Deliveries(ctx, name, limit)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		a.report("nothing was delivered there yet")
	}
	var t table.Table
	for _, d := range list {
		l := deliveryLine{stamp(d.At), d.EventID, d.Try, d.Outcome, d.Status, d.Took.Seconds(), d.Text}
		if a.json {
			if err := a.printJSON(l); err != nil {
				return err
			}
			continue
		}
		t.Row(a.time(d.At), d.EventID, fmt.Sprintf("try %d", d.Try), d.Outcome, answered(l.Status, l.Seconds, l.Error))
	}
	return a.printTable(&t)
}
