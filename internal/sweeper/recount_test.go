package sweeper_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/queue"
	"issuance/internal/sweeper"
	"issuance/internal/testredis"
	"issuance/tasks/order"
)

// lately makes orders that wait in their queue and were looked at a moment ago, as most of a million were.
func (s *scene) lately(orders int) {
	s.t.Helper()
	s.waiting(orders)
	s.sweepAfter(21 * time.Second)
	due, err := s.ledger.Due(s.ctx, shop, 10, time.Second)
	s.must(err)
	if len(due.Refs) != 0 {
		s.t.Fatalf("%d records are due", len(due.Refs))
	}
}

func (s *scene) recount() {
	s.t.Helper()
	s.must(s.sweeper.Recount(s.ctx))
}

// deleteAll deletes every task of the bulk queue.
func (s *scene) deleteAll() {
	s.t.Helper()
	_, err := s.inspector.DeleteAllPendingTasks("ecticket-bulk")
	s.must(err)
	_, err = s.inspector.DeleteAllScheduledTasks("ecticket-bulk")
	s.must(err)
}

// tasks counts the tasks of the bulk queue that will run.
func (s *scene) tasks() int {
	s.t.Helper()
	info, err := s.inspector.GetQueueInfo("ecticket-bulk")
	s.must(err)
	return info.Pending + info.Scheduled + info.Retry + info.Active
}

func TestMissingTasksAreNoticedAlthoughNoRecordIsDue(t *testing.T) {
	testredis.Each(t, func(t *testing.T, srv *testredis.Server) {
		s := newScene(t, srv, sweeper.Config{Batch: 50})
		s.lately(300)
		s.deleteAll()
		s.recount()
		if n := s.tasks(); n != 0 {
			t.Errorf("one count that is short had %d tasks made", n)
		}
		s.recount()
		if n := s.tasks(); n != 300 {
			t.Errorf("%d tasks are back, want 300", n)
		}
	})
}

func TestOneMissingTaskAmongManyIsNoticed(t *testing.T) {
	each(t, func(t *testing.T, s *scene) {
		s.lately(100)
		s.must(s.inspector.ArchiveTask("ecticket-bulk", "issue:ecticket:2000132:B41"))
		s.recount()
		s.recount()
		if got := s.task("ecticket-bulk", "issue:ecticket:2000132:B41"); got != "pending" {
			t.Errorf("the task is %q, want pending", got)
		}
	})
}

// Bringing back a million tasks must not keep the records waiting that are due.
func TestALookAtAllIsSpreadOverSweeps(t *testing.T) {
	now := time.Now()
	s := newScene(t, testredis.Start(t), sweeper.Config{Now: func() time.Time { now = now.Add(2 * time.Second); return now }})
	const orders = 2500
	s.lately(orders)
	s.deleteAll()
	s.recount()
	sweeps := 0
	for before := 0; before < orders; sweeps++ {
		s.recount()
		n := s.tasks()
		if n == before || n-before > 1000 {
			t.Fatalf("%d tasks were made in one sweep", n-before)
		}
		before = n
	}
	if sweeps < 3 {
		t.Errorf("all were looked at in %d sweeps", sweeps)
	}
}

// A person who deletes or archives all tasks of a large queue is not answered with a line for each.
func TestManyTasksThatAreBroughtBackAreReportedByTheirNumber(t *testing.T) {
	s := newScene(t, testredis.Start(t), sweeper.Config{})
	s.lately(500)
	n, err := s.inspector.ArchiveAllPendingTasks("ecticket-bulk")
	if err != nil || n != 250 { // the others wait for their time
		t.Fatalf("%d tasks archived, %v", n, err)
	}
	s.untilLogged("brought more tasks back into their queues\" tasks=230", sweeper.Config{Every: 5 * time.Millisecond})
	if n := s.tasks(); n != 500 {
		t.Errorf("%d tasks are back", n)
	}
}

