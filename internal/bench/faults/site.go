package faults

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/bench/bubble"
	"issuance/internal/ledger"
	"issuance/internal/seal"
	"issuance/providers"
	"issuance/tasks"
	"issuance/tasks/order"
)

// trip is how long a call takes.
const trip = 100 * time.Millisecond

// patience is when a status that has not come is given up.
const patience = 3 * time.Hour

// site is a provider, its network, the queue and the workers, all in virtual time.
type site struct {
	fault
	ctx     context.Context
	addr    string // of Redis
	rdb     *redis.Client
	house   house
	network *bubble.Network
	client  *tasks.Client
	ledger  *ledger.Ledger
	keys    string
	ring    *seal.Ring
	log     *alarms
	worker  *worker // the one that lives
	workers int     // so far
	ending  sync.WaitGroup

	end   string
	took  time.Duration
	wrong []string
}

// stopped is the panic that ends a run which cannot go on.
type stopped struct{ why string }

func must(err error) {
	if err != nil {
		panic(stopped{err.Error()})
	}
}

// inBubble runs a fault where time is virtual.
func inBubble(t *testing.T, addr string, f fault) *site {
	if f.rate == 0 {
		f.rate = perSecond
	}
	s := &site{fault: f, addr: addr, keys: base64.StdEncoding.EncodeToString([]byte("key of benchmarks in virtual tim")), log: &alarms{}}
	synctest.Test(t, func(t *testing.T) {
		defer func() {
			switch why := recover().(type) {
			case nil:
			case stopped:
				s.failf("%s", why.why)
			default:
				panic(why)
			}
		}()
		s.play(t.Context())
	})
	return s
}

func (s *site) play(ctx context.Context) {
	var cancel context.CancelFunc
	s.ctx, cancel = context.WithCancel(ctx)
	s.house = houses[s.provider]()
	if s.world != nil {
		s.world(s.house)
	}
	s.network = bubble.Serve(s.house, trip)
	s.rdb = bubble.Redis(s.addr)
	defer func() {
		cancel()
		s.stop()
		s.ending.Wait()
		s.house.close()
		s.network.Stop()
		_ = s.rdb.Close()
	}()
	var err error
	s.ring, err = seal.ParseRing(s.keys)
	must(err)
	s.client, err = tasks.NewClient(s.rdb, tasks.Options{SealKeys: s.keys, Rules: tasks.Rules{MerchantID: merchant, Now: time.Now}, Now: time.Now})
	must(err)
	s.ledger = ledger.New(s.rdb, ledger.Options{Now: time.Now})
	s.start()
	// An order without a fault, so that the account has one that is issued.
	s.issue("FIRST", 1)
	s.took, s.end = 0, ""
	s.run(s)
	for _, wrong := range s.house.audit() {
		s.failf("%s", wrong)
	}
}

func (s *site) failf(format string, args ...any) {
	s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
}

// wait lets time pass.
func (s *site) wait(d time.Duration) { <-time.After(d) }

// enqueue enqueues an order of n tickets.
func (s *site) enqueue(id string, n int, opts ...tasks.EnqueueOption) order.Ref {
	r, err := s.client.Enqueue(s.ctx, []byte(s.house.order(id, n)), opts...)
	must(err)
	return r.Ref()
}

// refund enqueues a refund of n tickets of an order, or of all of them for 0.
func (s *site) refund(id, refundID string, n int) order.Ref {
	r, err := s.client.EnqueueRefund(s.ctx, []byte(s.house.refund(id, refundID, n)))
	must(err)
	return r.Ref()
}

// issue has an order issued, and returns when.
func (s *site) issue(id string, n int) time.Time {
	s.expect(time.Now(), string(order.Issued), s.enqueue(id, n))
	return time.Now()
}

// expect waits until every record has ended, expects how, as "state" or "state (code)", and notes how long after a moment
// the last one did.
func (s *site) expect(from time.Time, want string, refs ...order.Ref) {
	s.end = want
	for _, r := range refs {
		rec := s.ended(r)
		end := string(rec.State)
		if code := rec.Reason.Code; code != "" {
			end += " (" + code + ")"
		}
		if end != want {
			s.end = end
			s.failf("%s %s ends as %s", r.OrderID, r.RefundID, end)
		}
		s.took = max(s.took, rec.FinalAt.Sub(from), 0)
	}
}

// ended waits until a record has ended.
func (s *site) ended(r order.Ref) *ledger.Record {
	for began := time.Now(); ; s.wait(500 * time.Millisecond) {
		rec, err := s.ledger.Load(s.ctx, r)
		must(err)
		if rec.State.Final() {
			return rec
		}
		if time.Since(began) > patience {
			panic(stopped{fmt.Sprintf("%s %s is still %s (%s)", r.OrderID, r.RefundID, rec.State, rec.Reason.Code)})
		}
	}
}

// until waits for a state on the way.
func (s *site) until(r order.Ref, want order.State) {
	for began := time.Now(); ; s.wait(100 * time.Millisecond) {
		rec, err := s.ledger.Load(s.ctx, r)
		must(err)
		if rec.State == want {
			return
		}
		if time.Since(began) > patience {
			panic(stopped{fmt.Sprintf("%s is %s, not %s", r.OrderID, rec.State, want)})
		}
	}
}

// refunded expects how many tickets of an order are refunded at the provider.
func (s *site) refunded(id string, want int) {
	if n := s.house.refunded(id); n != want {
		s.failf("%d tickets of %s are refunded at the provider, want %d", n, id, want)
	}
}

// alarms counts the alarms about the account in a log. Safe for concurrent use.
type alarms struct {
	mu sync.Mutex
	n  int
}

func (a *alarms) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n += strings.Count(string(p), "alarm: the account ")
	return len(p), nil
}

// count is how many there were since it was last asked.
func (a *alarms) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.n
	a.n = 0
	return n
}

var houses = map[providers.Name]func() house{providers.ECTicket: newECTicket, providers.Pass2U: newPass2U}
