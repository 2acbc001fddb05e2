package fair_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/fair"
	"issuance/internal/keys"
	"issuance/internal/queue"
	"issuance/internal/servers"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

const slots = 3

// scene is a bulk queue that workers share, and what ran.
type scene struct {
	t     *testing.T
	srv   *testredis.Server
	queue *queue.Client
	log   *strings.Builder
	// concurrency is how many tasks of all accounts a worker runs at once. Default 50.
	concurrency int
	// expect is how long workers expect what they have let go on. Default: theirs.
	expect time.Duration
	// grace is how long nobody may serve an account without an alarm. Default: theirs.
	grace time.Duration
	// elsewhere reports whether another worker serves an account. Default: none does.
	elsewhere func() bool

	mu  sync.Mutex
	ran []string // "ACCOUNT ORDER" by the time at which they began
	// act is what a task does. Default: it passes the call budget and ends.
	act func(ctx context.Context, r order.Ref) error
}

func eachScene(t *testing.T, run func(s *scene)) {
	testredis.Each(t, func(t *testing.T, srv *testredis.Server) {
		s := &scene{t: t, srv: srv, queue: queue.NewClient(srv.Client(), queue.Options{}), log: &strings.Builder{}}
		run(s)
	})
}

// process is one worker's.
type process struct {
	*fair.Lane
	stop func()
}

// worker starts one that serves accounts, each with an allowance of its own unless they are of one letter.
func (s *scene) worker(accounts ...string) *process {
	s.t.Helper()
	l := fair.NewLane(s.srv.Client(), fair.Config{Provider: providers.ECTicket, Lane: order.Bulk, Slots: slots, Expect: s.expect, Grace: s.grace, Log: slog.New(slog.NewTextHandler(&writer{s}, nil)),
		Elsewhere: func(context.Context, providers.Account) bool { return s.elsewhere != nil && s.elsewhere() },
		Accounts:  func() int { s.mu.Lock(); defer s.mu.Unlock(); return len(accounts) },
		Terms: func(a providers.Account) (fair.Terms, bool) {
			return fair.Terms{Allowance: allowanceOf(a.Merchant), PerSecond: 1}, slices.Contains(accounts, a.Merchant)
		}})
	set := servers.New(s.srv.Client(), []servers.Lane{{Provider: providers.ECTicket, Lane: order.Bulk, Concurrency: cmp.Or(s.concurrency, 50), Handler: l.Handler(asynq.HandlerFunc(s.run))}},
		servers.Options{Log: slog.New(slog.DiscardHandler), CheckEvery: 10 * time.Millisecond, ShutdownTimeout: time.Second})
	if err := set.Start(); err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { l.Run(ctx) })
	p := &process{Lane: l, stop: sync.OnceFunc(func() { cancel(); wg.Wait(); set.Stop() })}
	s.t.Cleanup(p.stop)
	return p
}

type writer struct{ *scene }

func (w *writer) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(b)
}

// alarms are how often it was reported that nobody serves an account.
func (s *scene) alarms() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Count(s.log.String(), "no worker serves the account")
}

func (s *scene) run(ctx context.Context, t *asynq.Task) error {
	r, _, err := queue.Decode(t.Payload())
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.ran = append(s.ran, r.Account.Merchant+" "+r.OrderID)
	act := s.act
	s.mu.Unlock()
	if act != nil {
		return act(ctx, r)
	}
	return nil
}

func ref(account string, n int) order.Ref {
	return order.Ref{Account: providers.Account{Provider: providers.ECTicket, Merchant: account}, OrderID: fmt.Sprintf("O%03d", n)}
}

func (s *scene) enqueue(account string, from, to int) {
	s.t.Helper()
	for n := from; n < to; n++ {
		r := ref(account, n)
		if err := s.queue.Enqueue(s.t.Context(), r, queue.HomeOf(r, order.Queued, order.Bulk), "", 0); err != nil {
			s.t.Fatal(err)
		}
	}
}

// until waits for something that the workers do.
func (s *scene) until(what string, ok func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("waited in vain for %s; ran: %v", what, s.all())
		}
	}
}

func (s *scene) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ran)
}

// of is how many tasks of an account have run.
func (s *scene) of(account string) (n int) {
	for _, r := range s.all() {
		if strings.HasPrefix(r, account+" ") {
			n++
		}
	}
	return n
}

// inLine is how many tasks of an account wait in its line.
func (s *scene) inLine(account string) int64 {
	return s.srv.Client().ZCard(s.t.Context(), keys.QueueLine("ecticket-bulk")+"of:"+account).Val()
}

// hang has the tasks of an account run until the returned function is called.
func (s *scene) hang(account string) (free func()) {
	over := make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.act = func(ctx context.Context, r order.Ref) error {
		if r.Account.Merchant == account {
			<-over
		}
		return nil
	}
	free = sync.OnceFunc(func() { close(over) })
	s.t.Cleanup(free)
	return free
}

// allowanceOf is an account's: those of a letter and a digit share their letter's.
func allowanceOf(merchant string) string {
	if len(merchant) == 2 {
		return merchant[:1]
	}
	return ""
}