func TestAShortageOfAMomentIsNotLookedInto(t *testing.T) {
	each(t, func(t *testing.T, s *scene) {
		s.lately(20)
		late := order.Ref{Account: shop, OrderID: "LATE"}
		counted := &trips{}
		for range 10 {
			s.record(late, order.Bulk)
			if counted.n.Load() == 0 {
				s.rdb.AddHook(counted)
			}
			s.one(counted)
			h := s.enqueue(late, 0) // its producer has got so far
			s.one(counted)
			s.must(s.inspector.DeleteTask(h.Queue, h.ID))
			s.must(s.rdb.Del(s.ctx, keys.Record(late)).Err())
			s.unlist(late)
		}
	})
}

// one expects a recount of both providers that counts and does nothing else.
func (s *scene) one(counted *trips) {
	s.t.Helper()
	counted.n.Store(0)
	s.recount()
	if n := counted.n.Load(); n != 2 {
		s.t.Fatalf("the recount took %d round trips, want one for each provider", n)
	}
}

// Something in the open set that is no record at all: no look will ever explain it.
func TestALookThatExplainsNothingIsNotRepeated(t *testing.T) {
	each(t, func(t *testing.T, s *scene) {
		s.lately(20)
		s.must(s.rdb.ZAdd(s.ctx, keys.Open(shop), redis.Z{Score: float64(s.now.Add(time.Hour).UnixMilli()), Member: ":"}).Err())
		s.recount()
		counted := &trips{}
		s.rdb.AddHook(counted)
		s.recount()
		if n := counted.n.Load(); n < 4 {
			t.Fatalf("%d round trips: nothing was looked at", n)
		}
		for range 200 {
			s.one(counted)
			s.now = s.now.Add(3 * time.Second)
		}
		s.deleteAll()
		s.recount()
		s.recount()
		if n := s.tasks(); n != 20 {
			t.Errorf("%d of 20 tasks that were deleted later are back", n)
		}
	})
}

func TestWhatWasNeverExplainedHidesNothingOnceItIsGone(t *testing.T) {
	each(t, func(t *testing.T, s *scene) {
		s.lately(20)
		s.must(s.rdb.ZAdd(s.ctx, keys.Open(shop), redis.Z{Score: float64(s.now.Add(time.Hour).UnixMilli()), Member: ":"}).Err())
		for range 3 {
			s.recount()
		}
		s.must(s.rdb.ZRem(s.ctx, keys.Open(shop), ":").Err())
		s.recount()
		s.must(s.inspector.ArchiveTask("ecticket-bulk", "issue:ecticket:2000132:B4"))
		s.recount()
		s.recount()
		if got := s.task("ecticket-bulk", "issue:ecticket:2000132:B4"); got != "pending" {
			t.Errorf("the task is %q, want pending", got)
		}
	})
}

func TestARunningSweeperCountsTasks(t *testing.T) {
	testredis.Each(t, func(t *testing.T, srv *testredis.Server) {
		s := newScene(t, srv, sweeper.Config{})
		s.lately(5)
		s.deleteAll()
		s.untilLogged("brought a task back", sweeper.Config{Every: 5 * time.Millisecond})
	})
}

func TestOneProvidersTasksDoNotHideThatAnothersAreMissing(t *testing.T) {
	each(t, func(t *testing.T, s *scene) {
		s.lately(20)
		for i := range 5 { // tasks without a record
			r := order.Ref{Account: shop, OrderID: fmt.Sprintf("STRAY%d", i)}
			s.must(s.queue.Enqueue(s.ctx, r, queue.HomeOf(r, order.Queued, order.Bulk), "", 0))
		}
		s.record(order.Ref{Account: pass2u, OrderID: "P1"}, order.Checkout)
		s.recount()
		s.recount()
		if got := s.task("pass2u-checkout", "issue:pass2u:main:P1"); got != "pending" {
			t.Errorf("the task is %q, want pending", got)
		}
	})
}
