package sweeper_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/internal/sweeper"
	"issuance/internal/testredis"
	"issuance/tasks/order"
)

const issueID = "issue:ecticket:2000132:A1"

func TestALiveClaimIsLeftAlone(t *testing.T) {
	each(t, func(t *testing.T, s *scene) {
		s.record(ref, order.Bulk)
		fence := s.claim(ref)
		for range 6 {
			s.must(s.ledger.Extend(s.ctx, ref, fence, lease, false))
			s.sweepAfter(lease / 2)
		}
		if got := s.task("ecticket-bulk", issueID); got != "" {
			t.Fatalf("a task was made for an order that a worker has in its hands: %s", got)
		}
	})
}

func TestTheOrderOfADeadWorkerIsTakenUpAsSoonAsItsClaimRunsOut(t *testing.T) {
	each(t, func(t *testing.T, s *scene) {
		s.record(ref, order.Bulk)
		s.enqueue(ref, 0)
		s.handOut("ecticket-bulk", true)
		s.claim(ref) // and the worker dies
		s.sweepAfter(lease + time.Second)
		if got := s.task("ecticket-bulk", beside); got != "pending" {
			t.Fatalf("the task beside the one that is stuck active is %q, want pending", got)
		}
	})
}

func TestATaskThatWaitsForItsRetryIsRunAtOnceWhenItsWorkerDied(t *testing.T) {
	each(t, func(t *testing.T, s *scene) {
		s.record(ref, order.Bulk)
		s.enqueue(ref, time.Hour)
		s.claim(ref)
		s.sweepAfter(lease + time.Second)
		if got := s.task("ecticket-bulk", issueID); got != "pending" {
			t.Fatalf("task is %q, want pending", got)
		}
	})
}

func TestATaskThatWaitsIsLeftToItsTime(t *testing.T) {
	each(t, func(t *testing.T, s *scene) {
		s.given(order.Submitting)
		s.enqueue(ref, time.Hour)
		s.sweepFor(time.Minute)
		if got := s.task("ecticket-bulk", issueID); got != "scheduled" {
			t.Fatalf("task is %q, want scheduled", got)
		}
	})
}

func TestAnEventThatWasNeverPublishedIsPublished(t *testing.T) {
	each(t, func(t *testing.T, s *scene) {
		s.record(ref, order.Bulk)
		_, err := s.ledger.Finish(s.ctx, ref, s.claim(ref), ledger.Ending{State: order.Failed, Reason: ledger.Reason{Code: "no"}})
		s.must(err)
		// As if the worker had died between the record and the event.
		s.must(s.rdb.HDel(s.ctx, keys.Record(ref), "event").Err())
		s.must(s.rdb.Del(s.ctx, keys.Events).Err())
		s.must(s.sweeper.Adopt(s.ctx))
		s.sweepAfter(time.Second)
		events, err := s.ledger.Events(s.ctx, "0", 10, 0)
		s.must(err)
		if len(events) != 1 || events[0].ID != "ecticket:2000132/A1/failed/1" {
			t.Fatalf("events: %+v", events)
		}
		if n, _ := s.ledger.OpenCount(s.ctx, shop); n != 0 {
			t.Fatalf("%d records are still open", n)
		}
	})
}

func TestARecordMissingInTheOpenSetIsFound(t *testing.T) {
	each(t, func(t *testing.T, s *scene) {
		s.given(order.Accepted)
		s.unlist(ref)
		s.must(s.sweeper.Adopt(s.ctx))
		s.sweepAfter(time.Second)
		if got := s.task("ecticket-poll", "poll:ecticket:2000132:A1"); got != "pending" {
			t.Fatalf("task is %q, want pending", got)
		}
	})
}

// A Redis that was restored from an older copy, or a program that died between two steps in a cluster.
func TestTheSweeperSearchesForOverlookedRecordsWhenItStarts(t *testing.T) {
	testredis.Each(t, func(t *testing.T, srv *testredis.Server) {
		s := newScene(t, srv, sweeper.Config{})
		s.given(order.Accepted)
		s.unlist(ref)
		s.untilLogged("brought a task back", sweeper.Config{Every: time.Hour})
	})
}

