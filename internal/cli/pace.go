package cli

import (
	"context"
	"fmt"
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
	cfg, err := config.LoadParts(s.env, config.Estimates)
	if err != nil { // an estimate is not worth an error
		cfg, _ = config.LoadParts(nil, config.Estimates)
	}
	out := map[providers.Name]pace{
		providers.ECTicket: {perSecond: cfg.ECTicket.CallsPerSecond},
		providers.Pass2U:   {perSecond: cfg.Pass2U.CallsPerSecond},
	}
	if s.rdb == nil {
		return out
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), paceWithin) // an interrupted run has an estimate, too
	defer cancel()
	accounts, err := budget.States(ctx, s.rdb)
	if err != nil {
		return out
	}
	for p := range out {
		st := accountOf(accounts, p, cfg.ECTicket.MerchantID)
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

// accountOf is the provider's account: this merchant's at ECTicket, and where none is named, the only
// one that there is. Nil when that is not clear.
func accountOf(accounts []budget.State, p providers.Name, merchant string) *budget.State {
	var found *budget.State
	for i, st := range accounts {
		switch {
		case st.Account.Provider != p:
		case p == providers.ECTicket && merchant != "" && st.Account.Merchant != merchant:
		case found != nil:
			return nil
		default:
			found = &accounts[i]
		}
	}
	return found
}

// allowance is the allowance that calls of an account count against, and the rate at which this process
// may call: as the workers have announced it, and not faster than this environment says.
func (s *session) allowance(ctx context.Context, account providers.Account, perSecond float64) (string, float64, error) {
	accounts, err := budget.States(ctx, s.rdb)
	if err != nil {
		return "", 0, fmt.Errorf("read the call budget that the workers keep: %w", err)
	}
	for _, st := range accounts {
		if st.Account == account && st.Limit > 0 {
			return st.Allowance, min(perSecond, st.Limit), nil
		}
	}
	return account.String(), perSecond, nil
}
