package sim

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/bench/vtime"
	"issuance/internal/budget"
	"issuance/internal/handler"
	"issuance/internal/issuing"
	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/internal/seal"
	"issuance/internal/vault"
	"issuance/providers"
	_ "issuance/providers/codecs" // the documents' rules
	"issuance/tasks/order"
)

// Config of a World.
type Config struct {
	// Redis is emptied first.
	Redis redis.UniversalClient
	// Rate is the account's calls per second.
	Rate float64
	// JobEvery is the pause between the provider's jobs; the first runs after one.
	JobEvery time.Duration
	// Strategy decides when to poll.
	Strategy Strategy
	// Seed makes latencies and phases repeatable.
	Seed uint64
	// Faults, none by default.
	Faults Faults
}

// Faults are what goes wrong. A nil function never happens.
type Faults struct {
	// Order may change an order that is just being enqueued: Stuck, Fails, Alone.
	Order func(*Order)
	// Dies reports whether the worker that has just taken an order's poll task dies before it does
	// anything. asynq gives the task to another one after a minute and a half.
	Dies func(orderID string) bool
	// LosesWake reports whether a wake of an order's poll task gets lost.
	LosesWake func(orderID string) bool
}

// account is whose orders they are.
var account = providers.Account{Provider: providers.ECTicket, Merchant: "2000132"}

// revival is how long asynq takes to notice a dead worker, at worst.
const revival = 90 * time.Second

// Concurrency of the lanes' servers, as configured by default.
var concurrency = map[order.Lane]int{order.Checkout: 8, order.Poll: 4, order.Bulk: 4}

// Order is one order's course. Zero times have not come.
type Order struct {
	ID         string
	Lane       order.Lane
	Enqueued   time.Time
	Called     time.Time // the issue call left
	Issued     time.Time // at the provider
	Recorded   time.Time // the final state is in the ledger
	State      order.State
	IssueCalls int
	Polls      []time.Time
	// Stuck orders are left out by the job; Fails makes it fail the order.
	Stuck, Fails bool
	// Garbled reports whether the answer to a look-up of the order is of no use. nil: never.
	Garbled func(now time.Time) bool
	// Alone is after how long the order is issued by itself, not by the job. 0: by the job.
	Alone time.Duration

	received time.Time
}

// World is a worker, its queue and its provider. It belongs to one goroutine; while it runs, to
// its processes.
type World struct {
	cfg    Config
	clock  *vtime.Clock
	start  time.Time
	rand   *rand.Rand
	ledger *ledger.Ledger
	ring   *seal.Ring
	budget *budget.Budget
	lanes  map[order.Lane]*server
	polls  *pollQueue

	orders  map[string]*Order
	list    []*Order
	pending []*Order // received and not issued
	open    int      // enqueued or announced, and not recorded
	calls   []time.Time
	errs    []error
}

// New makes a world in which nothing has happened yet.
func New(cfg Config) (*World, error) {
	if err := cfg.Redis.FlushDB(context.Background()).Err(); err != nil {
		return nil, fmt.Errorf("sim: empty the Redis: %w", err)
	}
	start := time.Date(2026, 1, 5, 9, 0, 0, 0, time.UTC)
	w := &World{cfg: cfg, clock: vtime.New(start), start: start, rand: rand.New(rand.NewPCG(cfg.Seed, 1)),
		ring: seal.Sandbox(), lanes: map[order.Lane]*server{}, orders: map[string]*Order{}}
	w.ledger = ledger.New(cfg.Redis, ledger.Options{Now: w.Now, Observer: w.observe})
	var err error
	if w.budget, err = budget.New(cfg.Redis, budget.Config{Account: account, PerSecond: cfg.Rate, Now: w.Now,
		Sleep: func(_ context.Context, d time.Duration) error { w.clock.Sleep(d); return nil }}); err != nil {
		return nil, err
	}
	gate := providers.Prepayable(w.budget)
	p := &provider{w: w, gate: gate}
	for _, lane := range order.Lanes() {
		w.lanes[lane] = &server{clock: w.clock, rand: w.rand, workers: concurrency[lane], failed: w.unexpected}
	}
	w.polls = &pollQueue{server: w.lanes[order.Poll], followed: map[string]bool{}, lost: cfg.Faults.LosesWake}
	follower, poll := cfg.Strategy.build(w, p)
	issue := issuing.New(handler.Config{Provider: p, Ledger: w.ledger, Ring: w.ring, Gate: gate, Worker: "sim",
		Rules: func() providers.Rules { return providers.Rules{Now: w.Now()} }, Log: slog.New(slog.DiscardHandler)}, follower).ProcessTask
	for _, lane := range order.Lanes() {
		handle := issue
		if lane == order.Poll {
			handle = w.mortal(poll)
		}
		w.lanes[lane].handle = func(ctx context.Context, t *asynq.Task) error {
			return handle(budget.WithLane(ctx, lane), t)
		}
		w.lanes[lane].start()
	}
	w.clock.Go(func() {
		for {
			w.clock.Sleep(cfg.JobEvery)
			w.job()
		}
	})
	return w, nil
}

