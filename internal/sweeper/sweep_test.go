package sweeper_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"issuance/internal/ledger"
	"issuance/internal/seal"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks"
	"issuance/tasks/sweep"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const lease = 10 * time.Second

// scene is a ledger with a clock of its own, a queue, and the sweeper under test.
type scene struct {
	t         *testing.T
	ctx       context.Context
	now       time.Time
	rdb       *redis.Client
	ledger    *ledger.Ledger
	queue     *asynq.Client
	inspector *asynq.Inspector
	sweeper   *sweep.Sweeper
}

func each(t *testing.T, run func(t *testing.T, s *scene)) {
	testredis.Each(t, func(t *testing.T, srv *testredis.Server) {
		rdb := srv.Client()
		s := &scene{t: t, ctx: t.Context(), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), rdb: rdb,
			queue: asynq.NewClientFromRedisClient(rdb), inspector: asynq.NewInspectorFromRedisClient(rdb)}
		s.ledger = ledger.New(rdb, ledger.Options{Now: func() time.Time { return s.now }})
		s.sweeper = sweep.New(rdb, sweep.Config{Ledger: s.ledger, Providers: providers.All(),
			Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
		run(t, s)
	})
}

func (s *scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

var order = ledger.Key{Provider: providers.ECTicket, OrderID: "A1"}

// begin claims the order as a worker would.
func (s *scene) begin() ledger.Claim {
	s.t.Helper()
	c, err := s.ledger.Begin(s.ctx, order, ledger.Intake{Runner: "w1", Lease: lease, Fingerprint: "k.f", Lane: "bulk",
		Shape: `{"tickets":2}`, Document: seal.Sealed("s1.k.x")})
	s.must(err)
	return c
}

// given makes a record that waits (its claim given back) in the given state.
func (s *scene) given(state ledger.State) {
	s.t.Helper()
	c := s.begin()
	switch state {
	case ledger.Queued:
		_, err := s.ledger.Idle(s.ctx, order, c.Fence, ledger.Reason{})
		s.must(err)
	case ledger.Submitting:
		_, _, err := s.ledger.Submit(s.ctx, order, c.Fence, lease)
		s.must(err)
		_, err = s.ledger.Unknown(s.ctx, order, c.Fence, ledger.Reason{Code: "timeout"})
		s.must(err)
	case ledger.Accepted:
		_, _, err := s.ledger.Submit(s.ctx, order, c.Fence, lease)
		s.must(err)
		_, err = s.ledger.Accept(s.ctx, order, c.Fence, "REF", "")
		s.must(err)
	}
}

func (s *scene) sweepAfter(d time.Duration) {
	s.t.Helper()
	s.now = s.now.Add(d)
	s.must(s.sweeper.Once(s.ctx))
}

// task returns the state of a task, "" when there is none.
func (s *scene) task(queue, id string) string {
	info, err := s.inspector.GetTaskInfo(queue, id)
	if err != nil {
		return ""
	}
	return info.State.String()
}

const issueID = "issue:ecticket:A1"

func TestAWaitingRecordWhoseTaskIsGoneIsEnqueuedAgain(t *testing.T) {
	for _, c := range []struct {
		state     ledger.State
		queue, id string
	}{
		{ledger.Queued, "ecticket-bulk", issueID},
		{ledger.Submitting, "ecticket-bulk", issueID},
		{ledger.Accepted, "ecticket-poll", "poll:ecticket:A1"},
	} {
		t.Run(string(c.state), func(t *testing.T) {
			each(t, func(t *testing.T, s *scene) {
				s.given(c.state)
				s.sweepAfter(lease + time.Second)
				if got := s.task(c.queue, c.id); got != "pending" {
					t.Fatalf("task %s in %s is %q, want it pending", c.id, c.queue, got)
				}
				info, err := s.inspector.GetTaskInfo(c.queue, c.id)
				s.must(err)
				var p tasks.Payload
				s.must(json.Unmarshal(info.Payload, &p))
				if p.Key() != order || p.Fingerprint != "k.f" || p.Document != "s1.k.x" || p.Version != tasks.PayloadVersion {
					t.Fatalf("the payload lost something: %+v", p)
				}
				if info.MaxRetry == 0 {
					t.Fatal("a task without retries would be archived at its first wait")
				}
			})
		})
	}
}

func TestALiveClaimIsLeftAlone(t *testing.T) {
	each(t, func(t *testing.T, s *scene) {
		c := s.begin()
		for range 6 {
			s.must(s.ledger.ExtendOrder(s.ctx, order, c.Fence, lease))
			s.sweepAfter(lease / 2)
		}
		if got := s.task("ecticket-bulk", issueID); got != "" {
			t.Fatalf("a task was made for an order that a worker has in its hands: %s", got)
		}
	})
}

func TestTheOrderOfADeadWorkerIsTakenUpAsSoonAsItsClaimRunsOut(t *testing.T) {
	each(t, func(t *testing.T, s *scene) {
		s.enqueue("ecticket-bulk", issueID)
		s.activate("ecticket-bulk")
		s.begin() // and the worker dies
		s.sweepAfter(lease + time.Second)
		if got := s.task("ecticket-bulk", issueID+"~1"); got != "pending" {
			t.Fatalf("the task beside the one that is stuck active is %q, want pending", got)
		}
	})
}

func TestATaskThatWaitsForItsRetryIsRunAtOnceWhenItsWorkerDied(t *testing.T) {
	each(t, func(t *testing.T, s *scene) {
		s.enqueue("ecticket-bulk", issueID, asynq.ProcessIn(time.Hour))
		s.begin()
		s.sweepAfter(lease + time.Second)
		if got := s.task("ecticket-bulk", issueID); got != "pending" {
			t.Fatalf("task is %q, want pending", got)
		}
	})
}

func TestATaskThatWaitsIsLeftToItsTime(t *testing.T) {
	each(t, func(t *testing.T, s *scene) {
		s.enqueue("ecticket-bulk", issueID, asynq.ProcessIn(time.Hour))
		s.given(ledger.Submitting)
		s.sweepAfter(time.Minute)
		if got := s.task("ecticket-bulk", issueID); got != "scheduled" {
			t.Fatalf("task is %q, want scheduled", got)
		}
	})
}

func TestAnArchivedTaskOfAnUnfinishedOrderRunsAgain(t *testing.T) {
	each(t, func(t *testing.T, s *scene) {
		s.enqueue("ecticket-bulk", issueID)
		s.given(ledger.Queued)
		s.must(s.inspector.ArchiveTask("ecticket-bulk", issueID))
		s.sweepAfter(lease + time.Second)
		if got := s.task("ecticket-bulk", issueID); got != "pending" {
			t.Fatalf("task is %q, want pending", got)
		}
	})
}

func TestAnEventThatWasNeverPublishedIsPublished(t *testing.T) {
	each(t, func(t *testing.T, s *scene) {
		c := s.begin()
		_, err := s.ledger.Finish(s.ctx, order, c.Fence, ledger.Ending{State: ledger.Failed, Reason: ledger.Reason{Code: "no"}})
		s.must(err)
		// As if the worker had died between the record and the event.
		s.must(s.rdb.HDel(s.ctx, "issuance:{ecticket:A1}:order", "event").Err())
		s.must(s.rdb.Del(s.ctx, ledger.EventsKey).Err())
		s.must(s.sweeper.Adopt(s.ctx))
		s.sweepAfter(time.Second)
		events, err := s.ledger.Events(s.ctx, "0", 10, 0)
		s.must(err)
		if len(events) != 1 || events[0].ID != "ecticket/A1/failed" {
			t.Fatalf("events: %+v", events)
		}
		if n, _ := s.ledger.OpenCount(s.ctx, providers.ECTicket); n != 0 {
			t.Fatalf("%d records are still open", n)
		}
	})
}

func TestARecordMissingInTheOpenSetIsFound(t *testing.T) {
	each(t, func(t *testing.T, s *scene) {
		s.given(ledger.Accepted)
		s.must(s.ledger.Close(s.ctx, ledger.Ref{Key: order}))
		s.must(s.sweeper.Adopt(s.ctx))
		s.sweepAfter(time.Second)
		if got := s.task("ecticket-poll", "poll:ecticket:A1"); got != "pending" {
			t.Fatalf("task is %q, want pending", got)
		}
	})
}

func TestARefundIsBroughtBackToo(t *testing.T) {
	each(t, func(t *testing.T, s *scene) {
		k := ledger.RefundKey{Key: order, RefundID: "R1"}
		_, err := s.ledger.BeginRefund(s.ctx, k, ledger.Intake{Runner: "w1", Lease: lease, Fingerprint: "k.f", Lane: "checkout"})
		s.must(err)
		s.sweepAfter(lease + time.Second)
		if got := s.task("ecticket-checkout", "refund:ecticket:A1:R1"); got != "pending" {
			t.Fatalf("task is %q, want pending", got)
		}
	})
}

func TestAThousandRecordsAreSweptInBatchesAndNotAgainAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s *scene) {
		for i := range 1000 {
			k := ledger.Key{Provider: providers.ECTicket, OrderID: fmt.Sprintf("B%d", i)}
			_, err := s.ledger.Begin(s.ctx, k, ledger.Intake{Runner: "w1", Lease: lease, Fingerprint: "f", Lane: "bulk"})
			s.must(err)
		}
		s.sweepAfter(lease + time.Second)
		info, err := s.inspector.GetQueueInfo("ecticket-bulk")
		s.must(err)
		if info.Pending != 1000 {
			t.Fatalf("%d tasks are pending, want 1000", info.Pending)
		}
		due, err := s.ledger.Due(s.ctx, providers.ECTicket, 10, time.Second)
		s.must(err)
		if len(due.Refs) != 0 {
			t.Fatalf("%d records are due again at once", len(due.Refs))
		}
	})
}

