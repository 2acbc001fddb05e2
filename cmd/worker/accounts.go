package main

import (
	"log/slog"
	"sync"
	"time"

	"issuance/internal/budget"
	"issuance/internal/config"
	"issuance/internal/metrics"
	"issuance/providers"
	"issuance/providers/ecticket"
	"issuance/providers/pass2u"
)

// account is what is needed to work on one account's records.
type account struct {
	provider providers.Provider
	gate     *providers.PrepayableGate
	budget   *budget.Budget // behind the gate
	rules    func() providers.Rules
	timeout  time.Duration // of one call
	close    func()
}

// name is the account's.
func (a *account) name() providers.Account { return a.provider.Account() }

// names are the accounts that the worker serves.
func (w *worker) names() []providers.Account {
	var out []providers.Account
	for _, a := range w.accounts {
		out = append(out, a.name())
	}
	return out
}

// byProvider is names by provider, one each.
func (w *worker) byProvider() map[providers.Name]providers.Account {
	out := map[providers.Name]providers.Account{}
	for _, a := range w.names() {
		out[a.Provider] = a
	}
	return out
}

// opener makes the client of a provider's account, behind the call budget that all workers share.
type opener struct {
	configured func(config.Config) bool
	needs      string // what to set where it is not configured
	open       func(config.Config, *modeWatch, *slog.Logger, *metrics.Process) (*account, error)
}

// openers are the providers that the worker can serve.
var openers = map[providers.Name]opener{
	providers.ECTicket: {
		configured: func(c config.Config) bool { return c.ECTicket.Configured() },
		needs:      "ECTICKET_MERCHANT_ID, ECTICKET_HASH_KEY and ECTICKET_HASH_IV",
		open:       openECTicket,
	},
	providers.Pass2U: {
		configured: func(c config.Config) bool { return c.Pass2U.Configured() },
		needs:      "PASS2U_API_KEY",
		open:       openPass2U,
	},
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

func openECTicket(c config.Config, watch *modeWatch, log *slog.Logger, counts *metrics.Process) (*account, error) {
	cfg := c.ECTicket
	name := providers.Account{Provider: providers.ECTicket, Merchant: cfg.MerchantID}
	b, err := budget.New(watch.rdb, budget.Config{Account: name, Default: true, PerSecond: cfg.CallsPerSecond, Ban: cfg.Ban, Log: log})
	if err != nil {
		return nil, err
	}
	settings, err := cfg.Client()
	if err != nil {
		return nil, err
	}
	gate := providers.Prepayable(modeGate{b, name, watch, counts})
	settings.Gate, settings.Log, settings.Verified = gate, log, noteEncoding(log, name, counts)
	client, err := ecticket.New(settings)
	if err != nil {
		return nil, err
	}
	return &account{provider: client, gate: gate, budget: b, close: client.Close, timeout: cfg.Timeout,
		rules: func() providers.Rules {
			return providers.Rules{Merchant: cfg.MerchantID, Escrow: cfg.Mode == config.Escrow, Now: time.Now()}
		}}, nil
}

func openPass2U(c config.Config, watch *modeWatch, log *slog.Logger, counts *metrics.Process) (*account, error) {
	cfg := c.Pass2U
	codec, _ := providers.CodecOf(providers.Pass2U)
	name := providers.Account{Provider: providers.Pass2U, Merchant: codec.DefaultMerchant}
	b, err := budget.New(watch.rdb, budget.Config{Account: name, Default: true, PerSecond: cfg.CallsPerSecond, Ban: cfg.Ban, Log: log})
	if err != nil {
		return nil, err
	}
	gate := providers.Prepayable(modeGate{b, name, watch, counts})
	settings := cfg.Client()
	settings.Merchant, settings.Gate, settings.Log = name.Merchant, gate, log
	client, err := pass2u.New(settings)
	if err != nil {
		return nil, err
	}
	return &account{provider: client, gate: gate, budget: b, close: client.Close, timeout: cfg.Timeout,
		rules: func() providers.Rules { return providers.Rules{Now: time.Now()} }}, nil
}
