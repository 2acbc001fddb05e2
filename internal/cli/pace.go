package cli

import (
	"context"
	"fmt"
	"time"

	"issuance/internal/budget"
	"issuance/internal/config"
	"issuance/providers"
	"issuance/tasks"
)

// pace is how fast the workers may call for an account.
type pace struct {
	perSecond float64
	allowance string        // accounts of the same one share the calls per second; "" where that is not known
	until     time.Time     // of a ban; zero without one
	wait      time.Duration // what is left of it
	paused    string        // why its calls are held without a known end; "" when they are not
}

// duration is how long so many calls take, if nothing else is waiting; from the end of a pause.
func (p pace) duration(calls int64) time.Duration {
	return p.wait + time.Duration(float64(calls)/p.perSecond*float64(time.Second))
}

// banText says until when the account is banned; "" when it is not.
func (p pace) banText(zone *time.Location) string {
	if p.wait <= 0 {
		return ""
	}
	return "banned until " + p.until.In(zone).Format(clockFormat)
}

// paces are the paces of all accounts.
type paces struct {
	cfg    config.Config
	states []budget.State
	now    time.Time
}

// paceWithin bounds how long an estimate may wait for Redis.
const paceWithin = time.Second

// pacesOf are what the workers have announced in Redis, and where they have not, what this
// environment says.
func (a *app) pacesOf(ctx context.Context, s *session) paces {
	p := paces{now: a.now()}
	var err error
	if p.cfg, err = config.LoadParts(s.env, config.Estimates); err != nil { // an estimate is not worth an error
		p.cfg, _ = config.LoadParts(nil, config.Estimates)
	}
	if s.rdb == nil {
		return p
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), paceWithin) // an interrupted run has an estimate, too
	defer cancel()
	p.states, _ = budget.States(ctx, s.rdb)
	return p
}

// account is what an account without a merchant means, as far as it is known: this environment's, or the
// only one that there is.
func (p paces) account(a tasks.Account) tasks.Account {
	a, _ = p.cfg.Pace(a)
	if st := accountOf(p.states, a); st != nil {
		return st.Account
	}
	return a
}

// of is an account's pace.
func (p paces) of(a tasks.Account) pace {
	_, perSecond := p.cfg.Pace(a)
	out := pace{perSecond: perSecond}
	a = p.account(a)
	st := accountOf(p.states, a)
	if st == nil || st.Limit <= 0 {
		return out
	}
	out.perSecond, out.allowance = st.Limit, st.Allowance
	switch halt, held := st.Held(tasks.Bulk); {
	case !held:
	case st.Ban != nil:
		out.until, out.wait = halt.Until, max(0, halt.Until.Sub(p.now))
	default:
		out.paused = halt.Reason
	}
	return out
}

// accountOf is the state of an account, and where it has no merchant, of the only one of its provider. Nil
// when that is not clear.
func accountOf(states []budget.State, a tasks.Account) *budget.State {
	var found *budget.State
	for i, st := range states {
		switch {
		case st.Account.Provider != a.Provider || a.Merchant != "" && st.Account != a:
		case found != nil:
			return nil
		default:
			found = &states[i]
		}
	}
	return found
}

// allowance is the call allowance of an account and its rate, which a look-up of this process shares with
// the workers: what they have announced, and not faster than that, whatever this environment says.
func (s *session) allowance(ctx context.Context, account providers.Account, perSecond float64) (string, float64, error) {
	states, err := budget.States(ctx, s.rdb)
	if err != nil {
		return "", 0, fmt.Errorf("read the call budget that the workers keep: %w", err)
	}
	allowance, rate := allowanceAmong(states, account, perSecond)
	return allowance, rate, nil
}

func allowanceAmong(states []budget.State, account providers.Account, perSecond float64) (string, float64) {
	if st := accountOf(states, account); st != nil && st.Limit > 0 {
		return st.Allowance, min(perSecond, st.Limit)
	}
	return account.String(), perSecond
}
