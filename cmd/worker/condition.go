package main

import (
	"context"
	"fmt"
	"time"

	"issuance/internal/budget"
	"issuance/providers"
)

// conditions say in a few words how the accounts are that this worker serves. They are no part of whether it
// is ready: another worker would be no better off.
func (w *worker) conditions(ctx context.Context) map[string]string {
	out := map[string]string{}
	all := w.roster.now().all
	for _, a := range all {
		out[a.Name.String()] = "not known: Redis does not answer"
	}
	if ctx.Err() != nil {
		return out // the library would still wait for a connection
	}
	states, err := budget.StatesOf(ctx, w.rdb, budgetsOf(all))
	if err != nil {
		return out
	}
	for _, s := range states {
		out[s.Account.String()] = condition(s)
	}
	return out
}

func condition(s budget.State) string {
	h, since, why := s.Health()
	text := string(h)
	if !since.IsZero() {
		text += " since " + since.UTC().Format(time.RFC3339)
	}
	if why != "" {
		text += fmt.Sprintf(" (%s)", why)
	}
	return text
}

// healthNotice is an account whose calls fail, or for which nobody can work. Bans and pauses have notices of
// their own.
type healthNotice struct {
	Account providers.Account `json:"account"`
	Health  providers.Health  `json:"health"`
	Why     string            `json:"why"`
	Since   *time.Time        `json:"since"` // nil where nobody knows
}

func noticeOf(s budget.State) (n healthNotice, needed bool) {
	h, since, why := s.Health()
	switch h {
	case providers.HealthOK, providers.HealthBanned, providers.HealthPaused:
		return n, false
	}
	n = healthNotice{Account: s.Account, Health: h, Why: why}
	if !since.IsZero() {
		utc := since.UTC()
		n.Since = &utc
	}
	return n, true
}
