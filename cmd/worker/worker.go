package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/announce"
	"issuance/internal/budget"
	"issuance/internal/config"
	"issuance/internal/fair"
	"issuance/internal/handler"
	"issuance/internal/ledger"
	"issuance/internal/logging"
	"issuance/internal/looks"
	"issuance/internal/metrics"
	"issuance/internal/queue"
	"issuance/internal/queueui"
	"issuance/internal/redisconn"
	"issuance/internal/seal"
	"issuance/internal/servers"
	"issuance/internal/sweeper"
	"issuance/providers"
	"issuance/tasks/order"
)

// worker is a built one. Build it, start it, stop it.
type worker struct {
	settings
	log        *slog.Logger
	name       string // distinguishes this process from others
	started    time.Time
	redis      redisconn.Options
	rdb        redis.UniversalClient
	pages      redis.UniversalClient // of web UI, metrics and health checks
	mode       *modeWatch
	remarks    []redisconn.Warning // of the Redis, to be logged once the worker starts
	ledger     *ledger.Ledger
	ring       *seal.Ring
	servers    *servers.Set
	wiring     *wiring
	roster     roster
	fair       map[lane]*fair.Lane
	neighbours *neighbours
	chores     []func(context.Context) // run beside the queues until their context ends
	counts     *metrics.Process
	alarms     metrics.Alarms
	admin      *http.Server
	url        string // of the admin server
	closes     []func()
	endChores  func()
}

// startLimit bounds everything that is asked of Redis before the first task runs.
const startLimit = 15 * time.Second

