package metrics

import (
	"context"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"issuance/internal/budget"
	"issuance/providers"
	"issuance/tasks/order"
)

var (
	healthDesc  = prometheus.NewDesc("issuance_account_health", "1 for the state that an account is in, 0 for the others, of every account that workers have announced.", []string{"account", "state"}, nil)
	sinceDesc   = prometheus.NewDesc("issuance_account_health_since_seconds", "Since when (Unix time) an account has been in its state, where that is known and it is not ok.", []string{"account"}, nil)
	bannedDesc  = prometheus.NewDesc("issuance_banned", "1 while the provider refuses our calls (HTTP 403) and none is made.", []string{"account"}, nil)
	pausedDesc  = prometheus.NewDesc("issuance_paused", "1 while an operator has paused the account's calls in a lane.", []string{"account", "lane"}, nil)
	allowedDesc = prometheus.NewDesc("issuance_calls_allowed_per_second", "Calls per second that are allowed now; 0 while all are held.", []string{"account"}, nil)
	limitDesc   = prometheus.NewDesc("issuance_calls_limit_per_second", "Calls per second that are configured.", []string{"account"}, nil)
	usedDesc    = prometheus.NewDesc("issuance_calls_last_minute", "Calls of the account's allowance in the last minute, of all workers.", []string{"account", "lane"}, nil)
	aheadDesc   = prometheus.NewDesc("issuance_calls_planned_ahead_seconds", "How much of the future is taken by calls that wait for their time.", []string{"account"}, nil)

	accountDescs = []*prometheus.Desc{healthDesc, sinceDesc, bannedDesc, pausedDesc, allowedDesc, limitDesc, usedDesc, aheadDesc}
)

// accounts reads how the announced accounts are and what their budgets allow.
func (s *Shared) accounts(ctx context.Context, send func(prometheus.Metric)) error {
	states, err := budget.States(ctx, s.rdb)
	if err != nil {
		return err
	}
	gauge := sender(send)
	for _, st := range states {
		name := st.Account.String()
		now, since, _ := st.Health()
		for _, h := range providers.Healths() {
			gauge(healthDesc, oneIf(h == now), name, string(h))
		}
		if !since.IsZero() {
			gauge(sinceDesc, float64(since.Unix()), name)
		}
		gauge(bannedDesc, oneIf(st.Ban != nil), name)
		gauge(allowedDesc, st.PerSecond, name)
		gauge(limitDesc, st.Limit, name)
		gauge(aheadDesc, st.Ahead.Seconds(), name)
		for _, lane := range order.Lanes() {
			gauge(usedDesc, float64(st.Used[lane]), name, string(lane))
			held := slices.ContainsFunc(st.Paused, func(h budget.Hold) bool { return h.Lane == "" || h.Lane == lane })
			gauge(pausedDesc, oneIf(held), name, string(lane))
		}
	}
	return nil
}
