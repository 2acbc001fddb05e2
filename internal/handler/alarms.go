package handler

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"issuance/providers"
)

// Alarms keeps one cause from being logged for every order that it stops: a line a minute, which says how many
// were left out. The zero value is ready. Safe for concurrent use.
type Alarms struct {
	mu     sync.Mutex
	causes map[string]*cause
}

// cause is when a cause was logged last, and how often it was not since.
type cause struct {
	logged  time.Time
	leftOut int
}

const (
	alarmEvery = time.Minute
	maxCauses  = 20_000 // more than there are, with thousands of accounts; the map must not grow with what a provider makes up
)

// Log logs an alarm of a cause, unless that was logged less than a minute ago.
func (a *Alarms) Log(log *slog.Logger, why, msg string, args ...any) {
	leftOut, due := a.due(why, time.Now())
	if !due {
		return
	}
	if leftOut > 0 {
		args = append(args, "left_out", leftOut)
	}
	log.Error("alarm: "+msg, args...)
}

func (a *Alarms) due(why string, now time.Time) (leftOut int, due bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := a.causes[why]
	if c != nil && now.Sub(c.logged) < alarmEvery {
		c.leftOut++
		return 0, false
	}
	if c != nil {
		leftOut = c.leftOut
	}
	if a.causes == nil || c == nil && len(a.causes) >= maxCauses {
		a.causes = map[string]*cause{}
	}
	a.causes[why] = &cause{logged: now}
	return leftOut, true
}

// Outcome reports an outcome that a person has to act on. A refusal of the account is no order's: when it lasts, the
// account's health says so, once for all orders.
func (a *Alarms) Outcome(log *slog.Logger, account providers.Account, out providers.Outcome) {
	if out.Alarm && out.Kind != providers.Held {
		a.Log(log, account.String()+" "+out.Code, "the provider refuses this account; a person has to act", "code", out.Code, "message", out.Message)
	}
}

// KeyMissing reports a document whose seal key this worker does not hold. report records it with the
// account's health, and may be nil.
func (a *Alarms) KeyMissing(log *slog.Logger, account providers.Account, what string, err error, report func(context.Context)) {
	a.Log(log, account.String()+" seal key", what+" cannot be opened", "error", err)
	if report != nil {
		ctx, cancel := Recording()
		defer cancel()
		report(ctx)
	}
}
