package fair_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/budget"
	"issuance/internal/keys"
	"issuance/internal/queue"
	"issuance/tasks/order"
)

func TestABacklogThatHangsTakesNoSlotOfOthers(t *testing.T) {
	eachScene(t, func(s *scene) {
		free := s.hang("a1")
		s.enqueue("a1", 0, 100)
		s.enqueue("b1", 0, 10)
		s.worker("a1", "b1")
		s.until("the other account's tasks", func() bool { return s.of("b1") == 10 })
		if n := s.of("a1"); n > slots {
			s.t.Errorf("%d tasks of the account that hangs run", n)
		}
		free()
		s.until("the backlog", func() bool { return s.of("a1") == 100 && s.inLine("a1") == 0 })
		if ran := slices.DeleteFunc(s.all(), func(r string) bool { return r[0] != 'a' }); slices.MaxFunc(ran[:slots], strings.Compare) > "a1 O010" {
			s.t.Errorf("the first ones did not run first: %v", ran)
		}
	})
}

// A handler that panics gives its slot back.
func TestAPanicTakesNoSlotAway(t *testing.T) {
	eachScene(t, func(s *scene) {
		s.mu.Lock()
		s.act = func(context.Context, order.Ref) error {
			if s.of("a1") <= 2*slots {
				panic("a bug")
			}
			return nil
		}
		s.mu.Unlock()
		s.enqueue("a1", 0, 6*slots)
		s.worker("a1", "b1")
		s.until("the others to run", func() bool { return s.of("a1") >= 6*slots })
	})
}

// Accounts whose allowance has no name share none: the waiting of one takes no room from the others.
func TestAccountsWithoutANamedAllowanceShareNone(t *testing.T) {
	eachScene(t, func(s *scene) {
		s.hang("m001")
		s.enqueue("m001", 0, 20)
		s.enqueue("m002", 0, 10)
		s.worker("m001", "m002")
		s.until("the other account's tasks", func() bool { return s.of("m002") == 10 })
	})
}

// held are the states of accounts of which some are held.
func held(accounts map[string]bool) (states []budget.State) {
	for a, held := range accounts {
		s := budget.State{Account: ref(a, 0).Account}
		if held {
			s.Ban = &budget.Ban{Reason: "403"}
		}
		states = append(states, s)
	}
	return states
}

func TestWhatWaitsForAHeldAccountCostsNothingUntilItRuns(t *testing.T) {
	eachScene(t, func(s *scene) {
		p := s.worker("a1", "b1")
		p.See(held(map[string]bool{"a1": true}))
		s.enqueue("a1", 0, 200)
		s.until("all to be put aside", func() bool { return s.inLine("a1") == 200 })
		s.enqueue("b1", 0, 5)
		s.until("the other account's tasks", func() bool { return s.of("b1") == 5 })
		if n := s.of("a1"); n != 0 {
			s.t.Errorf("%d tasks of the held account ran", n)
		}
		retry := s.srv.Client().ZCard(s.t.Context(), keys.Queue("ecticket-bulk")+"retry").Val()
		if retry != 200 {
			s.t.Errorf("%d tasks wait in the queue's retry set", retry)
		}
		p.See(held(map[string]bool{"a1": false}))
		s.until("all to run", func() bool { return s.of("a1") == 200 && s.inLine("a1") == 0 })
		once := s.all()
		slices.Sort(once)
		if len(slices.Compact(once)) != 205 || len(s.all()) != 205 {
			s.t.Errorf("%d runs of %d tasks", len(s.all()), len(slices.Compact(once)))
		}
	})
}

// A task that the call budget held back goes to the head of the line, with why it waits, and runs later than its turn by
// itself.
func TestATaskThatWasHeldBackIsTheFirstOfItsLine(t *testing.T) {
	eachScene(t, func(s *scene) {
		hold := true
		s.mu.Lock()
		s.act = func(ctx context.Context, r order.Ref) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			if !hold {
				return nil
			}
			b, err := budget.New(s.srv.Client(), budget.Config{Account: r.Account, PerSecond: 1, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				return err
			}
			b.Banned(ctx, "HTTP 403")
			err = b.Pass(ctx)
			return queue.Wait(time.Second, err.Error())
		}
		s.mu.Unlock()
		s.enqueue("a1", 0, 1)
		p := s.worker("a1", "b1")
		s.until("the first to be held", func() bool { return s.inLine("a1") == 1 })
		p.See(held(map[string]bool{"a1": true}))
		s.enqueue("a1", 1, 20)
		s.until("the others to be put aside", func() bool { return s.inLine("a1") == 20 })
		home := queue.HomeOf(ref("a1", 0), order.Queued, order.Bulk)
		s.until("the queue to know why it waits", func() bool { l, _ := s.queue.Look(s.t.Context(), home); return l.Waiting() })
		look, err := s.queue.Look(s.t.Context(), home)
		if reason, _, ok := queue.ParseWait(look.Why); err != nil || !ok || !strings.Contains(reason, "banned") || time.Until(look.Next) < 10*time.Minute {
			s.t.Errorf("%+v, %v", look, err)
		}
		s.mu.Lock()
		hold, s.ran = false, nil
		s.mu.Unlock()
		p.See(held(map[string]bool{"a1": false}))
		s.until("all to run", func() bool { return s.of("a1") == 20 })
		if first := s.all()[:3*slots]; !slices.Contains(first, "a1 O000") { // those that go on together begin in any order
			s.t.Errorf("%v are the first", first)
		}
	})
}

