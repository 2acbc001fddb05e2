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

	"issuance/internal/keys"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
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

// testClock is a clock that moves only when the test moves it.
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
	t.Run("clustered", func(t *testing.T) {
		b := newBench(testredis.Mini(t), newClock())
		b.sharded = true
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

// shop is the account of all tests; other is another one.
var (
	shop  = providers.Account{Provider: providers.ECTicket, Merchant: "2000132"}
	other = providers.Account{Provider: providers.Pass2U, Merchant: "main"}
)

// order names an order nobody has used before.
func (b *bench) order() order.Ref {
	*b.n++
	return order.Ref{Account: shop, OrderID: fmt.Sprintf("O%d", *b.n)}
}

// refund names a refund of an order nobody has used before.
func (b *bench) refund() order.Ref { return b.order().Refund("R1") }

func document(r order.Ref) Intake {
	in := Intake{Ref: r, Lane: order.Checkout, Fingerprint: "k.f", Shape: []byte(`{"n":1}`), Document: "s1.k.doc", Trace: "00-trace-01"}
	if !r.IsRefund() {
		in.Stub = stub
	}
	return in
}

// record makes a record.
func (b *bench) record(t testing.TB, r order.Ref) {
	t.Helper()
	k, err := b.Record(b.ctx, document(r))
	if err != nil || !k.New {
		t.Fatalf("record %s: %+v, %v", r, k, err)
	}
}

// begin claims a record, which it makes when there is none.
func (b *bench) begin(r order.Ref, runner string) (Claim, error) {
	if n, err := b.rdb.Exists(b.ctx, keys.Record(r)).Result(); err != nil {
		return Claim{}, err
	} else if n == 0 {
		if _, err := b.Record(b.ctx, document(r)); err != nil {
			return Claim{}, err
		}
	}
	return b.Claim(b.ctx, r, runner, lease)
}

// claim begins a record and fails the test unless it is granted.
func (b *bench) claim(t testing.TB, r order.Ref) Claim {
	t.Helper()
	c, err := b.begin(r, "runner")
	if err != nil || (c.Verdict != MaySend && c.Verdict != MustLookUp) {
		t.Fatalf("claim %s: %+v, %v", r, c, err)
	}
	return c
}

const host = "provider.example"

var stub = []byte(`{"MerchantTradeNo":"O"}`)

// trySubmit writes the intent of a request for all of the record.
func (b *bench) trySubmit(r order.Ref, fence string) (Answer, int, error) {
	return b.Submit(b.ctx, r, fence, Intent{Host: host, Lease: lease, Ticket: -1})
}

func (b *bench) submit(t testing.TB, r order.Ref, fence string) {
	t.Helper()
	a, _, err := b.trySubmit(r, fence)
	applied(t, a, err)
}

func (b *bench) giveBack(t testing.TB, r order.Ref, fence string, how Release, code string) {
	t.Helper()
	a, err := b.GiveBack(b.ctx, r, fence, how, Reason{Code: code})
	applied(t, a, err)
}

func (b *bench) submitTicket(r order.Ref, fence string, i int) (Answer, error) {
	a, _, err := b.Submit(b.ctx, r, fence, Intent{Host: host, Lease: lease, Ticket: i})
	return a, err
}

func (b *bench) settle(r order.Ref, fence string, i int, s order.TicketState, code string) (Answer, error) {
	return b.SettleTicket(b.ctx, r, fence, i, Settlement{State: s, Code: code})
}

func (b *bench) load(t testing.TB, r order.Ref) *Record {
	t.Helper()
	rec, err := b.Load(b.ctx, r)
	if err != nil {
		t.Fatalf("load %s: %v", r, err)
	}
	return rec
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
func (b *bench) due(t testing.TB, a providers.Account, limit int64) Due {
	t.Helper()
	d, err := b.Due(b.ctx, a, limit, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// open lists the members of the open set.
func (b *bench) open(t testing.TB) []string {
	t.Helper()
	m, err := b.rdb.ZRange(b.ctx, keys.Open(shop), 0, -1).Result()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// snapshot is everything the ledger keeps about an order, byte for byte, and the number of events.
func (b *bench) snapshot(t testing.TB, r order.Ref) string {
	t.Helper()
	pipe := b.rdb.Pipeline()
	var hashes []*redis.MapStringStringCmd
	for _, key := range []string{keys.Record(r.Order()), keys.Details(r.Order()), keys.Record(r), keys.Details(r)} {
		hashes = append(hashes, pipe.HGetAll(b.ctx, key))
	}
	list := pipe.ZRangeWithScores(b.ctx, keys.Refunds(r), 0, -1)
	turn := pipe.MGet(b.ctx, keys.Turn(r))
	var sets []*redis.FloatSliceCmd
	for _, set := range []string{keys.Open(r.Account), keys.Reviews(r.Account)} {
		sets = append(sets, pipe.ZMScore(b.ctx, set, keys.Member(r.Order()), keys.Member(r)))
	}
	n := pipe.XLen(b.ctx, keys.Events)
	if _, err := pipe.Exec(b.ctx); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for i, h := range hashes {
		for f, v := range h.Val() {
			lines = append(lines, fmt.Sprintf("%d %s=%s", i, f, v))
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

// hash is a record, byte for byte.
func (b *bench) hash(t testing.TB, r order.Ref) string {
	t.Helper()
	h, err := b.rdb.HGetAll(b.ctx, keys.Record(r)).Result()
	must(t, err)
	return fmt.Sprint(h)
}
