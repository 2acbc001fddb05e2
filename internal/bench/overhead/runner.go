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
	"github.com/redis/go-redis/v9"

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

// A runner process is asked to begin working off what is in its queue, how far it is, and to end.
type (
	Question struct {
		Do      string   // Begin, Look or End; of an Other, Fill as well
		Profile string   // Begin: file of a CPU profile; "" for none
		Orders  []string // Fill: the numbers of the orders to enqueue
	}
	Answer struct {
		Began, Last time.Time // of the first task, and when the last order so far has ended
		Ended       int64     // orders so far
		CPU         time.Duration
		Commands    int64 // sent to Redis
		Trips       int64 // to Redis and back; a pipeline is one
	}
)

// What is asked.
const (
	Fill  = "fill"
	Begin = "begin"
	Look  = "look"
	End   = "end"
)

// runner works off orders, round by round.
type runner struct {
	first       sync.Once
	began       time.Time
	cpu         time.Duration
	ended, last atomic.Int64
	wire        traffic
	fresh       func() (start func() error, stop func()) // servers for one round
	stop        func()
}

// serveRuns is the life of a runner process.
func serveRuns(args []string, in io.Reader, out io.Writer) error {
	fs := flag.NewFlagSet("run", flag.ContinueOnError)
	variant := fs.String("variant", Worker, "")
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
	r := &runner{}
	rdb.AddHook(&r.wire)
	client, err := NewClient(*kind, *provider)
	if err != nil {
		return err
	}
	half := max(*concurrency/2, 1)
	lanes := map[order.Lane]int{order.Checkout: *concurrency, order.Poll: half, order.Bulk: half}
	switch *variant {
	case Bare, Ledger:
		delete(lanes, order.Bulk)
		if *kind != Electronic {
			delete(lanes, order.Poll)
		}
		b := &bareRun{provider: client, kind: *kind, client: asynq.NewClientFromRedisClient(rdb), ended: r.one}
		if *variant == Ledger {
			b.ledger = &smallest{rdb}
		}
		r.fresh = func() (func() error, func()) { return b.servers(rdb, lanes, r.counting(b.handler())) }
	case Worker, Two:
		end, err := r.product(rdb, client, lanes)
		if err != nil {
			return err
		}
		defer end()
	default:
		return fmt.Errorf("unknown variant %q", *variant)
	}
	return lab.Serve(in, out, r.answer)
}

// product makes the product's servers what is run.
func (r *runner) product(rdb redis.UniversalClient, client providers.Provider, lanes map[order.Lane]int) (end func(), err error) {
	ring, err := seal.ParseRing(sealKeys)
	if err != nil {
		return nil, err
	}
	// The worker's own log in production, but for where it goes.
	nowhere, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.NewJSONHandler(nowhere, nil))
	l := ledger.New(rdb, ledger.Options{Observer: func(c ledger.Change) {
		if c.Final() {
			r.one()
		}
	}})
	// Every order is asked for once and at once: a sentinel would spare calls that bare handlers make.
	follower := pollers.NewFollower(rdb, pollers.Schedule{}, pollers.FollowerOptions{Queue: eager{queue.NewClient(rdb, queue.Options{})}})
	h := workerHandler(client, l, ring, follower, log)
	r.fresh = func() (func() error, func()) {
		var all []servers.Lane
		for lane, n := range lanes {
			all = append(all, servers.Lane{Provider: client.Account().Provider, Lane: lane, Concurrency: n, Handler: r.counting(h)})
		}
		e := servers.New(rdb, all, servers.Options{Log: log})
		return e.Start, e.Stop
	}
	// The sweeper searches the keyspace when a worker starts; rounds are no starts.
	sweeping, cancel := context.WithCancel(context.Background())
	var swept sync.WaitGroup
	swept.Go(func() {
		sweeper.New(rdb, sweeper.Config{Ledger: l, Accounts: sweeper.Always(client.Account()), Log: log}).Run(sweeping)
	})
	return func() { cancel(); swept.Wait(); _ = nowhere.Close() }, nil
}

// eager is the product's queue of polls, but for when they are due: now.
type eager struct{ client *queue.Client }

// Schedule implements pollers.Queue.
func (e eager) Schedule(ctx context.Context, r order.Ref, _ time.Duration) error {
	return e.client.Enqueue(ctx, r, queue.PollHome(r), "", 0)
}

// RunNow implements pollers.Queue.
func (e eager) RunNow(ctx context.Context, r order.Ref) error {
	return e.client.Run(ctx, queue.PollHome(r))
}

// counting notes when the first task starts.
func (r *runner) counting(h asynq.Handler) asynq.Handler {
	return asynq.HandlerFunc(func(ctx context.Context, t *asynq.Task) error {
		r.first.Do(func() { r.began, r.cpu = time.Now(), lab.CPU(); r.wire.reset() })
		return h.ProcessTask(ctx, t)
	})
}

// one counts an order that has ended.
func (r *runner) one() {
	r.last.Store(time.Now().UnixNano())
	r.ended.Add(1)
}

func (r *runner) answer(q Question) (a Answer, err error) {
	switch q.Do {
	case Begin:
		return a, r.begin(q.Profile)
	case End:
		r.stop()
	default:
		if a.Ended = r.ended.Load(); a.Ended > 0 { // so the first task has started
			a.Began, a.Last = r.began, time.Unix(0, r.last.Load())
			a.CPU, a.Commands, a.Trips = lab.CPU()-r.cpu, r.wire.commands.Load(), r.wire.trips.Load()
		}
	}
	return a, nil
}

func (r *runner) begin(profile string) error {
	r.ended.Store(0)
	r.first = sync.Once{}
	start, stop := r.fresh()
	r.stop = stop
	if profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		r.stop = func() { pprof.StopCPUProfile(); _ = f.Close(); stop() }
	}
	return start()
}

// NewClient is the product's own client, without a call budget.
func NewClient(kind, url string) (providers.Provider, error) {
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