// A look at orders that only wait costs a few round trips for a whole batch: there may be a million.
func TestOrdersThatWaitAreLookedAtTogether(t *testing.T) {
	each(t, func(t *testing.T, s *scene) {
		const orders = 150
		for i := range orders {
			k := ledger.Key{Provider: providers.ECTicket, OrderID: fmt.Sprintf("B%d", i)}
			c, err := s.ledger.Begin(s.ctx, k, ledger.Intake{Runner: "w1", Lease: lease, Fingerprint: "f", Lane: "bulk"})
			s.must(err)
			_, err = s.ledger.Idle(s.ctx, k, c.Fence, ledger.Reason{})
			s.must(err)
			var wait []asynq.Option
			if i%2 == 0 {
				wait = append(wait, asynq.ProcessIn(time.Hour))
			}
			s.enqueue("ecticket-bulk", tasks.IssueID(providers.ECTicket, k.OrderID), wait...)
		}
		counted := &trips{}
		s.rdb.AddHook(counted)
		s.must(s.sweeper.Once(s.ctx))
		none := counted.n.Swap(0)
		s.sweepAfter(lease + time.Second)
		if all := counted.n.Load(); all <= none || all > none+10 {
			t.Errorf("a sweep over %d orders took %d round trips, one over none %d", orders, all, none)
		}
		if n, err := s.ledger.OpenCount(s.ctx, providers.ECTicket); n != orders || err != nil {
			t.Errorf("%d orders are open, %v", n, err)
		}
	})
}

// trips counts round trips to Redis. It is a go-redis hook.
type trips struct{ n atomic.Int64 }

func (t *trips) DialHook(next redis.DialHook) redis.DialHook { return next }

func (t *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { t.n.Add(1); return next(ctx, cmd) }
}

func (t *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { t.n.Add(1); return next(ctx, cmds) }
}

func (s *scene) enqueue(queue, id string, opts ...asynq.Option) {
	s.t.Helper()
	_, err := s.queue.Enqueue(asynq.NewTask("issue:ecticket", []byte("{}")),
		append([]asynq.Option{asynq.Queue(queue), asynq.TaskID(id), asynq.MaxRetry(tasks.MaxRetry)}, opts...)...)
	s.must(err)
}

// activate leaves the pending task of the queue "active", as a worker that was killed does.
func (s *scene) activate(queue string) {
	s.t.Helper()
	moved, err := s.rdb.LMove(s.ctx, "asynq:{"+queue+"}:pending", "asynq:{"+queue+"}:active", "RIGHT", "LEFT").Result()
	s.must(err)
	s.must(s.rdb.HSet(s.ctx, "asynq:{"+queue+"}:t:"+moved, "state", "active").Err())
}
