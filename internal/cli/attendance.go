package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"issuance/internal/budget"
	"issuance/tasks"
	"issuance/tasks/order"
)

// attendEvery is how often it is looked whether workers are there, and whether calls may leave.
const attendEvery = 5 * time.Second

// attendance says what keeps that which is waited for from going on: that no worker serves its queue, or that its
// account's calls are held. Each is said once when it begins, and once when it ends.
type attendance struct {
	app     *app
	session *session
	client  *tasks.Client
	next    time.Time
	absent  string                   // places that were reported last
	full    string                   // why Redis takes no writes, as it was reported last
	present bool                     // workers were seen for everything
	missing time.Time                // since when they are not seen any more
	halted  map[tasks.Account]string // what holds calls, of every account that was looked at; "" where they leave
}

// place is a lane of an account's provider.
type place struct {
	account tasks.Account
	lane    tasks.Lane
}

func (p place) String() string { return p.account.String() + " (" + string(p.lane) + ")" }

// look looks at some places, unless it has done so lately.
func (w *attendance) look(ctx context.Context, places []place) {
	if time.Now().Before(w.next) {
		return
	}
	w.next = time.Now().Add(attendEvery)
	asked := map[string]bool{}
	var absent []string
	halted := map[tasks.Account]string{}
	for _, p := range places {
		name := p.String()
		if asked[name] {
			continue
		}
		asked[name] = true
		served, err := w.client.WorkerServes(ctx, p.account, p.lane)
		if err == nil {
			halted[p.account], err = w.halt(ctx, p)
		}
		if err != nil {
			return // the caller reports what is wrong with Redis
		}
		if !served {
			absent = append(absent, name)
		}
	}
	slices.Sort(absent)
	w.is(ctx, strings.Join(absent, ", "))
	w.holds(halted)
}

// halt is why calls are held that an order enqueued into a lane needs: its own, or the look-ups after it.
func (w *attendance) halt(ctx context.Context, p place) (string, error) {
	for _, lane := range []order.Lane{p.lane, order.Poll} {
		halt, held, err := budget.HeldNow(ctx, w.session.rdb, p.account, lane)
		if err != nil {
			return "", err
		}
		if !held {
			continue
		}
		why := w.app.haltText(halt.Reason, stamp(halt.Since), stamp(halt.Until))
		if lane != p.lane {
			why += " (look-ups only)"
		}
		return why, nil
	}
	return "", nil
}

// heartbeatGrace is how long workers that were seen may be out of sight before they count as gone: a Redis that
// stood still has forgotten their heartbeats, which come every 5 s.
const heartbeatGrace = 15 * time.Second

// is reports the places that no worker serves now, if they are others than before; or instead that Redis takes no
// writes, without which no worker can be seen.
func (w *attendance) is(ctx context.Context, absent string) {
	full := ""
	if absent != "" {
		full = w.session.noWrites(ctx)
	}
	switch {
	case full != "" && full != w.full:
		w.app.report("Redis %s; nothing happens until it does", full)
	case full == "" && w.full != "":
		w.app.report("Redis takes writes again")
		w.present = true // whoever is there shows it now
	}
	if w.full = full; full == "" && !w.mayCome(absent) {
		w.reportAbsent(absent)
	}
}

// mayCome reports whether workers that are out of sight were there a moment ago.
func (w *attendance) mayCome(absent string) bool {
	if absent == "" {
		w.present, w.missing = true, time.Time{}
		return false
	}
	now := w.app.now()
	if w.missing.IsZero() {
		w.missing = now
	}
	return w.present && now.Sub(w.missing) < heartbeatGrace
}

func (w *attendance) reportAbsent(absent string) {
	switch {
	case absent == w.absent:
		return
	case absent == "":
		w.app.report("workers serve %s again", w.absent)
	default:
		w.app.report("no worker serves %s at present; nothing happens until one does", absent)
	}
	w.absent = absent
}

// holds reports the accounts whose calls are held now, and those whose calls leave again, where that is new. why is
// there for every account that is waited for, and "" where calls leave.
func (w *attendance) holds(why map[tasks.Account]string) {
	for _, account := range slices.SortedFunc(maps.Keys(why), compareAccounts) {
		switch was, is := w.halted[account], why[account]; {
		case was == is:
		case is == "":
			w.app.report("calls of %s leave again", account)
		default:
			w.app.report("calls of %s are held: %s", account, is)
		}
	}
	w.halted = why
}

func compareAccounts(x, y tasks.Account) int { return strings.Compare(x.String(), y.String()) }

// note is what a message about a wait in vain says of calls that are held.
func (w *attendance) note() string {
	text := ""
	if w.full != "" {
		text = "; Redis " + w.full
	}
	for _, account := range slices.SortedFunc(maps.Keys(w.halted), compareAccounts) {
		if why := w.halted[account]; why != "" {
			text += fmt.Sprintf("; calls of %s are held: %s", account, why)
		}
	}
	return text
}

// haltText is why calls are held, and as far as it is known, since when and until when.
func (a *app) haltText(reason string, since, until *time.Time) string {
	if reason == "" {
		return ""
	}
	if since != nil {
		reason += ", since " + a.time(*since)
	}
	if until != nil {
		reason += ", until " + a.time(*until)
	}
	return reason
}
