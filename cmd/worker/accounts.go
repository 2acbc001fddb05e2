package main

import (
	"log/slog"
	"strconv"
	"sync"

	"github.com/hibiken/asynq"

	"issuance/internal/budget"
	"issuance/internal/config"
	"issuance/internal/looks"
	"issuance/internal/metrics"
	"issuance/internal/servers"
	"issuance/providers"
)

// account is what is needed to work on one account's records.
type account struct {
	config.Account
	provider providers.Provider
	gate     *providers.PrepayableGate
	budget   *budget.Budget // behind the gate
	calls    budget.Config  // budget's own
	held     *servers.Served
	looker   *looks.Looker // nil where its provider shows no tickets

	// runner is this process's name in claims and histories. An account that replaces another has one of its own, because
	// claims of one record are distinguished by it.
	runner              string
	generation          int // how often the account was replaced
	issue, refund, poll asynq.Handler
}

// noteEncoding counts the encodings by which a provider's answers verify, and logs each of them once: its
// documents leave them open, and there are few.
func noteEncoding(log *slog.Logger, account providers.Account, c *metrics.Process) func(variant string) {
	var seen sync.Map
	return func(variant string) {
		c.Verified(account, variant)
		if _, known := seen.LoadOrStore(variant, true); !known && variant != "any" {
			log.Info("answers verify", "encoding", variant)
		}
	}
}

// open makes an account's client behind the call budget that all workers share, and the handlers of its tasks. before is
// the account that it replaces, nil for a new one.
func (k *wiring) open(c config.Account, before *account) (*account, error) {
	log := k.log.With("provider", string(c.Name.Provider))
	a := &account{Account: c, calls: budget.Config{Account: c.Name, Allowance: c.Allowance, Default: c.Default, PerSecond: c.CallsPerSecond, Ban: c.Ban}}
	a.runner = k.worker
	if before != nil {
		a.generation = before.generation + 1
		a.runner += "." + strconv.Itoa(a.generation)
	}
	if before != nil && before.sameCalls(a.calls) {
		a.budget = before.budget // it may know of a ban that is not in Redis yet
	} else {
		calls := a.calls
		calls.Log, calls.Departures = log, &k.leave
		if k.elsewhere != nil {
			calls.Shared = k.elsewhere(c)
		}
		var err error
		if a.budget, err = budget.New(k.rdb, calls); err != nil {
			return nil, err
		}
		if before != nil {
			a.budget.After(before.budget)
		}
	}
	a.gate = providers.Prepayable(modeGate{a.budget, c.Name, k.mode, k.counts})
	client, err := c.Client(config.ClientOptions{Gate: a.gate, Log: log, Memory: k.facts.Of(c.Name), Verified: noteEncoding(log, c.Name, k.counts), Transport: k.pool.Transport})
	if err != nil {
		return nil, err
	}
	a.provider = client
	a.held = servers.Serve(a.budget, client, k.log)
	a.held.Access = c.Access(k.ring.Fingerprint)
	a.looker = k.looker(a)
	return a, k.handlers(a)
}

func (a *account) sameCalls(c budget.Config) bool {
	b := a.calls
	return b.Account == c.Account && b.Allowance == c.Allowance && b.Default == c.Default && b.PerSecond == c.PerSecond && b.Ban == c.Ban
}
