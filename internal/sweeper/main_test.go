package sweeper_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/internal/seal"
	"issuance/internal/sweeper"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const lease = 10 * time.Second

// shop is the account of every test; ref is its order.
var (
	shop   = providers.Account{Provider: providers.ECTicket, Merchant: "2000132"}
	pass2u = providers.Account{Provider: providers.Pass2U, Merchant: "main"}
	ref    = order.Ref{Account: shop, OrderID: "A1"}
)

// scene is a ledger with a clock of its own, a queue, and the sweeper under test. The clock starts at the
// machine's time, by which asynq writes leases.
type scene struct {
	t         *testing.T
	ctx       context.Context
	now       time.Time
	rdb       *redis.Client
	ledger    *ledger.Ledger
	queue     *queue.Client
	inspector *asynq.Inspector
	sweeper   *sweeper.Sweeper
	log       bytes.Buffer
}

func newScene(t *testing.T, srv *testredis.Server, c sweeper.Config) *scene {
	rdb := srv.Client()
	s := &scene{t: t, ctx: t.Context(), now: time.Now().Truncate(time.Second), rdb: rdb, queue: queue.NewClient(rdb, queue.Options{}),
		inspector: asynq.NewInspectorFromRedisClient(rdb)}
	s.ledger = ledger.New(rdb, ledger.Options{Now: func() time.Time { return s.now }})
	c.Ledger, c.Accounts, c.Log = s.ledger, sweeper.Always(shop, pass2u), slog.New(slog.NewTextHandler(&s.log, nil))
	s.sweeper = sweeper.New(rdb, c)
	return s
}

func each(t *testing.T, run func(t *testing.T, s *scene)) {
	testredis.Each(t, func(t *testing.T, srv *testredis.Server) { run(t, newScene(t, srv, sweeper.Config{})) })
}

func (s *scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// record makes a record as a producer does, without its task.
func (s *scene) record(r order.Ref, lane order.Lane) {
	s.t.Helper()
	k, err := s.ledger.Record(s.ctx, ledger.Intake{Ref: r, Lane: lane, Fingerprint: "k.f", Shape: []byte(`{"tickets":2}`), Document: seal.Sealed("s1.k." + r.String())})
	s.must(err)
	if !k.New {
		s.t.Fatalf("%s is there already", r)
	}
}

// claim claims a record as a worker does.
func (s *scene) claim(r order.Ref) string {
	s.t.Helper()
	c, err := s.ledger.Claim(s.ctx, r, "w1", lease)
	s.must(err)
	if c.Verdict != ledger.MaySend {
		s.t.Fatalf("the claim of %s is answered %q", r, c.Verdict)
	}
	return c.Record.Fence
}

// given makes an order of the bulk lane that waits (its claim given back) in a state.
func (s *scene) given(state order.State) {
	s.t.Helper()
	s.record(ref, order.Bulk)
	fence := s.claim(ref)
	if state == order.Queued {
		_, err := s.ledger.GiveBack(s.ctx, ref, fence, ledger.Idle, ledger.Reason{})
		s.must(err)
		return
	}
	_, _, err := s.ledger.Submit(s.ctx, ref, fence, ledger.Intent{Host: "fake.invalid", Lease: lease, Ticket: -1})
	s.must(err)
	if state == order.Accepted {
		_, err = s.ledger.Accept(s.ctx, ref, fence, ledger.Acceptance{ProviderRef: "REF"})
	} else {
		_, err = s.ledger.GiveBack(s.ctx, ref, fence, ledger.Unknown, ledger.Reason{Code: "timeout"})
	}
	s.must(err)
}

// unlist takes a record out of the open set, as no program does.
func (s *scene) unlist(r order.Ref) {
	s.t.Helper()
	s.must(s.rdb.ZRem(s.ctx, keys.Open(r.Account), keys.Member(r)).Err())
}

// home is where the task of a record lives.
func (s *scene) home(r order.Ref) queue.Home {
	s.t.Helper()
	views, err := s.ledger.Views(s.ctx, []order.Ref{r})
	s.must(err)
	return queue.HomeOf(r, views[0].State, views[0].Lane)
}

// enqueue makes the record's task as a producer does.
func (s *scene) enqueue(r order.Ref, delay time.Duration) queue.Home {
	s.t.Helper()
	h := s.home(r)
	s.must(s.queue.Enqueue(s.ctx, r, h, "", delay))
	return h
}

// handOut leaves the next pending task of a queue "active", as a worker that was killed does. leased says
// that it lives in a lease that nobody extends.
func (s *scene) handOut(name string, leased bool) {
	s.t.Helper()
	id, err := s.rdb.LMove(s.ctx, keys.Queue(name)+"pending", keys.Queue(name)+"active", "RIGHT", "LEFT").Result()
	s.must(err)
	s.must(s.rdb.HSet(s.ctx, keys.Task(name, id), "state", "active").Err())
	if leased {
		s.must(s.rdb.ZAdd(s.ctx, keys.Queue(name)+"lease", redis.Z{Score: float64(s.now.Add(30 * time.Second).Unix()), Member: id}).Err())
	}
}

func (s *scene) sweepAfter(d time.Duration) {
	s.t.Helper()
	s.now = s.now.Add(d)
	s.must(s.sweeper.Once(s.ctx))
}

// sweepFor sweeps every 3 s for a while, as Run does.
func (s *scene) sweepFor(d time.Duration) {
	s.t.Helper()
	for end := s.now.Add(d); s.now.Before(end); {
		s.sweepAfter(3 * time.Second)
		s.must(s.sweeper.Recount(s.ctx))
	}
}

// task is the state of a task, "" when there is none.
func (s *scene) task(name, id string) string {
	info, err := s.inspector.GetTaskInfo(name, id)
	if err != nil {
		return ""
	}
	return info.State.String()
}

// pending counts, for each record, the tasks of a queue that run as soon as a worker is free. A task whose id
// was handed to the queue twice is one.
func (s *scene) pending(name string) map[order.Ref]int {
	s.t.Helper()
	ids, err := s.rdb.LRange(s.ctx, keys.Queue(name)+"pending", 0, -1).Result()
	s.must(err)
	out := map[order.Ref]int{}
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		info, err := s.inspector.GetTaskInfo(name, id)
		if err != nil {
			continue // an id without its task
		}
		r, _, err := queue.Decode(info.Payload)
		s.must(err)
		if info.MaxRetry != queue.MaxRetry {
			s.t.Errorf("task %s has %d retries", id, info.MaxRetry)
		}
		out[r]++
	}
	return out
}

// trips counts round trips to Redis. It is a go-redis hook.
type trips struct {
	testredis.Hook
	n atomic.Int64
}

func (t *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { t.n.Add(1); return next(ctx, cmd) }
}

func (t *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { t.n.Add(1); return next(ctx, cmds) }
}
