package overhead

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/bench/lab"
	"issuance/internal/handler"
	"issuance/internal/issuing"
	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/internal/redisconn"
	"issuance/internal/seal"
	"issuance/internal/servers"
	"issuance/internal/sweeper"
	"issuance/pollers"
	"issuance/providers"
	_ "issuance/providers/codecs" // the documents' rules
	"issuance/providers/ecticket"
	"issuance/providers/ecticket/wire"
	"issuance/providers/pass2u"
	"issuance/tasks/order"
)

// The variants that are compared.
const (
	worker = "worker" // the product's
	bare   = "bare"   // asynq and the same calls, nothing else
)

// A runner process is asked to work off what is in its queue, and answers how long that took.
type (
	runQuestion struct {
		Orders  int
		Profile string // file of a CPU profile; "" for none
	}
	runAnswer struct {
		Took     time.Duration // from the first task's start to the last order's end
		CPU      time.Duration // of this process, meanwhile
		Commands int64         // sent to Redis, meanwhile
		Trips    int64         // to Redis and back; a pipeline is one
	}
)

// runner works off orders, round by round.
type runner struct {
	orders atomic.Int64 // still to end
	begin  sync.Once
	began  time.Time
	cpu    time.Duration
	wire   traffic
	ended  chan runAnswer
	fresh  func() (start func() error, stop func()) // a server for one round
}

// serveRuns is the life of a runner process.
func serveRuns(args []string, in io.Reader, out io.Writer) error {
	fs := flag.NewFlagSet("run", flag.ContinueOnError)
	variant := fs.String("variant", worker, "")
	kind := fs.String("kind", Paper, "")
	redisURL := fs.String("redis", "", "")
	provider := fs.String("provider", "", "")
	concurrency := fs.Int("concurrency", 8, "")
	if err := fs.Parse(args[1:]); err != nil {
		return err
	}
	where, err := redisconn.Parse(redisconn.Source{URL: *redisURL})
	if err != nil {
		return err
	}
	rdb := where.New()
	defer rdb.Close()
	r := &runner{ended: make(chan runAnswer, 1)}
	rdb.AddHook(&r.wire)
	client, err := newClient(*kind, *provider)
	if err != nil {
		return err
	}
	// The worker's own log in production, but for where it goes.
	nowhere, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer nowhere.Close()
	log := slog.New(slog.NewJSONHandler(nowhere, nil))
	name := client.Account().Provider
	switch *variant {
	case bare:
		h := r.counting(bareHandler(client, *kind), true)
		r.fresh = func() (func() error, func()) {
			s := asynq.NewServerFromRedisClient(rdb, asynq.Config{Concurrency: *concurrency, Queues: map[string]int{queue.Name(name, order.Checkout): 1},
				LogLevel: asynq.ErrorLevel})
			return func() error { return s.Start(h) }, s.Shutdown
		}
	case worker:
		ring, err := seal.ParseRing(sealKeys)
		if err != nil {
			return err
		}
		l := ledger.New(rdb, ledger.Options{Observer: func(c ledger.Change) {
			if c.Final() {
				r.orders.Add(-1)
			}
		}})
		h := r.counting(workerHandler(client, l, ring, pollers.NewFollower(rdb, pollers.Schedule{}, pollers.FollowerOptions{
			Sentinel: pollers.NewSentinel(rdb, client.Account(), pollers.SentinelConfig{})}), log), false)
		r.fresh = func() (func() error, func()) {
			var lanes []servers.Lane
			for l, n := range map[order.Lane]int{order.Checkout: *concurrency, order.Poll: max(*concurrency/2, 1), order.Bulk: max(*concurrency/2, 1)} {
				lanes = append(lanes, servers.Lane{Provider: name, Lane: l, Concurrency: n, Handler: h})
			}
			e := servers.New(rdb, lanes, servers.Options{Log: log})
			return e.Start, e.Stop
		}
		// The sweeper searches the keyspace when a worker starts; rounds are no starts.
		sweeping, end := context.WithCancel(context.Background())
		var swept sync.WaitGroup
		swept.Go(func() {
			sweeper.New(rdb, sweeper.Config{Ledger: l, Accounts: sweeper.Always(client.Account()), Log: log}).Run(sweeping)
		})
		defer func() { end(); swept.Wait() }()
	default:
		return fmt.Errorf("unknown variant %q", *variant)
	}
	return lab.Serve(in, out, r.round)
}

