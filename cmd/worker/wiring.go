package main

import (
	"context"
	"log/slog"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/budget"
	"issuance/internal/config"
	"issuance/internal/handler"
	"issuance/internal/issuing"
	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/internal/refunding"
	"issuance/internal/seal"
	"issuance/internal/servers"
	"issuance/pollers"
	"issuance/providers"
	"issuance/tasks/order"
)

// wiring is what all handlers share.
type wiring struct {
	cfg    config.Config
	rdb    redis.UniversalClient
	ledger *ledger.Ledger
	ring   *seal.Ring
	worker string
	log    *slog.Logger
	// company is shared by all accounts of the process.
	company *handler.Company
}

// tasks are how this worker enqueues.
func (k *wiring) tasks() queue.Options {
	return queue.Options{Timeout: k.cfg.Worker.TaskTimeout, Retention: k.cfg.Worker.Retention}
}

// handlers handle every task type of a provider, for its accounts.
func (k *wiring) handlers(p providers.Name, accounts []*account) (asynq.Handler, error) {
	issue, refund, poll := map[providers.Account]asynq.Handler{}, map[providers.Account]asynq.Handler{}, map[providers.Account]asynq.Handler{}
	wake, company, waits := handler.RefundWaker(k.ledger, queue.NewClient(k.rdb, k.tasks()), k.log), k.company, &handler.KeyWaits{}
	for _, a := range accounts {
		follower := k.follower(a)
		course := handler.Config{Provider: a.provider, Ledger: k.ledger, Ring: k.ring, Gate: a.gate, Worker: k.worker, Rules: a.rules, Log: k.log,
			Wake: wake, Company: company, KeyMissing: a.budget.KeyMissing, KeyWaits: waits}
		refunds, err := refunding.New(refunding.Config{Config: course, CallTimeout: a.timeout})
		if err != nil {
			return nil, err
		}
		issue[a.name()], refund[a.name()] = issuing.New(course, follower), refunds
		p := k.poller(a.provider, follower, wake)
		p.KeyMissing, p.KeyWaits = a.budget.KeyMissing, waits
		poll[a.name()] = pollers.New(p)
	}
	mux := asynq.NewServeMux()
	mux.Handle(queue.IssueType(p), handler.ByAccount(k.log, issue))
	mux.Handle(queue.RefundType(p), handler.ByAccount(k.log, refund))
	mux.Handle(queue.PollType(p), handler.ByAccount(k.log, poll))
	return mux, nil
}

func (k *wiring) poller(p providers.Provider, f *pollers.Follower, wake func(context.Context, order.Ref)) pollers.Config {
	return pollers.Config{Provider: p, Ledger: k.ledger, Ring: k.ring, Schedule: k.schedule(), Follower: f, Wake: wake, Log: k.log,
		Worker: k.worker, Company: k.company}
}

func (k *wiring) schedule() pollers.Schedule {
	p := k.cfg.Poll
	return pollers.Schedule{Interval: p.Interval, Expected: p.Expected, MaxInterval: p.MaxInterval, Deadline: p.Deadline}
}

func (k *wiring) sentinel() pollers.SentinelConfig {
	return pollers.SentinelConfig{Every: k.cfg.Poll.Sentinel, Expected: k.cfg.Poll.Expected}
}

func (k *wiring) follower(a *account) *pollers.Follower {
	return pollers.NewFollower(k.rdb, k.schedule(), pollers.FollowerOptions{Sentinel: pollers.NewSentinel(k.rdb, a.name(), k.sentinel()),
		TaskTimeout: k.cfg.Worker.TaskTimeout, Retention: k.cfg.Worker.Retention})
}

// ledgerOptions are how records are kept.
func ledgerOptions(c config.Config) ledger.Options {
	return ledger.Options{WaitReplicas: c.Redis.WaitReplicas, KeepDetails: c.Ledger.KeepDetails, KeepRecords: c.Ledger.KeepRecords, KeepEvents: int64(c.Ledger.KeepEvents)}
}

// serverOptions are how the queues are served.
func serverOptions(c config.Config, log *slog.Logger) servers.Options {
	return servers.Options{ShutdownTimeout: c.Worker.ShutdownTimeout, Log: log}
}

// lane is a lane's queue with its handler, whose calls then are the lane's in the budget.
func (k *wiring) lane(l lane, h asynq.Handler) servers.Lane {
	concurrency := map[order.Lane]int{order.Checkout: k.cfg.Worker.CheckoutConcurrency,
		order.Poll: k.cfg.Worker.PollConcurrency, order.Bulk: k.cfg.Worker.BulkConcurrency}[l.lane]
	return servers.Lane{Provider: l.provider, Lane: l.lane, Concurrency: concurrency,
		Handler: asynq.HandlerFunc(func(ctx context.Context, t *asynq.Task) error {
			return h.ProcessTask(budget.WithLane(ctx, l.lane), t)
		})}
}
