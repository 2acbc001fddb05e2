package handler

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"issuance/providers"
)

// Alarms keeps one cause from being logged for every order that it stops: a line a minute, which says how many
// were left out. The zero value is ready. Safe for concurrent use.
type Alarms struct {
	mu     sync.Mutex
	causes map[string]*cause
	// keySlot is when the last one runs again that waits for a seal key.
	keySlot time.Time
}

// cause is when a cause was logged last, and how often it was not since.
type cause struct {
	logged  time.Time
	leftOut int
}

const (
	alarmEvery = time.Minute
	maxCauses  = 1000 // more than there are; the map must not grow with what a provider makes up
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

// KeyMissing reports a document whose seal key this worker does not hold, and returns how long its record should wait.
// report records it with the account's health, and may be nil.
func (a *Alarms) KeyMissing(log *slog.Logger, account providers.Account, what string, err error, report func(context.Context)) time.Duration {
	a.Log(log, account.String()+" seal key", what+" cannot be opened", "error", err)
	if report != nil {
		ctx, cancel := Recording()
		defer cancel()
		report(ctx)
	}
	return a.keyWait(time.Now())
}

// Records that wait for a seal key are tried again keyWait later at the earliest, keysPerSecond of them, so that many of
// them cost no more than a few: each waits the longer, up to longestKeyWait. A worker that is started wakes them.
const (
	keyWait        = 10 * time.Second
	longestKeyWait = 5 * time.Minute
	keysPerSecond  = 20
)

// KeyText is in the reason of every wait for a seal key.
const KeyText = "seal key"

// keyWait is how long the next record that waits for a seal key should wait.
func (a *Alarms) keyWait(now time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	slot := a.keySlot.Add(time.Second / keysPerSecond)
	if first := now.Add(keyWait); slot.Before(first) {
		slot = first
	}
	if last := now.Add(longestKeyWait); slot.After(last) {
		return longestKeyWait - time.Duration(rand.Int64N(int64(longestKeyWait)/5))
	}
	a.keySlot = slot
	return slot.Sub(now)
}
