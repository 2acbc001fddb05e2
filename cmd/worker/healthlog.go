package main

import (
	"context"
	"time"

	"issuance/internal/budget"
	"issuance/providers"
)

// healthEvery is how often a worker looks whether an account's health has changed.
const healthEvery = 5 * time.Second

// watchHealth logs each change of an announced account's health once. What an account's calls show (unreachable, refused,
// garbage) its budget logs at once.
func (w *worker) watchHealth(ctx context.Context) {
	known := map[providers.Account]providers.Health{}
	every(ctx, healthEvery, func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, noticesLimit)
		defer cancel()
		states, err := budget.States(ctx, w.pages)
		if err != nil {
			return // nothing is known to have changed
		}
		for _, s := range states {
			w.logHealth(known[s.Account], s)
			known[s.Account], _, _ = s.Health()
		}
	})
}

// logHealth logs how an account is, if that is another way than before, "" for the first time.
func (w *worker) logHealth(before providers.Health, s budget.State) {
	now, since, why := s.Health()
	if now == before || before == "" && now == providers.HealthOK {
		return
	}
	log := w.log.With("account", s.Account.String(), "health", string(now))
	if !since.IsZero() {
		log = log.With("since", since.UTC())
	}
	switch now {
	case providers.HealthBanned, providers.HealthNoWorker:
		log.Error("alarm: the account is "+string(now)+": none of its orders goes on", "why", why)
	case providers.HealthPaused, providers.HealthKeyMissing:
		log.Warn("the account is "+string(now), "why", why)
	case providers.HealthOK:
		switch before {
		case providers.HealthBanned, providers.HealthNoWorker, providers.HealthPaused, providers.HealthKeyMissing:
			log.Info("the account is ok again", "was", string(before))
		}
	}
}
