package faults

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/bench/bubble"
	"issuance/internal/budget"
	"issuance/internal/handler"
	"issuance/internal/httpcall"
	"issuance/internal/issuing"
	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/internal/refunding"
	"issuance/internal/servers"
	"issuance/internal/sweeper"
	"issuance/pollers"
	"issuance/providers"
	"issuance/tasks/order"
)

// Concurrency of the lanes' servers, as configured by default.
var concurrency = map[order.Lane]int{order.Checkout: 8, order.Poll: 4, order.Bulk: 4}

// worker is a worker process, as far as Redis and the provider can see.
type worker struct {
	rdb    *redis.Client
	http   *http.Client
	set    *servers.Set
	chores sync.WaitGroup
	cancel context.CancelFunc
	dead   atomic.Bool
}

// start starts a worker.
func (s *site) start() {
	s.workers++
	w := &worker{rdb: bubble.Redis(s.addr)}
	s.worker = w
	w.rdb.AddHook(mortal{w})
	var ctx context.Context
	ctx, w.cancel = context.WithCancel(s.ctx)
	var err error
	w.http, err = httpcall.New(httpcall.Options{})
	must(err)
	transport := w.http.Transport.(*http.Transport)
	transport.Proxy = nil
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if w.dead.Load() {
			return nil, errDead
		}
		return s.network.Dial(ctx, network, addr)
	}
	log := slog.New(slog.NewJSONHandler(s.log, nil))
	account := s.house.account()
	b, err := budget.New(w.rdb, budget.Config{Account: account, Default: true, PerSecond: s.rate, Now: time.Now, Log: log})
	must(err)
	must(b.Announce(ctx))
	gate := providers.Prepayable(b)
	client, err := s.house.client(w.http, gate)
	must(err)
	l := ledger.New(w.rdb, ledger.Options{Now: time.Now})
	handlers, err := s.handlers(w, l, client, gate, log)
	must(err)
	var lanes []servers.Lane
	for _, lane := range order.Lanes() {
		lanes = append(lanes, servers.Lane{Provider: account.Provider, Lane: lane, Concurrency: concurrency[lane],
			Handler: asynq.HandlerFunc(func(ctx context.Context, t *asynq.Task) error {
				return handlers.ProcessTask(budget.WithLane(ctx, lane), t)
			})})
	}
	w.set = servers.New(w.rdb, lanes, servers.Options{Log: slog.New(slog.DiscardHandler), ShutdownTimeout: time.Second})
	must(w.set.Start())
	holder := servers.NewQueueHolder(w.rdb, account.Provider, servers.Always(servers.Serve(b, client, log)), log)
	w.chores.Go(func() { holder.Run(ctx) })
	w.chores.Go(func() {
		sweeper.New(w.rdb, sweeper.Config{Ledger: l, Accounts: sweeper.Always(account), Log: log, Now: time.Now}).Run(ctx)
	})
}

// handlers are those of the account.
func (s *site) handlers(w *worker, l *ledger.Ledger, client providers.Provider, gate *providers.PrepayableGate, log *slog.Logger) (asynq.Handler, error) {
	account, name := client.Account(), fmt.Sprintf("worker %d", s.workers)
	follower := pollers.NewFollower(w.rdb, pollers.Schedule{}, pollers.FollowerOptions{Now: time.Now,
		Sentinel: pollers.NewSentinel(w.rdb, account, pollers.SentinelConfig{Now: time.Now})})
	course := handler.Config{Provider: client, Ledger: l, Ring: s.ring, Gate: gate, Worker: name, Log: log, Company: handler.NewCompany(),
		Rules: func() providers.Rules { return providers.Rules{Merchant: merchant, Now: time.Now()} },
		Wake:  handler.RefundWaker(l, queue.NewClient(w.rdb, queue.Options{}), log)}
	refunds, err := refunding.New(refunding.Config{Config: course})
	mux := asynq.NewServeMux()
	mux.Handle(queue.IssueType(account.Provider), issuing.New(course, follower))
	mux.Handle(queue.RefundType(account.Provider), refunds)
	mux.Handle(queue.PollType(account.Provider), pollers.New(pollers.Config{Provider: client, Ledger: l, Ring: s.ring, Follower: follower, Wake: course.Wake,
		Log: log, Worker: name, Company: course.Company}))
	return mux, err
}

// stop ends the worker in order, if one lives.
func (s *site) stop() {
	w := s.worker
	if w == nil {
		return
	}
	s.worker = nil
	w.end()
}

// kill ends the worker as a signal that cannot be caught does: from this moment it reaches neither Redis nor the
// provider. What is left of it ends by itself.
func (s *site) kill() {
	w := s.worker
	s.worker = nil
	w.dead.Store(true)
	s.ending.Go(w.end)
}

func (w *worker) end() {
	w.cancel()
	if w.set != nil {
		w.set.Stop()
	}
	w.chores.Wait()
	w.http.CloseIdleConnections()
	_ = w.rdb.Close()
}

// errDead is what a killed worker gets from everything that it tries.
var errDead = errors.New("this worker has been killed")

// mortal keeps a killed worker from Redis. It is a go-redis hook.
type mortal struct{ *worker }

// DialHook implements redis.Hook.
func (m mortal) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (m mortal) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if m.dead.Load() {
			m.hang()
			cmd.SetErr(errDead)
			return errDead
		}
		return next(ctx, cmd)
	}
}

// ProcessPipelineHook implements redis.Hook.
func (m mortal) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if m.dead.Load() {
			m.hang()
			for _, cmd := range cmds {
				cmd.SetErr(errDead)
			}
			return errDead
		}
		return next(ctx, cmds)
	}
}

// hang lets time pass, as long as whoever tries again at once would keep it from passing.
func (mortal) hang() { <-time.After(100 * time.Millisecond) }