// counting notes when the first task starts and when the last order has ended; own counts every
// task as an order.
func (r *runner) counting(h asynq.Handler, own bool) asynq.Handler {
	return asynq.HandlerFunc(func(ctx context.Context, t *asynq.Task) error {
		r.begin.Do(func() { r.began, r.cpu = time.Now(), lab.CPU(); r.wire.reset() })
		err := h.ProcessTask(ctx, t)
		if own && err == nil {
			r.orders.Add(-1)
		}
		if r.orders.CompareAndSwap(0, -1) {
			r.ended <- runAnswer{Took: time.Since(r.began), CPU: lab.CPU() - r.cpu, Commands: r.wire.commands.Load(), Trips: r.wire.trips.Load()}
		}
		return err
	})
}

// roundLimit is when a round counts as stuck.
const roundLimit = 5 * time.Minute

func (r *runner) round(q runQuestion) (runAnswer, error) {
	r.orders.Store(int64(q.Orders))
	r.begin = sync.Once{}
	start, stop := r.fresh()
	defer stop()
	if q.Profile != "" {
		f, err := os.Create(q.Profile)
		if err != nil {
			return runAnswer{}, err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return runAnswer{}, err
		}
		defer pprof.StopCPUProfile()
	}
	if err := start(); err != nil {
		return runAnswer{}, err
	}
	select {
	case a := <-r.ended:
		return a, nil
	case <-time.After(roundLimit):
		return runAnswer{}, fmt.Errorf("%d orders have not ended in %s", r.orders.Load(), roundLimit)
	}
}

// newClient is the product's own client, without a call budget.
func newClient(kind, url string) (providers.Provider, error) {
	if kind == Voucher {
		return pass2u.New(pass2u.Config{BaseURL: url, APIKey: apiKey})
	}
	a := account()
	return ecticket.New(ecticket.Config{BaseURL: url, MerchantID: a.MerchantID, Keys: wire.Keys{HashKey: a.HashKey, HashIV: a.HashIV}})
}

// workerHandler is what cmd/worker makes of a provider's issue and poll tasks.
func workerHandler(p providers.Provider, l *ledger.Ledger, ring *seal.Ring, f *pollers.Follower, log *slog.Logger) asynq.Handler {
	mux := asynq.NewServeMux()
	a := p.Account()
	issues := issuing.New(handler.Config{Provider: p, Ledger: l, Ring: ring, Worker: "bench", Log: log}, f)
	polls := pollers.New(pollers.Config{Provider: p, Ledger: l, Ring: ring, Follower: f, Log: log})
	mux.Handle(queue.IssueType(a.Provider), handler.ByAccount(log, handler.Among(map[providers.Account]asynq.Handler{a: issues})))
	mux.Handle(queue.PollType(a.Provider), handler.ByAccount(log, handler.Among(map[providers.Account]asynq.Handler{a: polls})))
	return mux
}

// bareHandler makes the calls of an order and nothing else. The task's payload is the request.
func bareHandler(p providers.Provider, kind string) asynq.Handler {
	return asynq.HandlerFunc(func(ctx context.Context, t *asynq.Task) error {
		id, _ := asynq.GetTaskID(ctx)
		o := providers.Order{ID: id, Request: t.Payload()}
		out := p.Issue(ctx, o)
		if kind == Voucher {
			if out.Kind != providers.Done {
				return fmt.Errorf("issue: %s %s", out.Kind, out.Code)
			}
			return nil
		}
		if out.Kind != providers.Accepted {
			return fmt.Errorf("issue: %s %s", out.Kind, out.Code)
		}
		if f := p.LookUp(ctx, o); f.State != providers.FoundIssued {
			return fmt.Errorf("look up: %s", f.State)
		}
		return nil
	})
}
