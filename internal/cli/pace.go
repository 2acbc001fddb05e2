package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"issuance/internal/budget"
	"issuance/internal/config"
	"issuance/providers"
)

// pace is how fast the workers may call a provider.
type pace struct {
	perSecond float64
	until     time.Time     // of a ban; zero without one
	wait      time.Duration // what is left of it
}

// duration is how long so many calls take, if nothing else is waiting.
func (p pace) duration(calls int64) time.Duration {
	return p.wait + time.Duration(float64(calls)/p.perSecond*float64(time.Second))
}

// ban says until when a ban lasts, "" without one.
func (p pace) ban(zone *time.Location) string {
	if p.wait <= 0 {
		return ""
	}
	return "banned until " + p.until.In(zone).Format("15:04:05")
}

// paceWithin bounds how long an estimate may wait for Redis.
const paceWithin = time.Second

// paces are what the workers have announced in Redis, and where they have not, what this
// environment says.
func (a *app) paces(ctx context.Context, s *session) map[providers.Name]pace {
	out := map[providers.Name]pace{}
	for _, p := range providers.All() {
		out[p] = pace{perSecond: callsPerSecond(s.env, p)}
	}
	if s.rdb == nil {
		return out
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), paceWithin) // an interrupted run has an estimate, too
	defer cancel()
	accounts, err := budget.States(ctx, s.rdb)
	if err != nil { // an estimate is not worth an error
		return out
	}
	for _, p := range providers.All() {
		st := accountOf(accounts, p, s.env)
		if st == nil || st.Limit <= 0 {
			continue
		}
		of := pace{perSecond: st.Limit}
		if st.Ban != nil {
			of.until, of.wait = st.Ban.Until, max(0, st.Ban.Until.Sub(a.now()))
		}
		out[p] = of
	}
	return out
}

// accountOf is the provider's account: this environment's merchant, and where it names none, the
// only one that there is. Nil when that cannot be told.
func accountOf(accounts []budget.State, p providers.Name, env map[string]string) *budget.State {
	merchant := strings.TrimSpace(env["ECTICKET_MERCHANT_ID"])
	var found *budget.State
	for i, st := range accounts {
		switch {
		case st.Provider() != p:
		case p == providers.ECTicket && merchant != "" && st.Account != budget.AccountOf(p, merchant):
		case found != nil:
			return nil
		default:
			found = &accounts[i]
		}
	}
	return found
}

// ecticketRate is the rate at which this process may call ECTicket: not faster than the workers,
// with whom it shares the account, whatever this environment says.
func (s *session) ecticketRate(ctx context.Context, account config.ECTicket) (float64, error) {
	accounts, err := budget.States(ctx, s.rdb)
	if err != nil {
		return 0, fmt.Errorf("read the call budget that the workers keep: %w", err)
	}
	for _, st := range accounts {
		if st.Account == budget.AccountOf(providers.ECTicket, account.MerchantID) && st.Limit > 0 {
			return min(account.CallsPerSecond, st.Limit), nil
		}
	}
	return account.CallsPerSecond, nil
}

// callsPerSecond is the call budget as this environment has it, else the default.
func callsPerSecond(env map[string]string, p providers.Name) float64 {
	of := func(env map[string]string) (float64, bool) {
		cfg, err := config.Load(env)
		if p == providers.Pass2U {
			return cfg.Pass2U.CallsPerSecond, err == nil
		}
		return cfg.ECTicket.CallsPerSecond, err == nil
	}
	name := map[providers.Name]string{providers.ECTicket: "ECTICKET_CALLS_PER_SECOND", providers.Pass2U: "PASS2U_CALLS_PER_SECOND"}[p]
	if rate, ok := of(map[string]string{name: env[name]}); ok {
		return rate
	}
	rate, _ := of(nil)
	return rate
}