// build connects to Redis and puts the parts together; nothing runs yet. observer is called with every
// change of a record; again has the accounts file read at once. On an error nothing is left open.
func build(ctx context.Context, s settings, mode redisconn.Mode, log *slog.Logger, observer func(ledger.Change), again <-chan struct{}) (_ *worker, err error) {
	alarms := metrics.NewAlarms()
	log = logging.LimitAlarms(log, alarms.Raised)
	w := &worker{settings: s, log: log, counts: metrics.NewProcess(), alarms: alarms, name: workerName(), started: time.Now().UTC()}
	defer func() {
		if err != nil {
			w.close()
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if w.redis, err = s.Redis.Options(); err != nil {
		return nil, err
	}
	if w.rdb, err = redisconn.Connect(ctx, w.redis); err != nil {
		return nil, err
	}
	w.pages = queueui.Connect(w.redis)
	w.closes = append(w.closes, func() { _ = w.rdb.Close() }, func() { _ = w.pages.Close() })
	if err := w.claimRedis(ctx, mode); err != nil {
		return nil, err
	}
	w.mode = &modeWatch{rdb: w.rdb, mode: mode, log: log}
	if w.ring, err = seal.ParseRing(s.Seal.Keys.Reveal()); err != nil {
		return nil, fmt.Errorf("ISSUANCE_SEAL_KEYS: %w", err)
	}
	if toy := w.ring.HoldsSandboxKey(); toy != (mode == redisconn.Sandbox) {
		return nil, errors.New("the sandbox's seal key, which everybody knows, is for the sandbox only: make a key for ISSUANCE_SEAL_KEYS with: openssl rand -base64 32")
	}
	records := ledgerOptions(s.Config)
	records.Observer = func(c ledger.Change) {
		w.counts.Changed(c)
		if observer != nil {
			observer(c)
		}
	}
	w.ledger = ledger.New(w.rdb, records)
	return w, w.wire(again)
}

// claimRedis judges the Redis and marks it as production's or a sandbox's.
func (w *worker) claimRedis(ctx context.Context, mode redisconn.Mode) error {
	warnings, err := inspect(ctx, w.rdb, w.redis, w.Redis)
	if err != nil {
		return err
	}
	if mode == redisconn.Sandbox {
		if err := redisconn.Unused(ctx, w.rdb); err != nil {
			return err
		}
	}
	if err := redisconn.Mark(ctx, w.rdb, mode); err != nil {
		return err
	}
	if mode != redisconn.Sandbox { // its orders are simulated
		w.remarks = warnings
	}
	return nil
}

// inspect returns what an operator should know about a Redis: what may be lost there, and who else may use it.
func inspect(ctx context.Context, rdb redis.UniversalClient, o redisconn.Options, c config.Redis) ([]redisconn.Warning, error) {
	warnings, err := redisconn.Inspect(ctx, rdb)
	if err != nil {
		return nil, err
	}
	return append(redisconn.Exposure(ctx, o, c.Private()), warnings...), nil
}

// wire makes the clients, the handlers and the servers. again has the accounts file read at once.
func (w *worker) wire(again <-chan struct{}) error {
	w.neighbours = &neighbours{rdb: w.rdb, self: w.name}
	q := queue.NewClient(w.rdb, queue.Options{Timeout: w.Worker.TaskTimeout, Retention: w.Worker.Retention})
	k := &wiring{cfg: w.Config, rdb: w.rdb, ledger: w.ledger, facts: w.ledger.Facts(w.log), ring: w.ring, worker: w.name, log: w.log, mode: w.mode, counts: w.counts,
		queue: q, wake: handler.RefundWaker(w.ledger, q, w.log), company: handler.NewCompany(), keyWaits: &handler.KeyWaits{}}
	k.elsewhere = w.elsewhere
	w.wiring = k
	w.closes = append(w.closes, k.pool.Close)
	w.roster.mine, w.roster.live = w.mine, w.Live(w.log)
	w.roster.terms = terms{rdb: w.rdb, log: w.log, backers: w.neighbours.backers, other: map[providers.Account]*otherTerms{}}
	w.roster.list.Store(accountsOf(nil))
	w.servers = servers.New(w.rdb, nil, serverOptions(w.Config, w.log))
	w.fair = map[lane]*fair.Lane{}
	for _, p := range providers.All() {
		holder := k.holder(p, w.roster.heldOf(p))
		var all []*fair.Lane
		for _, l := range order.Lanes() {
			f := w.fairLane(lane{p, l})
			all, w.fair[lane{p, l}] = append(all, f), f
			if w.mayServe(lane{p, l}) {
				w.chores = append(w.chores, f.Run)
			}
		}
		holder.See = func(states []budget.State) {
			for _, f := range all {
				f.See(states)
			}
		}
		w.chores = append(w.chores, holder.Run)
	}
	c, err := w.changeTo(w.mine(w.Accounts))
	if err == nil {
		err = w.use(c)
	}
	if err != nil {
		return err
	}
	w.chores = append(w.chores, w.wakeSealed, w.keepAnnouncing, (&budget.Reporter{RDB: w.pages, Log: w.log}).Run, w.mode.Run, w.followAccounts(again),
		func(ctx context.Context) { redisconn.Watch(ctx, w.rdb, w.log) },
		func(ctx context.Context) { looks.Run(ctx, w.roster.lookers, w.log) },
		sweeper.New(w.rdb, sweeper.Config{Ledger: w.ledger, Accounts: w.names, Log: w.log, Tasks: k.tasks()}).Run)
	return nil
}

// self is what the worker announces of itself. The roster's turn is held.
func (w *worker) self() announce.Worker {
	self := announce.Worker{Name: w.name, Version: metrics.Version(), Started: w.started, SealKeys: w.ring.IDs(), Differing: w.roster.differing()}
	for _, a := range w.names() {
		self.Accounts = append(self.Accounts, a.String())
	}
	return self
}

// announce publishes what producers go by: the accounts that are served, and the seal keys that are held, so
// that a document for another account, or sealed with another key, is refused at once; who it is; and it registers the
// queues, which the web UI goes by.
func (w *worker) announce(ctx context.Context) error {
	return w.announceWith(ctx, func() error { return w.announceAccounts(ctx, w.roster.now().all) })
}

// renew announces all of that again.
func (w *worker) renew(ctx context.Context) error {
	return w.announceWith(ctx, func() error {
		differ, err := budget.Renew(ctx, w.rdb, budgetsOf(w.roster.now().all)...)
		if differ {
			w.roster.again()
		}
		return err
	})
}

func (w *worker) announceWith(ctx context.Context, accounts func() error) error {
	w.roster.turn.Lock() // an account that is withdrawn must not be announced again
	err := accounts()
	self := w.self()
	w.roster.turn.Unlock()
	if err != nil {
		return err
	}
	return errors.Join(announce.SealKeys(ctx, w.rdb, w.ring.IDs()), announce.AnnounceWorker(ctx, w.rdb, self), w.servers.Register(ctx))
}

// enter announces the worker for the first time, and then says what is unwise about its Redis and its keys: only once, however
// often it was tried.
func (w *worker) enter(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	others := w.othersHaveOtherKeys(ctx)
	if err := w.announce(ctx); err != nil {
		return err
	}
	w.recall(ctx)
	for _, r := range w.remarks {
		w.log.Warn("Redis: "+r.Text, "code", string(r.Code), "fix", r.Fix)
	}
	if others {
		w.warnOfKeys()
	}
	return nil
}

// othersHaveOtherKeys reports whether other workers have announced seal keys and none of them is this worker's: then it cannot
// read what is enqueued for them, nor they what is for it.
func (w *worker) othersHaveOtherKeys(ctx context.Context) bool {
	for _, id := range w.ring.IDs() {
		if held, anybody, err := announce.SealKeyAnnounced(ctx, w.rdb, id); err != nil || held || !anybody {
			return false // announcing says what is wrong with Redis
		}
	}
	return true
}

func (w *worker) warnOfKeys() {
	w.log.Warn("other workers of this Redis have announced seal keys, and none of ISSUANCE_SEAL_KEYS is among them",
		"fix", "give all workers and producers the same keys; of a new key, keep the old ones behind it")
}

// wakeSealed makes what waits for a seal key run at once: this worker has just been started, and may hold it.
func (w *worker) wakeSealed(ctx context.Context) {
	for _, a := range w.roster.now().all {
		lately, err := a.budget.KeyMissedLately(ctx)
		for _, l := range w.lanes {
			if err != nil || !lately || l.provider != a.Name.Provider {
				continue
			}
			var n int
			if n, err = queue.NewClient(w.rdb, queue.Options{}).RunWaiting(ctx, l.queue(), handler.KeyText); n > 0 {
				w.log.Info("tasks that waited for a seal key run at once", "queue", l.queue(), "tasks", n)
			}
		}
		if err != nil && ctx.Err() == nil {
			w.log.Warn("tasks that wait for a seal key could not be woken; they run within minutes", "account", a.Name.String(), "error", err)
		}
	}
}

// keepAnnouncing announces until the context ends.
func (w *worker) keepAnnouncing(ctx context.Context) {
	every(ctx, announce.Every, func(ctx context.Context) {
		if err := w.renew(ctx); err != nil && ctx.Err() == nil {
			w.log.Warn("accounts, seal keys and queues could not be announced, trying again", "error", err)
		}
	})
}

// every does something at every interval until the context ends.
func every(ctx context.Context, interval time.Duration, do func(context.Context)) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			do(ctx)
		}
	}
}