// untilLogged runs a sweeper until it has logged a text.
func (s *scene) untilLogged(text string, c sweeper.Config) {
	s.t.Helper()
	seen, ended := make(chan struct{}, 1), make(chan struct{})
	c.Ledger, c.Accounts, c.Log = s.ledger, sweeper.Always(shop), slog.New(slog.NewTextHandler(signal{text, seen}, nil))
	ctx, cancel := context.WithCancel(s.ctx)
	go func() { defer close(ended); sweeper.New(s.rdb, c).Run(ctx) }()
	select {
	case <-seen:
	case <-time.After(10 * time.Second):
		s.t.Errorf("the sweeper never logged %q", text)
	}
	cancel()
	<-ended
}

func TestARecordIsLookedAtAgainWithin30Seconds(t *testing.T) {
	each(t, func(t *testing.T, s *scene) {
		s.given(order.Submitting)
		h := s.enqueue(ref, 0)
		s.sweepAfter(21 * time.Second)
		s.must(s.inspector.DeleteTask(h.Queue, h.ID)) // right after a look
		for range 9 {
			s.sweepAfter(3 * time.Second)
		}
		s.want(issueID, "pending")
	})
}

// signal is a log that reports when a text was logged.
type signal struct {
	text string
	seen chan<- struct{}
}

func (s signal) Write(p []byte) (int, error) {
	if strings.Contains(string(p), s.text) {
		select {
		case s.seen <- struct{}{}:
		default:
		}
	}
	return len(p), nil
}

func TestAnOpenSetsMemberWithoutARecordIsTakenOut(t *testing.T) {
	each(t, func(t *testing.T, s *scene) {
		s.must(s.ledger.Announce(s.ctx, []order.Ref{ref})) // and the producer dies before it records
		s.sweepFor(30 * time.Second)
		if n, err := s.ledger.OpenCount(s.ctx, shop); n != 0 || err != nil {
			t.Errorf("%d records are open, %v", n, err)
		}
		if n := len(s.pending("ecticket-checkout")); n != 0 {
			t.Errorf("%d tasks were made of it", n)
		}
	})
}

func TestAThousandRecordsAreSweptInBatchesAndNotAgainAtOnce(t *testing.T) {
	each(t, func(t *testing.T, s *scene) {
		for i := range 1000 {
			r := order.Ref{Account: shop, OrderID: fmt.Sprintf("B%d", i)}
			s.record(r, order.Bulk)
			s.claim(r)
		}
		s.sweepAfter(lease + time.Second)
		info, err := s.inspector.GetQueueInfo("ecticket-bulk")
		s.must(err)
		if info.Pending != 1000 {
			t.Fatalf("%d tasks are pending, want 1000", info.Pending)
		}
		due, err := s.ledger.Due(s.ctx, shop, 10, time.Second)
		s.must(err)
		if len(due.Refs) != 0 {
			t.Fatalf("%d records are due again at once", len(due.Refs))
		}
	})
}

// waiting makes orders of the bulk lane that wait in their queue, every other one for its time.
func (s *scene) waiting(orders int) {
	s.t.Helper()
	for i := range orders {
		r := order.Ref{Account: shop, OrderID: fmt.Sprintf("B%d", i)}
		s.record(r, order.Bulk)
		s.enqueue(r, time.Duration(i%2)*time.Hour)
	}
}

// A look at orders that only wait costs a few round trips for a whole batch: there may be a million.
func TestOrdersThatWaitAreLookedAtTogether(t *testing.T) {
	each(t, func(t *testing.T, s *scene) {
		const orders = 150
		s.waiting(orders)
		counted := &trips{}
		s.rdb.AddHook(counted)
		s.must(s.sweeper.Once(s.ctx))
		none := counted.n.Swap(0)
		s.sweepAfter(20*time.Second + time.Second)
		if all := counted.n.Load(); all <= none || all > none+10 {
			t.Errorf("a sweep over %d orders took %d round trips, one over none %d", orders, all, none)
		}
		if n, err := s.ledger.OpenCount(s.ctx, shop); n != orders || err != nil {
			t.Errorf("%d orders are open, %v", n, err)
		}
	})
}
