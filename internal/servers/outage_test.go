package servers_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/bench/bubble"
	"issuance/internal/budget"
	"issuance/internal/fakeprovider"
	"issuance/internal/handler"
	"issuance/internal/handlertest"
	"issuance/internal/issuing"
	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/internal/servers"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks"
	"issuance/tasks/order"
)

// counter is a provider that issues at once, in virtual time, unless it is in an outage.
type counter struct {
	*fakeprovider.Provider
	gate providers.Gate

	mu     sync.Mutex
	issued map[string]time.Time
	outage string // "", or a kind of outage
	unfit  string // how an order that does not exist is answered about, "" for properly
	missed int    // calls made during it
}

// patience is how long a call waits for its answer, trip how long an answer takes.
const (
	patience = 20 * time.Second
	trip     = 100 * time.Millisecond
)

// call passes the gate, makes a call and reports what it says of the account.
func (c *counter) call(ctx context.Context, issues, known bool, answered func()) providers.Outcome {
	if err := c.gate.Pass(ctx); err != nil {
		var held *providers.HeldError
		if !errors.As(err, &held) {
			return providers.Outcome{Kind: providers.NotSent, Code: "no_budget"}
		}
		return providers.Outcome{Kind: providers.Held, Code: "held", Message: held.Reason, RetryAfter: held.RetryAfter}
	}
	began := time.Now()
	c.mu.Lock()
	kind := c.outage
	if kind == issuingFails {
		kind = map[bool]string{true: "503"}[issues]
	}
	if kind != "" {
		c.missed++
	} else if !known {
		kind = c.unfit
	}
	c.mu.Unlock()
	out, health, took := c.answer(kind)
	select {
	case <-time.After(took):
	case <-ctx.Done():
		return providers.Outcome{Kind: providers.Unknown, Code: "canceled"}
	}
	if kind == "" {
		answered()
	}
	condition := providers.Condition{State: health, Code: out.Code, RetryAfter: out.RetryAfter, Took: time.Since(began)}
	c.gate.(providers.HealthReporter).Answered(ctx, condition)
	return out
}

// issuingFails is an outage of issuing alone.
const issuingFails = "issuing fails"

func (c *counter) answer(kind string) (providers.Outcome, providers.Health, time.Duration) {
	switch kind {
	case "refused":
		return fakeprovider.Unreached, providers.HealthUnreachable, 0
	case "503":
		return fakeprovider.Down, providers.HealthUnreachable, trip
	case "timeout":
		return fakeprovider.Lost, providers.HealthUnreachable, patience
	case "retry after":
		return fakeprovider.Overloaded(10 * time.Second), providers.HealthUnreachable, trip
	case "garbage":
		return fakeprovider.Garbage, providers.HealthGarbage, trip
	case "500":
		return providers.Outcome{Kind: providers.Unknown, Code: "http_500"}, providers.HealthUnreachable, trip
	case "401":
		return providers.Outcome{Kind: providers.Held, Code: "http_401"}, providers.HealthRefused, trip
	}
	return fakeprovider.Yes, providers.HealthOK, trip
}

func (c *counter) Issue(ctx context.Context, o providers.Order) providers.Outcome {
	return c.call(ctx, true, true, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.issued[o.ID] = time.Now()
	})
}

func (c *counter) LookUp(ctx context.Context, o providers.Order) providers.Finding {
	found := false
	out := c.call(ctx, false, !strings.Contains(o.ID, "PROBE"), func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		_, found = c.issued[o.ID]
	})
	switch {
	case out.Kind != providers.Done:
		return providers.Finding{State: providers.Unclear, Outcome: out}
	case found:
		return providers.Finding{State: providers.FoundIssued, Outcome: out}
	}
	return fakeprovider.Known(providers.Absent)
}

// setUnfit has an order that does not exist answered about otherwise than properly.
func (c *counter) setUnfit(how string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.unfit = how
}

// begin and end bound an outage; end returns how many calls met it.
func (c *counter) begin(kind string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outage, c.missed = kind, 0
}

func (c *counter) end() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outage = ""
	return c.missed
}

