package fair_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"issuance/internal/budget"
	"issuance/internal/keys"
	"issuance/internal/queue"
	"issuance/tasks/order"
)

// calls has every task of a1 make a call, and those that come back says wait a second whenever they have run.
func (s *scene) calls(comesBack func(orderID string) bool) {
	b, err := budget.New(s.srv.Client(), budget.Config{Account: ref("a1", 0).Account, PerSecond: 1000, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.act = func(ctx context.Context, r order.Ref) error {
		if err := b.Pass(ctx); err != nil {
			return err
		}
		<-time.After(100 * time.Millisecond)
		if comesBack(r.OrderID) {
			return queue.Wait(time.Second, "to be looked up once more")
		}
		return nil
	}
}

// eachQueue runs a promise for a worker of one account, whose queue is the account's line, and for one of more.
func eachQueue(t *testing.T, run func(s *scene, accounts []string)) {
	for name, accounts := range map[string][]string{"one account": {"a1"}, "more": {"a1", "b1"}} {
		t.Run(name, func(t *testing.T) {
			eachScene(t, func(s *scene) {
				if len(accounts) == 1 {
					s.concurrency = slots // as cmd/worker has it
				}
				run(s, accounts)
			})
		})
	}
}

// An order that is to be looked up again does not wait behind the whole bulk.
func TestWhatComesBackDoesNotWaitBehindWhatIsNew(t *testing.T) {
	eachQueue(t, func(s *scene, accounts []string) {
		const n = 90
		var once sync.Map
		s.calls(func(id string) bool { _, ran := once.LoadOrStore(id, true); return !ran && id == "O000" })
		s.enqueue("a1", 0, n)
		s.worker(accounts...)
		first := ref("a1", 0).OrderID
		twice := func() bool {
			all := s.all()
			i := slices.Index(all, "a1 "+first)
			return i >= 0 && slices.Contains(all[i+1:], "a1 "+first)
		}
		s.until("the first one to come back", twice)
		if ran := s.of("a1"); ran > n*2/3 {
			s.t.Errorf("it came back after %d of %d", ran, n)
		}
		s.until("the others", func() bool { return s.of("a1") == n+1 })
	})
}

// Nor does an order that was never sent wait for those that come back again and again.
func TestWhatIsNewDoesNotWaitForWhatComesBack(t *testing.T) {
	eachQueue(t, func(s *scene, accounts []string) {
		const back, fresh = 40, 6 // those take more slots than there are
		var over sync.Map
		s.calls(func(id string) bool { _, end := over.Load("end"); return !end && id < "O500" })
		s.enqueue("a1", 0, back)
		s.worker(accounts...)
		s.until("all of them to have run", func() bool { return s.of("a1") >= back })
		s.enqueue("a1", 500, 500+fresh)
		before := s.of("a1")
		last := func() bool {
			n := 0
			for _, r := range s.all() {
				if r >= "a1 O500" {
					n++
				}
			}
			return n >= fresh
		}
		s.until("the new ones", last)
		if ran := s.of("a1") - before; ran > 10*fresh {
			s.t.Errorf("%d tasks ran until %d new ones had", ran, fresh)
		}
		over.Store("end", true)
		s.until("the queue to be empty", func() bool {
			return s.srv.Client().ZCard(s.t.Context(), keys.Queue("ecticket-bulk")+"retry").Val() == 0 && s.inLine("a1") == 0
		})
	})
}