func TestATaskOfAnAccountThatIsNotServedWaitsForItsWorker(t *testing.T) {
	eachScene(t, func(s *scene) {
		s.grace = time.Millisecond
		s.enqueue("a1", 0, 12)
		other := s.worker("b1", "c1")
		s.until("all to be put aside", func() bool { return s.inLine("a1") == 12 })
		s.until("the alarm", func() bool { return s.alarms() > 0 })
		if n := s.alarms(); n != 1 {
			s.t.Errorf("%d alarms", n)
		}
		s.worker("a1", "b1") // tasks come to both: the one that does not serve the account puts them aside again
		s.until("all to run", func() bool { return s.of("a1") == 12 })
		other.stop()
	})
}

// A task that was let go on and that another process has got takes no room here, however long it would be expected.
func TestWhatOthersHaveGotIsNotExpected(t *testing.T) {
	eachScene(t, func(s *scene) {
		s.expect = time.Hour
		s.enqueue("a1", 0, 12)
		s.worker("b1", "c1") // puts aside what it gets
		s.until("all to be put aside", func() bool { return s.inLine("a1") == 12 })
		s.worker("a1", "b1")
		s.until("all to run", func() bool { return s.of("a1") == 12 })
	})
}

// Two workers share a line: what one lets go on may run at the other, and everything runs once.
func TestSeveralWorkersShareALine(t *testing.T) {
	eachScene(t, func(s *scene) {
		free := s.hang("a1")
		a, b := s.worker("a1", "b1"), s.worker("a1", "b1")
		s.enqueue("a1", 0, 60)
		s.until("the rest to be put aside", func() bool { return s.inLine("a1") >= 60-2*slots })
		free()
		s.until("all to run", func() bool { return s.of("a1") == 60 && s.inLine("a1") == 0 })
		a.stop()
		b.stop()
		if n := len(s.all()); n != 60 {
			s.t.Errorf("%d runs", n)
		}
	})
}

// Accounts of one allowance share its calls: the one with a backlog does not take all of them.
func TestAccountsOfOneAllowanceTakeTurns(t *testing.T) {
	eachScene(t, func(s *scene) {
		gate := make(chan struct{})
		s.mu.Lock()
		s.act = func(ctx context.Context, r order.Ref) error { <-gate; return nil }
		s.mu.Unlock()
		s.enqueue("a1", 0, 60)
		s.worker("a1", "a2")
		s.until("the backlog to be put aside", func() bool { return s.inLine("a1") >= 60-slots })
		s.enqueue("a2", 0, 10)
		s.until("the other's to be put aside", func() bool { return s.inLine("a2")+int64(s.of("a2")) == 10 })
		s.until("the queue to know that they wait", func() bool {
			return s.srv.Client().ZCard(s.t.Context(), keys.Queue("ecticket-bulk")+"retry").Val() == s.inLine("a1")+s.inLine("a2")
		})
		for s.of("a2") < 10 {
			select {
			case gate <- struct{}{}:
			case <-time.After(10 * time.Second):
				s.t.Fatal("nothing runs")
			}
		}
		if n := s.of("a1"); n > 20 {
			s.t.Errorf("%d tasks of the backlog ran before the last of ten others", n)
		}
		close(gate)
	})
}

// A place in a line that is stale, or whose task is between two states, harms nothing.
func TestOnlyWhatWaitsIsLetGoOn(t *testing.T) {
	eachScene(t, func(s *scene) {
		rdb, ctx := s.srv.Client(), s.t.Context()
		line := keys.QueueLine("ecticket-bulk")
		rdb.SAdd(ctx, line+"all", "a1")
		done := queue.HomeOf(ref("a1", 7), order.Queued, order.Bulk)
		rdb.ZAdd(ctx, line+"of:a1", redis.Z{Score: 1, Member: "issue:ecticket:a1:GONE"}, redis.Z{Score: 2, Member: done.ID})
		s.enqueue("a1", 7, 8)
		s.worker("a1", "b1")
		s.until("the stale places to be gone", func() bool { return s.inLine("a1") == 0 && s.of("a1") == 1 })
		if n := rdb.SCard(ctx, line+"all").Val(); n != 0 {
			s.t.Errorf("%d accounts have a line", n)
		}
	})
}

// Workers of a few accounts get tasks of many others, and put them aside; whoever serves those lets all of them go on.
func TestManyAccountsLinesAreLetGoOn(t *testing.T) {
	eachScene(t, func(s *scene) {
		const accounts = 200
		var all []string
		for i := range accounts {
			all = append(all, fmt.Sprintf("m%03d", i))
		}
		few := []*process{s.worker("a1", "b1"), s.worker("c1", "d1")}
		for _, a := range all {
			s.enqueue(a, 0, 1)
		}
		s.until("all to be put aside", func() bool {
			return s.srv.Client().SCard(s.t.Context(), keys.QueueLine("ecticket-bulk")+"all").Val() == accounts
		})
		s.worker(all...)
		s.until("most to run", func() bool { return len(s.all()) >= accounts/2 })
		for _, p := range few {
			p.stop()
		}
		s.until("all to run", func() bool { return len(s.all()) == accounts })
	})
}
