package fairness

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/bench/bubble"
	"issuance/internal/budget"
	"issuance/internal/fair"
	"issuance/internal/handler"
	"issuance/internal/issuing"
	"issuance/internal/ledger"
	"issuance/internal/seal"
	"issuance/internal/servers"
	"issuance/providers"
	_ "issuance/providers/codecs" // the documents' rules
	"issuance/tasks"
	"issuance/tasks/order"
)

// PerSecond is the accounts' allowance, as configured by default.
const PerSecond = 4

// manySlots is how many tasks of all accounts a lane runs at once, as cmd/worker has it for an accounts file.
const manySlots = 10_000

// house is a worker that serves some accounts, and the client of those who enqueue.
type house struct {
	rdb     *redis.Client
	ring    *seal.Ring
	ledger  *ledger.Ledger
	client  *tasks.Client
	shops   map[providers.Account]*shop
	budgets map[providers.Account]*budget.Budget
	course  map[providers.Account]asynq.Handler

	mu     sync.Mutex
	called map[order.Ref]time.Time // when an order's request left

	slots func(order.Lane) int // how many tasks a lane runs at once
}

// follow is a Follower of a provider that accepts nothing.
type follow struct{}

func (follow) Follow(context.Context, order.Ref, time.Duration) error { return nil }

func account(n int) providers.Account {
	return providers.Account{Provider: providers.Pass2U, Merchant: fmt.Sprintf("m%03d", n)}
}

// open builds the house over an empty Redis. Nothing runs yet.
func open(ctx context.Context, addr string, accounts, hangs []providers.Account) (*house, error) {
	h := &house{rdb: bubble.Redis(addr), shops: map[providers.Account]*shop{}, budgets: map[providers.Account]*budget.Budget{},
		course: map[providers.Account]asynq.Handler{}, called: map[order.Ref]time.Time{},
		slots: func(order.Lane) int { return manySlots }}
	keys := base64.StdEncoding.EncodeToString([]byte("key of benchmarks in virtual tim"))
	var err error
	if h.ring, err = seal.ParseRing(keys); err != nil {
		return nil, err
	}
	h.ledger = ledger.New(h.rdb, ledger.Options{Now: time.Now, Observer: h.observe})
	if h.client, err = tasks.NewClient(h.rdb, tasks.Options{SealKeys: keys, Now: time.Now}); err != nil {
		return nil, err
	}
	log := slog.New(slog.DiscardHandler)
	company, waits := handler.NewCompany(), &handler.KeyWaits{}
	var budgets []*budget.Budget
	for _, a := range accounts {
		b, err := budget.New(h.rdb, budget.Config{Account: a, PerSecond: PerSecond, Now: time.Now, Log: log})
		if err != nil {
			return nil, err
		}
		s := &shop{account: a, gate: providers.Prepayable(b), made: map[string]bool{}, looks: map[string]int{}}
		h.shops[a], h.budgets[a], budgets = s, b, append(budgets, b)
		h.course[a] = issuing.New(handler.Config{Provider: s, Ledger: h.ledger, Ring: h.ring, Gate: s.gate, Worker: "w", Log: log, Company: company,
			KeyWaits: waits, Rules: func() providers.Rules { return providers.Rules{Now: time.Now()} }}, follow{})
	}
	for _, a := range hangs {
		h.shops[a].hangs = true
	}
	return h, budget.Announce(ctx, h.rdb, budgets...)
}

// observe notes when requests leave: the intent is written when the call budget has been passed.
func (h *house) observe(c ledger.Change) {
	if c.Event != "submit" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, known := h.called[c.Ref]; !known {
		h.called[c.Ref] = time.Now()
	}
}

// run serves the accounts' lanes until the returned function is called.
func (h *house) run() (stop func(), err error) {
	ctx, cancel := context.WithCancel(context.Background())
	log := slog.New(slog.DiscardHandler)
	var wg sync.WaitGroup
	var lanes []servers.Lane
	var fairs []*fair.Lane
	for _, lane := range []order.Lane{order.Checkout, order.Bulk} {
		f := fair.NewLane(h.rdb, fair.Config{Provider: providers.Pass2U, Lane: lane, Log: log,
			Accounts: func() int { return len(h.shops) },
			Terms: func(a providers.Account) (fair.Terms, bool) {
				return fair.Terms{Allowance: a.String(), PerSecond: PerSecond}, h.shops[a] != nil
			}})
		fairs = append(fairs, f)
		wg.Go(func() { f.Run(ctx) })
		each := f.Handler(handler.ByAccount(log, handler.Among(h.course)))
		lanes = append(lanes, servers.Lane{Provider: providers.Pass2U, Lane: lane, Concurrency: h.slots(lane),
			Handler: asynq.HandlerFunc(func(ctx context.Context, t *asynq.Task) error { return each.ProcessTask(budget.WithLane(ctx, lane), t) })})
	}
	var served []servers.Account
	for a, b := range h.budgets {
		served = append(served, servers.Serve(b, h.shops[a], log))
	}
	holder := servers.NewQueueHolder(h.rdb, providers.Pass2U, servers.Always(served...), log)
	holder.See = func(states []budget.State) {
		for _, f := range fairs {
			f.See(states)
		}
	}
	wg.Go(func() { holder.Run(ctx) })
	set := servers.New(h.rdb, lanes, servers.Options{Log: log, ShutdownTimeout: 2 * timeout})
	if err := set.Start(); err != nil {
		cancel()
		return nil, err
	}
	return func() { cancel(); set.Stop(); wg.Wait() }, nil
}

// enqueue enqueues n orders of an account, and returns which.
func (h *house) enqueue(ctx context.Context, a providers.Account, lane order.Lane, prefix string, n int) (refs []order.Ref, err error) {
	batch := make([]tasks.Prepared, 0, 500)
	for i := range n {
		o, err := tasks.ParseOrder(fmt.Appendf(nil, `{"provider":"pass2u","account":%q,"request":{"productSaleId":"SALE-1","channelOrderId":"%s%d","quantity":1,"pickupType":"voucher"}}`,
			a.Merchant, prefix, i), tasks.Rules{})
		if err != nil {
			return nil, err
		}
		p, err := h.client.Prepare(ctx, o, lane)
		if err != nil {
			return nil, err
		}
		refs, batch = append(refs, p.Ref()), append(batch, p)
		if len(batch) < cap(batch) && i < n-1 {
			continue
		}
		for _, e := range h.client.EnqueuePrepared(ctx, batch) {
			if e.Err != nil {
				return nil, e.Err
			}
		}
		batch = batch[:0]
	}
	return refs, nil
}

func (h *house) calledAt(r order.Ref) (time.Time, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at, ok := h.called[r]
	return at, ok
}
