package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/budget"
	"issuance/internal/config"
	"issuance/internal/engine"
	"issuance/internal/ledger"
	"issuance/internal/seal"
	"issuance/pollers"
	"issuance/providers"
	"issuance/providers/ecticket"
	"issuance/providers/ecticket/wire"
	"issuance/providers/pass2u"
	"issuance/tasks"
	"issuance/tasks/issue"
	"issuance/tasks/refund"
)

// account is what is needed to work on one provider's orders.
type account struct {
	provider providers.Provider
	tickets  providers.TicketRefunder // of Tickets and Count one is set
	count    providers.CountRefunder
	gate     *providers.PrepayableGate
	budget   *budget.Budget // behind the gate
	rules    tasks.Rules
	timeout  time.Duration // of one call
	close    func()
}

// openAccount makes a provider's client, behind the call budget that all workers share.
func openAccount(p providers.Name, cfg config.Config, rdb redis.UniversalClient, log *slog.Logger) (*account, error) {
	log = log.With("provider", string(p))
	switch p {
	case providers.ECTicket:
		return openECTicket(cfg.ECTicket, rdb, log)
	case providers.Pass2U:
		return openPass2U(cfg.Pass2U, rdb, log)
	}
	return nil, fmt.Errorf("there is no client for %s", p)
}

func openECTicket(cfg config.ECTicket, rdb redis.UniversalClient, log *slog.Logger) (*account, error) {
	b, err := budget.New(rdb, budget.Config{Account: budget.AccountOf(providers.ECTicket, cfg.MerchantID), PerSecond: cfg.CallsPerSecond, Ban: cfg.Ban, Log: log})
	if err != nil {
		return nil, err
	}
	mode := ecticket.Pure
	if cfg.Mode == config.Escrow {
		mode = ecticket.EscrowUse
	}
	gate := providers.Prepayable(b)
	c, err := ecticket.New(ecticket.Config{
		BaseURL: cfg.BaseURL, MerchantID: cfg.MerchantID, PlatformID: cfg.PlatformID,
		Keys: wire.Keys{HashKey: cfg.HashKey.Reveal(), HashIV: cfg.HashIV.Reveal()}, Mode: mode,
		Timeout: cfg.Timeout, SettleAfter: cfg.SettleAfter, Ban: cfg.Ban, Gate: gate, Log: log,
	})
	if err != nil {
		return nil, err
	}
	return &account{provider: c, tickets: c, gate: gate, budget: b, close: c.Close, timeout: cfg.Timeout,
		rules: tasks.Rules{MerchantID: cfg.MerchantID, Escrow: cfg.Mode == config.Escrow}}, nil
}

func openPass2U(cfg config.Pass2U, rdb redis.UniversalClient, log *slog.Logger) (*account, error) {
	b, err := budget.New(rdb, budget.Config{Account: budget.AccountOf(providers.Pass2U, ""), PerSecond: cfg.CallsPerSecond, Ban: cfg.Ban, Log: log})
	if err != nil {
		return nil, err
	}
	gate := providers.Prepayable(b)
	c, err := pass2u.New(pass2u.Config{
		BaseURL: cfg.BaseURL, APIKey: cfg.APIKey.Reveal(), Timeout: cfg.Timeout, ProxyURL: cfg.ProxyURL.Reveal(),
		SettleAfter: cfg.SettleAfter, QueryAtBase: cfg.QueryPath == "/", RefundQuantityKey: cfg.RefundQuantityKey, Gate: gate, Log: log,
	})
	if err != nil {
		return nil, err
	}
	return &account{provider: c, count: c, gate: gate, budget: b, close: c.Close, timeout: cfg.Timeout}, nil
}

// banned tells of the account's ban, nil without one.
func (a *account) banned(ctx context.Context) (*engine.Ban, error) {
	state, err := a.budget.State(ctx)
	if err != nil || state.Ban == nil {
		return nil, err
	}
	return &engine.Ban{Reason: state.Ban.Reason, Until: state.Ban.Until}, nil
}

// wiring is what all handlers share.
type wiring struct {
	cfg    config.Config
	rdb    redis.UniversalClient
	ledger *ledger.Ledger
	ring   *seal.Ring
	queue  *asynq.Inspector
	worker string
	log    *slog.Logger
}

// handler handles every task type of a provider.
func (k *wiring) handler(a *account) asynq.Handler {
	p := a.provider.Name()
	schedule := pollers.Schedule{Interval: k.cfg.Poll.Interval, Expected: k.cfg.Poll.Expected, MaxInterval: k.cfg.Poll.MaxInterval, Deadline: k.cfg.Poll.Deadline}
	follower := pollers.NewFollower(k.rdb, schedule, pollers.FollowerOptions{
		Sentinel:    pollers.NewSentinel(k.rdb, p, pollers.SentinelConfig{Every: k.cfg.Poll.Sentinel, Expected: k.cfg.Poll.Expected}),
		TaskTimeout: k.cfg.Worker.TaskTimeout, Retention: k.cfg.Worker.Retention})
	mux := asynq.NewServeMux()
	mux.Handle(tasks.IssueType(p), issue.New(issue.Config{Provider: a.provider, Ledger: k.ledger, Ring: k.ring, Follower: follower,
		Gate: a.gate, Worker: k.worker, Rules: a.rules, Log: k.log}))
	mux.Handle(tasks.RefundType(p), refund.New(refund.Config{Provider: a.provider, Tickets: a.tickets, Count: a.count, Ledger: k.ledger, Ring: k.ring,
		Gate: a.gate, Queued: k.queued, MerchantID: a.rules.MerchantID, CallTimeout: a.timeout, Worker: k.worker, Log: k.log}))
	mux.Handle(tasks.PollType(p), pollers.New(pollers.Config{Provider: a.provider, Ledger: k.ledger, Ring: k.ring,
		Schedule: schedule, Follower: follower, Log: k.log}))
	return mux
}

// engineLane is a lane's queue with its handler, whose calls then are the lane's in the budget.
func (k *wiring) engineLane(l lane, h asynq.Handler) engine.Lane {
	concurrency := map[tasks.Lane]int{tasks.Checkout: k.cfg.Worker.CheckoutConcurrency,
		tasks.Poll: k.cfg.Worker.PollConcurrency, tasks.Bulk: k.cfg.Worker.BulkConcurrency}[l.lane]
	return engine.Lane{Provider: l.provider, Lane: l.lane, Concurrency: concurrency,
		Handler: asynq.HandlerFunc(func(ctx context.Context, t *asynq.Task) error {
			return h.ProcessTask(budget.WithLane(ctx, budget.Lane(l.lane)), t)
		})}
}

// queued reports whether an order's issue task still waits in a queue; a refund asks it when the
// ledger does not know the order yet.
func (k *wiring) queued(_ context.Context, key ledger.Key) (bool, error) {
	for _, l := range []tasks.Lane{tasks.Checkout, tasks.Bulk} {
		info, err := k.queue.GetTaskInfo(tasks.Queue(key.Provider, l), tasks.IssueID(key.Provider, key.OrderID))
		switch {
		case errors.Is(err, asynq.ErrTaskNotFound) || errors.Is(err, asynq.ErrQueueNotFound):
		case err != nil:
			return false, err
		case info.State != asynq.TaskStateCompleted && info.State != asynq.TaskStateArchived:
			return true, nil
		}
	}
	return false, nil
}
