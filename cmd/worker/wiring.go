package main

import (
	"cmp"
	"context"
	"log/slog"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/budget"
	"issuance/internal/config"
	"issuance/internal/fair"
	"issuance/internal/handler"
	"issuance/internal/httpcall"
	"issuance/internal/issuing"
	"issuance/internal/ledger"
	"issuance/internal/looks"
	"issuance/internal/metrics"
	noticestore "issuance/internal/notices" // the package has a function of the bare name
	"issuance/internal/queue"
	"issuance/internal/refunding"
	"issuance/internal/seal"
	"issuance/internal/servers"
	"issuance/pollers"
	"issuance/providers"
	"issuance/tasks/order"
)

// wiring is what all accounts share.
type wiring struct {
	cfg    config.Config
	rdb    redis.UniversalClient
	ledger *ledger.Ledger
	facts  *ledger.Facts // what clients have learned of accounts
	ring   *seal.Ring
	worker string
	log    *slog.Logger
	mode   *modeWatch
	counts *metrics.Process
	pool   httpcall.Pool
	leave  budget.Departures // of all accounts: those of one allowance leave in one line
	// elsewhere makes what reports whether another worker calls under an account's allowance; nil where none does.
	elsewhere func(config.Account) func(context.Context) bool
	queue     *queue.Client
	wake      func(context.Context, order.Ref)
	// company and keyWaits are shared by all accounts of the process.
	company  *handler.Company
	keyWaits *handler.KeyWaits
}

// tasks are how this worker enqueues.
func (k *wiring) tasks() queue.Options {
	return queue.Options{Timeout: k.cfg.Worker.TaskTimeout, Retention: k.cfg.Worker.Retention}
}

// holder makes the one of a provider's queues.
func (k *wiring) holder(p providers.Name, accounts func() []servers.Account) *servers.QueueHolder {
	h := servers.NewQueueHolder(k.rdb, p, accounts, k.log)
	h.Idle = k.cfg.Worker.IdleProbe
	return h
}

// handlers makes those of an account's tasks.
func (k *wiring) handlers(a *account) (err error) {
	follower := k.follower(a)
	course := handler.Config{Provider: a.provider, Ledger: k.ledger, Ring: k.ring, Gate: a.gate, Worker: a.runner, Rules: a.Rules, Log: k.log,
		Wake: k.wake, Company: k.company, KeyMissing: a.budget.KeyMissing, KeyWaits: k.keyWaits}
	if a.refund, err = refunding.New(refunding.Config{Config: course, CallTimeout: a.Timeout}); err != nil {
		return err
	}
	a.issue = issuing.New(course, follower)
	p := k.poller(a.provider, follower, k.wake)
	p.Worker, p.KeyMissing, p.KeyWaits = a.runner, a.budget.KeyMissing, k.keyWaits
	a.poll = pollers.New(p)
	return nil
}

// mux leads a provider's tasks to the handlers of their accounts.
func mux(p providers.Name, log *slog.Logger, find func(providers.Account) *account) asynq.Handler {
	mux := asynq.NewServeMux()
	for kind, of := range map[string]func(*account) asynq.Handler{
		queue.IssueType(p):  func(a *account) asynq.Handler { return a.issue },
		queue.RefundType(p): func(a *account) asynq.Handler { return a.refund },
		queue.PollType(p):   func(a *account) asynq.Handler { return a.poll },
	} {
		mux.Handle(kind, handler.ByAccount(log, func(name providers.Account) asynq.Handler {
			if a := find(name); a != nil {
				return of(a)
			}
			return nil
		}))
	}
	return mux
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
	return pollers.NewFollower(k.rdb, k.schedule(), pollers.FollowerOptions{Sentinel: pollers.NewSentinel(k.rdb, a.Name, k.sentinel()),
		TaskTimeout: k.cfg.Worker.TaskTimeout, Retention: k.cfg.Worker.Retention})
}

// looker looks at what notices and operators ask about an account's tickets, where its provider shows them.
func (k *wiring) looker(a *account) *looks.Looker {
	p, ok := a.provider.(looks.Provider)
	if !ok {
		return nil
	}
	return looks.New(looks.Config{Provider: p, Ledger: k.ledger, Ring: k.ring, Notices: noticestore.New(k.rdb, a.Name), Log: k.log})
}

// ledgerOptions are how records are kept.
func ledgerOptions(c config.Config) ledger.Options {
	return ledger.Options{WaitReplicas: c.Redis.WaitReplicas, KeepDetails: c.Ledger.KeepDetails, KeepRecords: c.Ledger.KeepRecords, KeepEvents: int64(c.Ledger.KeepEvents)}
}

// serverOptions are how the queues are served.
func serverOptions(c config.Config, log *slog.Logger) servers.Options {
	return servers.Options{ShutdownTimeout: c.Worker.ShutdownTimeout, Log: log}
}

// slots is how many tasks of one account this process runs at once in a lane; 0 leaves it to the account's calls per second.
func (k *wiring) slots(l order.Lane) int {
	return map[order.Lane]int{order.Checkout: k.cfg.Worker.CheckoutConcurrency, order.Poll: k.cfg.Worker.PollConcurrency, order.Bulk: k.cfg.Worker.BulkConcurrency}[l]
}

// manySlots is how many tasks of all accounts together a lane runs at once, where the accounts come from a file: one that is
// slow uses no more than its own slots.
const manySlots = 10_000

// lane is a lane's queue with its handler, whose calls then are the lane's in the budget. perSecond is what the account may call
// where it is the only one.
func (k *wiring) lane(l lane, perSecond float64, f *fair.Lane, h asynq.Handler) servers.Lane {
	concurrency := cmp.Or(k.slots(l.lane), fair.Slots(l.lane, perSecond))
	if k.cfg.File.Path != "" {
		concurrency = max(concurrency, manySlots)
	}
	h = f.Handler(h)
	return servers.Lane{Provider: l.provider, Lane: l.lane, Concurrency: concurrency,
		Handler: asynq.HandlerFunc(func(ctx context.Context, t *asynq.Task) error {
			return h.ProcessTask(budget.WithLane(ctx, l.lane), t)
		})}
}