// site is a worker with its queue, its budget and its provider, in virtual time.
type site struct {
	t        *testing.T
	provider *counter
	rdb      *redis.Client
	client   *tasks.Client
	budget   *budget.Budget
	log      *lines
}

// atSite runs a test on a site. Calls are allowed at perSecond.
func atSite(t *testing.T, perSecond float64, run func(s *site)) {
	ring := handlertest.Ring(t, 1)
	srv := testredis.Mini(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		rdb := bubble.Redis(srv.Addr)
		defer rdb.Close()
		s := &site{t: t, rdb: rdb, log: &lines{}}
		log := slog.New(slog.NewJSONHandler(s.log, nil))
		b, err := budget.New(rdb, budget.Config{Account: handlertest.ECTicket, Default: true, PerSecond: perSecond, Now: time.Now, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Announce(ctx); err != nil {
			t.Fatal(err)
		}
		gate := providers.Prepayable(b)
		s.provider = &counter{Provider: fakeprovider.ForAccount(t, handlertest.ECTicket), gate: gate, issued: map[string]time.Time{}}
		if s.client, err = tasks.NewClient(rdb, tasks.Options{SealKeys: handlertest.Key(1), Rules: tasks.Rules{MerchantID: handlertest.ECTicket.Merchant, Now: time.Now}, Now: time.Now}); err != nil {
			t.Fatal(err)
		}
		mux := asynq.NewServeMux()
		mux.Handle(queue.IssueType(providers.ECTicket), issuing.New(handler.Config{Provider: s.provider, Ledger: ledger.New(rdb, ledger.Options{Now: time.Now}),
			Ring: ring, Gate: gate, Worker: "w", Rules: func() providers.Rules {
				return providers.Rules{Merchant: handlertest.ECTicket.Merchant, Now: time.Now()}
			}, Log: log}, nil))
		laned := asynq.HandlerFunc(func(ctx context.Context, task *asynq.Task) error {
			return mux.ProcessTask(budget.WithLane(ctx, order.Checkout), task)
		})
		set := servers.New(rdb, []servers.Lane{{Provider: providers.ECTicket, Lane: order.Checkout, Concurrency: 16, Handler: laned}},
			servers.Options{Log: slog.New(slog.DiscardHandler), ShutdownTimeout: time.Second})
		if err := set.Start(); err != nil {
			t.Fatal(err)
		}
		holder := servers.NewQueueHolder(rdb, providers.ECTicket, servers.Always(servers.Serve(b, s.provider, log)), log)
		holder.Idle = 10 * time.Second
		s.budget = b
		var running sync.WaitGroup
		running.Go(func() { holder.Run(ctx) })
		run(s)
		cancel()
		running.Wait()
		set.Stop()
	})
}

func (s *site) enqueue(from, n int) {
	s.t.Helper()
	for i := from; i < from+n; i++ {
		if _, err := s.client.Enqueue(s.t.Context(), []byte(document(i))); err != nil {
			s.t.Fatal(err)
		}
	}
}

// settled waits until so many orders are final, and returns when the first and the last were issued after
// a moment.
func (s *site) settled(n int, since time.Time) (first, last time.Duration) {
	s.t.Helper()
	for final := 0; final < n; {
		<-time.After(500 * time.Millisecond)
		var err error
		if final, err = s.finals(n); err != nil {
			s.t.Fatal(err)
		}
		at := time.Since(since)
		if final > 0 && first == 0 {
			first = at
		}
		if last = at; at > 10*time.Minute {
			s.t.Fatalf("%d of %d orders are final after %s", final, n, at)
		}
	}
	return first, last
}

func (s *site) finals(n int) (final int, err error) {
	var refs []tasks.Ref
	for i := range n {
		refs = append(refs, tasks.Ref{Account: handlertest.ECTicket, OrderID: fmt.Sprintf("ORDER%d", i)})
	}
	states, err := s.client.States(s.t.Context(), refs)
	for _, st := range states {
		if st == order.Issued {
			final++
		}
	}
	return final, err
}

// An outage costs its own time, a few calls and a probe now and then, and no order is late because of it: the
// first true status is there within 15 s of its end, and the last as soon as the call budget permits.
func TestAnOutageIsOverForAllOrdersWithinSeconds(t *testing.T) {
	t.Parallel()
	const perSecond = 4
	for _, tc := range []struct {
		kind   string
		lasts  time.Duration
		orders int
		// calls are how many may leave before the account is down.
		calls int
	}{
		{"503", time.Minute, 1, 6}, {"503", 2 * time.Minute, 100, 8}, {"503", 4 * time.Minute, 1, 6},
		{"refused", time.Minute, 40, 8}, {"refused", 2 * time.Minute, 1, 6}, {"refused", 4 * time.Minute, 20, 8},
		// A call that hangs is known for one after a while only; until then as many leave as run at once.
		{"timeout", time.Minute, 1, 4}, {"timeout", 2 * time.Minute, 200, 20}, {"timeout", 4 * time.Minute, 1, 4},
		{"retry after", time.Minute, 20, 4},
	} {
		t.Run(fmt.Sprintf("%s for %s, %d orders", tc.kind, tc.lasts, tc.orders), func(t *testing.T) {
			t.Parallel()
			atSite(t, perSecond, func(s *site) {
				<-time.After(10 * time.Second)
				s.provider.begin(tc.kind)
				s.enqueue(0, tc.orders)
				<-time.After(tc.lasts)
				calls, ended := s.provider.end(), time.Now()
				first, last := s.settled(tc.orders, ended)
				t.Logf("%d calls during the outage; first status %.1f s, last %.1f s after its end", calls, first.Seconds(), last.Seconds())
				if first > 15*time.Second {
					t.Errorf("the first status came %s after the end", first)
				}
				// Every order needs a call, and those that had called before a look-up as well.
				if most := 15*time.Second + time.Duration(float64(tc.orders+tc.calls)/perSecond*float64(time.Second)); last > most {
					t.Errorf("the last status came %s after the end, more than %s", last, most)
				}
				if most := tc.calls + int(tc.lasts/(5*time.Second)) + 1; calls > most {
					t.Errorf("%d calls during the outage, more than %d", calls, most)
				}
				// Probes leave on time although those before them hang.
				if least := int(tc.lasts / (8 * time.Second)); tc.lasts > time.Minute && calls < least {
					t.Errorf("%d calls during the outage, less than %d", calls, least)
				}
				if n := s.log.count("alarm:"); n != 1 {
					t.Errorf("%d alarms", n)
				}
			})
		})
	}
}

// A provider that answers nothing but garbage is an alarm and a probe every 30 s.
func TestGarbageIsOneAlarmAndSlowProbes(t *testing.T) {
	t.Parallel()
	atSite(t, 4, func(s *site) {
		s.provider.begin("garbage")
		s.enqueue(0, 20)
		<-time.After(10 * time.Minute)
		if n := s.log.count("alarm:"); n != 1 {
			t.Errorf("%d alarms", n)
		}
		calls, ended := s.provider.end(), time.Now()
		if calls > 8+20 {
			t.Errorf("%d calls in ten minutes", calls)
		}
		if first, _ := s.settled(20, ended); first > 40*time.Second {
			t.Errorf("the first status came %s after the end", first)
		}
	})
}

// A provider that fails to issue and answers look-ups is no account's outage: each order tries by itself, and
// notices the end within seconds nevertheless.
func TestTheEndOfAnOutageOfIssuingAloneIsNoticed(t *testing.T) {
	t.Parallel()
	atSite(t, 4, func(s *site) {
		<-time.After(10 * time.Second)
		s.provider.begin(issuingFails)
		s.enqueue(0, 1)
		<-time.After(130 * time.Second) // between two tries of a wait that doubles, 128 s apart
		calls, ended := s.provider.end(), time.Now()
		first, _ := s.settled(1, ended)
		t.Logf("%d calls during the outage; status %.1f s after its end", calls, first.Seconds())
		if first > 20*time.Second || calls > 20 {
			t.Errorf("%d calls, and the status came %s after the end", calls, first)
		}
		if n := s.log.count("alarm:"); n != 0 {
			t.Errorf("%d alarms", n)
		}
	})
}

// count is how many lines hold a text.
func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for line := range strings.Lines(l.all.String()) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}
