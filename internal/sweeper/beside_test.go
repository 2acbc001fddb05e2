package sweeper_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/internal/testredis"
	"issuance/tasks/order"
)

// beside is the id that a task gets when its own is taken.
const beside = issueID + "~1"

// stuck is an order that waits and whose task's id is taken for good.
func (s *scene) stuck() {
	s.t.Helper()
	s.given(order.Queued)
	s.enqueue(ref, 0)
	s.trimmed(issueID)
}

// trimmed archives a task and has the queue forget it as it does when its archive is full: the task
// can neither be run nor deleted, and its id stays taken.
func (s *scene) trimmed(id string) {
	s.t.Helper()
	s.must(s.inspector.ArchiveTask("ecticket-bulk", id))
	s.must(s.rdb.ZRem(s.ctx, keys.Queue("ecticket-bulk")+"archived", id).Err())
}

func (s *scene) want(id, state string) {
	s.t.Helper()
	if got := s.task("ecticket-bulk", id); got != state {
		s.t.Fatalf("task %s is %q, want %q", id, got, state)
	}
}

func TestATaskLeftActiveByNobodyIsTakenBack(t *testing.T) {
	each(t, func(t *testing.T, s *scene) {
		s.given(order.Queued)
		s.enqueue(ref, 0)
		s.handOut("ecticket-bulk", false)
		leases := "asynq:{ecticket-bulk}:lease"
		// Leases are by the workers' clocks, which the scene's is not.
		s.must(s.rdb.ZAdd(s.ctx, leases, redis.Z{Score: float64(time.Now().AddDate(10, 0, 0).Unix()), Member: issueID}).Err())
		for range 3 {
			s.sweepAfter(time.Hour)
			s.want(issueID, "active")
			s.want(beside, "")
		}
		s.must(s.rdb.ZRem(s.ctx, leases, issueID).Err())
		s.sweepAfter(3 * time.Second)
		s.want(issueID, "pending")
		s.want(beside, "")
	})
}

// Polls hold no claim and an answer of "not yet" leaves the record as it was, so that its age says
// nothing of the poll that runs just now. A second task would follow the order for ever.
func TestAPollThatRunsInALivingWorkerIsLeftAlone(t *testing.T) {
	testredis.Each(t, func(t *testing.T, srv *testredis.Server) {
		at, _, release := running(t, srv)
		defer release()
		past := ledger.New(srv.Client(), ledger.Options{Now: func() time.Time { return time.Now().Add(-time.Hour) }})
		s := &scene{t: t, ctx: t.Context(), ledger: past}
		s.given(order.Accepted)
		s.must(at(0).Once(s.ctx))
		if n, err := srv.Client().LLen(s.ctx, keys.Queue("ecticket-poll")+"pending").Result(); n != 0 || err != nil {
			t.Errorf("%d more polls wait beside the one that runs, %v", n, err)
		}
	})
}

func TestTheTaskBesideIsLookedAfterLikeTheFirst(t *testing.T) {
	for name, end := range map[string]func(*scene){
		"archived": func(s *scene) { s.must(s.inspector.ArchiveTask("ecticket-bulk", beside)) },
		"deleted":  func(s *scene) { s.must(s.inspector.DeleteTask("ecticket-bulk", beside)) },
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, s *scene) {
				s.stuck()
				s.sweepAfter(time.Hour)
				end(s)
				s.sweepAfter(time.Hour)
				s.want(beside, "pending")
			})
		})
	}
}

func TestATaskThatTheQueueForgotWithoutFreeingItsIDIsGoneAround(t *testing.T) {
	each(t, func(t *testing.T, s *scene) {
		s.given(order.Queued)
		s.enqueue(ref, 0)
		last := issueID
		for _, next := range []string{beside, beside + ".1", beside + ".2"} {
			s.trimmed(last)
			last = next
			s.sweepAfter(time.Hour)
			s.want(next, "pending")
			s.sweepAfter(time.Hour)
			s.want(next, "pending")
		}
	})
}

func TestAnOrderWithoutAnyFreeIDIsAnErrorAtEverySweepAndHoldsNobodyUp(t *testing.T) {
	each(t, func(t *testing.T, s *scene) {
		s.given(order.Queued)
		s.enqueue(ref, 0)
		var err error
		for range 20 {
			info, listErr := s.inspector.ListPendingTasks("ecticket-bulk")
			s.must(listErr)
			for _, task := range info {
				s.trimmed(task.ID)
			}
			s.now = s.now.Add(time.Hour)
			err = s.sweeper.Once(s.ctx)
		}
		if err == nil || !strings.Contains(err.Error(), "asynq:{ecticket-bulk}:t:"+issueID) {
			t.Fatalf("an order that cannot have a task is reported as %v", err)
		}
		other := order.Ref{Account: pass2u, OrderID: "B1"}
		s.record(other, order.Bulk)
		s.now = s.now.Add(time.Hour)
		if err := s.sweeper.Once(s.ctx); err == nil {
			t.Error("it is forgotten in the end")
		}
		if got := s.task("pass2u-bulk", "issue:pass2u:main:B1"); got != "pending" {
			t.Errorf("the task of another account's order is %q, want pending", got)
		}
	})
}