// mortal lets the worker of a poll task die when that is wanted.
func (w *World) mortal(poll func(context.Context, *asynq.Task) error) func(context.Context, *asynq.Task) error {
	return func(ctx context.Context, t *asynq.Task) error {
		if r, _, err := queue.Decode(t.Payload()); err == nil && w.cfg.Faults.Dies != nil && w.cfg.Faults.Dies(r.OrderID) {
			return queue.Wait(revival, "its worker has died")
		}
		return poll(ctx, t)
	}
}

// Now is the virtual time.
func (w *World) Now() time.Time { return w.clock.Now() }

// Since is the virtual time since the beginning.
func (w *World) Since() time.Duration { return w.clock.Now().Sub(w.start) }

// At runs f after d from now.
func (w *World) At(d time.Duration, f func()) {
	w.clock.Go(func() {
		w.clock.Sleep(d)
		f()
	})
}

// Arrive lets an order of a lane be enqueued after each of the given durations.
func (w *World) Arrive(lane order.Lane, after []time.Duration) {
	w.open += len(after)
	w.clock.Go(func() {
		for _, d := range after {
			w.clock.Sleep(d - w.Since())
			w.enqueue(lane)
		}
	})
}

func (w *World) enqueue(lane order.Lane) {
	o := &Order{ID: fmt.Sprintf("SIM%09d", len(w.list)+1), Lane: lane, Enqueued: w.Now()}
	if w.cfg.Faults.Order != nil {
		w.cfg.Faults.Order(o)
	}
	w.orders[o.ID], w.list = o, append(w.list, o)
	r := order.Ref{Account: account, OrderID: o.ID}
	request := []byte(`{"MerchantTradeNo":"` + o.ID + `","IssueType":"1","UseStatusNotifyURL":"https://shop.example/used",` +
		`"Operator":"sim","CustomerEmail":"a@shop.example","TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":1}]}`)
	sealed, err := vault.SealDocument(w.ring, r, request)
	if err != nil {
		w.unexpected(err)
		return
	}
	if _, err := w.ledger.Record(context.Background(), ledger.Intake{Ref: r, Lane: lane, Fingerprint: w.ring.Fingerprint(request),
		Shape: []byte("{}"), Document: sealed}); err != nil {
		w.unexpected(err)
		return
	}
	h := queue.HomeOf(r, order.Queued, lane)
	w.lanes[lane].enqueue(&task{id: h.ID, kind: h.Type, payload: queue.Encode(r, "")}, 0)
}

// observe follows every transition in the ledger.
func (w *World) observe(c ledger.Change) {
	o := w.orders[c.OrderID]
	if c.Event == "submit" {
		o.Called = w.Now() // the intent is written when the budget has been passed
	}
	if !c.Final() {
		return
	}
	o.State, o.Recorded = c.State, w.Now()
	if w.open--; w.open == 0 {
		w.clock.Stop()
	}
}

func (w *World) unexpected(err error) {
	w.errs = append(w.errs, err)
	w.clock.Stop()
}

// Run lets the world run until every order that arrives is recorded, or until limit. An error
// means that something went wrong which a simulation without faults cannot explain.
func (w *World) Run(limit time.Duration) (*Result, error) {
	w.clock.Run(limit)
	if len(w.errs) > 0 {
		return nil, fmt.Errorf("sim: after %s: %w", w.Since(), w.errs[0])
	}
	return &Result{Orders: w.list, Calls: w.calls, Start: w.start, End: w.Now(), Unfinished: w.open, Rate: w.cfg.Rate}, nil
}
