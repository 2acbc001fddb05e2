package ledger

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"issuance/internal/testredis"
	"issuance/providers"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// Bounds on the model tests, which run over Redis; the command line may ask for more.
	for name, value := range map[string]string{"rapid.checks": "80", "rapid.shrinktime": "10s", "rapid.nofailfile": "true"} {
		if f := flag.Lookup(name); f.Value.String() == f.DefValue {
			if err := f.Value.Set(value); err != nil {
				panic(err)
			}
		}
	}
	goleak.VerifyTestMain(m)
}

const lease = 10 * time.Second

// testClock is a clock that moves only when it is told to.
type testClock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *testClock { return &testClock{t: time.UnixMilli(1_700_000_000_000).UTC()} }

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *testClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// bench is a ledger over a Redis of its own.
type bench struct {
	*Ledger
	ctx   context.Context
	rdb   *redis.Client
	clock *testClock // nil when Redis's own clock is used
	n     *int
}

func newBench(s *testredis.Server, clock *testClock) *bench {
	opt := Options{}
	if clock != nil {
		opt.Now = clock.Now
	}
	rdb := s.Client()
	return &bench{Ledger: New(rdb, opt), ctx: context.Background(), rdb: rdb, clock: clock, n: new(int)}
}

// each runs promises over both kinds of Redis, with a clock that only the test moves, and once more
// step by step, as in a cluster, whose nodes no script can change together.
func each(t *testing.T, run func(t *testing.T, b *bench)) {
	t.Helper()
	testredis.Each(t, func(t *testing.T, s *testredis.Server) { run(t, newBench(s, newClock())) })
	t.Run("apart", func(t *testing.T) {
		b := newBench(testredis.Mini(t), newClock())
		b.apart = true
		run(t, b)
	})
}

// eachClock is each, and the same again with Redis's own clock.
func eachClock(t *testing.T, run func(t *testing.T, b *bench)) {
	t.Helper()
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		t.Run("test_clock", func(t *testing.T) { run(t, newBench(s, newClock())) })
		t.Run("redis_clock", func(t *testing.T) {
			b := newBench(s, nil)
			if err := b.rdb.FlushDB(b.ctx).Err(); err != nil {
				t.Fatal(err)
			}
			run(t, b)
		})
	})
}

// order is a key nobody has used before.
func (b *bench) order() Key {
	*b.n++
	return Key{Provider: providers.ECTicket, OrderID: fmt.Sprintf("O%d", *b.n)}
}

// refund is the key of a refund of an order nobody has used before.
func (b *bench) refund() RefundKey { return RefundKey{Key: b.order(), RefundID: "R1"} }

func intake(runner string) Intake {
	return Intake{Runner: runner, Lease: lease, Fingerprint: "k.f", Lane: "checkout", Shape: `{"n":1}`, Document: "s1.k.doc"}
}

// claim begins an order and fails the test unless it is granted.
func (b *bench) claim(t testing.TB, k Key) Claim {
	t.Helper()
	c, err := b.Begin(b.ctx, k, intake("runner"))
	if err != nil || (c.Verdict != MaySend && c.Verdict != MustLookUp) {
		t.Fatalf("begin %s: %+v, %v", k, c, err)
	}
	return c
}

func (b *bench) claimRefund(t testing.TB, k RefundKey) Claim {
	t.Helper()
	c, err := b.BeginRefund(b.ctx, k, intake("runner"))
	if err != nil || (c.Verdict != MaySend && c.Verdict != MustLookUp) {
		t.Fatalf("begin %s: %+v, %v", k, c, err)
	}
	return c
}

func (b *bench) submit(t testing.TB, k Key, fence string) {
	t.Helper()
	a, _, err := b.Submit(b.ctx, k, fence, lease)
	applied(t, a, err)
}

func (b *bench) load(t testing.TB, k Key) *Record {
	t.Helper()
	r, err := b.Load(b.ctx, k)
	if err != nil {
		t.Fatalf("load %s: %v", k, err)
	}
	return r
}

func (b *bench) loadRefund(t testing.TB, k RefundKey) *RefundRecord {
	t.Helper()
	r, err := b.LoadRefund(b.ctx, k)
	if err != nil {
		t.Fatalf("load %s: %v", k, err)
	}
	return r
}

// events lists the ids of all events.
func (b *bench) events(t testing.TB) []string {
	t.Helper()
	list, err := b.Events(b.ctx, "0", 10_000, 0)
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]string, len(list))
	for i, e := range list {
		ids[i] = e.ID
	}
	return ids
}

// due takes what is due. It is due again a millisecond later.
func (b *bench) due(t testing.TB, p providers.Name, limit int64) Due {
	t.Helper()
	d, err := b.Due(b.ctx, p, limit, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// open lists the members of the open set.
func (b *bench) open(t testing.TB) []string {
	t.Helper()
	m, err := b.rdb.ZRange(b.ctx, openKey(providers.ECTicket), 0, -1).Result()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// snapshot is everything the ledger keeps about an order, byte for byte, and the number of events.
func (b *bench) snapshot(t testing.TB, r Ref) string {
	t.Helper()
	pipe := b.rdb.Pipeline()
	order, refund := pipe.HGetAll(b.ctx, r.Key.order()), pipe.HGetAll(b.ctx, RefundKey(r).refund())
	list := pipe.ZRangeWithScores(b.ctx, r.Key.refunds(), 0, -1)
	turn := pipe.MGet(b.ctx, r.Key.turn())
	var sets []*redis.FloatSliceCmd
	for _, set := range []string{openKey(r.Provider), reviewKey(r.Provider)} {
		sets = append(sets, pipe.ZMScore(b.ctx, set, r.Key.openMember(), RefundKey(r).openMember()))
	}
	n := pipe.XLen(b.ctx, EventsKey)
	if _, err := pipe.Exec(b.ctx); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, h := range []map[string]string{order.Val(), refund.Val()} {
		for f, v := range h {
			lines = append(lines, f+"="+v)
		}
	}
	slices.Sort(lines)
	return fmt.Sprintf("%s\nrefunds %v\nturn %v\nopen %v\nreviews %v\nevents %d",
		strings.Join(lines, "\n"), list.Val(), turn.Val(), sets[0].Val(), sets[1].Val(), n.Val())
}

func applied(t testing.TB, a Answer, err error) {
	t.Helper()
	if err != nil || !a.Applied {
		t.Fatalf("not applied: %+v, %v", a, err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// hash is an order's record, byte for byte.
func (b *bench) hash(t testing.TB, k Key) string {
	t.Helper()
	h, err := b.rdb.HGetAll(b.ctx, k.order()).Result()
	must(t, err)
	return fmt.Sprint(h)
}