// start serves the queues and, on l, the admin pages. The worker has entered.
func (w *worker) start(l net.Listener) error {
	w.admin = newAdminServer(w.adminHandler(), w.log)
	w.url = "http://" + l.Addr().String()
	go func() {
		if err := w.admin.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			w.log.Error("the admin pages have stopped", "error", err)
		}
	}()
	if err := w.servers.Start(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, chore := range w.chores {
		running.Go(func() { chore(ctx) })
	}
	w.endChores = func() { cancel(); running.Wait() }
	return nil
}

// stopServing takes no new tasks and lets running ones end. Health checks are answered until then.
// Doing it twice is harmless.
func (w *worker) stopServing() {
	if w.endChores != nil {
		w.endChores()
		w.endChores = nil // the second time Redis is no longer there
		w.leave()
	}
	if w.servers != nil {
		w.servers.Stop()
	}
	if w.admin != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if err := w.admin.Shutdown(ctx); err != nil {
			_ = w.admin.Close() // a page that is still being read must not hold the worker up
		}
	}
}

// leave takes back what the worker has announced of itself. Where that fails it counts as running for two minutes.
func (w *worker) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := announce.Leave(ctx, w.rdb, w.name); err != nil {
		w.log.Debug("the worker's announcement could not be taken back", "error", err)
	}
}

// stop stops serving and closes everything.
func (w *worker) stop() {
	w.stopServing()
	w.close()
}

func (w *worker) close() {
	for i := len(w.closes) - 1; i >= 0; i-- {
		w.closes[i]()
	}
	w.closes = nil
}

// workerName distinguishes this process from others in the orders' histories.
func workerName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "worker"
	}
	return fmt.Sprintf("%s/%d", host, os.Getpid())
}
