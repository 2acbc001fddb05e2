package sweeper_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/internal/sweeper"
	"issuance/internal/testredis"
	"issuance/tasks/order"
)

// standings are what a record can be when its task is lost.
var standings = map[string]struct {
	ref  order.Ref
	make func(s *scene)
}{
	"queued, never claimed": {ref, func(s *scene) { s.record(ref, order.Checkout) }},
	"queued, given back":    {ref, func(s *scene) { s.given(order.Queued) }},
	"queued, its runner died": {ref, func(s *scene) {
		s.record(ref, order.Bulk)
		s.claim(ref)
	}},
	"submitting": {ref, func(s *scene) { s.given(order.Submitting) }},
	"submitting, its runner died": {ref, func(s *scene) {
		s.record(ref, order.Bulk)
		_, _, err := s.ledger.Submit(s.ctx, ref, s.claim(ref), ledger.Intent{Host: "fake.invalid", Lease: lease, Ticket: -1})
		s.must(err)
	}},
	"accepted":                       {ref, func(s *scene) { s.given(order.Accepted) }},
	"a refund, never claimed":        {ref.Refund("R1"), func(s *scene) { s.record(ref.Refund("R1"), order.Checkout) }},
	"a refund whose runner has died": {ref.Refund("R1"), func(s *scene) { s.record(ref.Refund("R1"), order.Bulk); s.claim(ref.Refund("R1")) }},
}

// fates are what can happen to a task that was enqueued.
var fates = map[string]func(s *scene, h queue.Home){
	"deleted":  func(s *scene, h queue.Home) { s.must(s.inspector.DeleteTask(h.Queue, h.ID)) },
	"archived": func(s *scene, h queue.Home) { s.must(s.inspector.ArchiveTask(h.Queue, h.ID)) },
	"archived and trimmed": func(s *scene, h queue.Home) {
		s.must(s.inspector.ArchiveTask(h.Queue, h.ID))
		s.must(s.rdb.ZRem(s.ctx, keys.Queue(h.Queue)+"archived", h.ID).Err())
	},
	"active without a lease": func(s *scene, h queue.Home) { s.handOut(h.Queue, false) },
	"taken by a dead worker": func(s *scene, h queue.Home) { s.handOut(h.Queue, true) },
	"deleted but for its id": func(s *scene, h queue.Home) { s.must(s.rdb.Del(s.ctx, keys.Task(h.Queue, h.ID)).Err()) },
	"deleted but for its id, which was handed out": func(s *scene, h queue.Home) {
		s.must(s.rdb.Del(s.ctx, keys.Task(h.Queue, h.ID)).Err())
		s.handOut(h.Queue, true)
	},
	"completed without effect": func(s *scene, h queue.Home) {
		s.must(s.rdb.LRem(s.ctx, keys.Queue(h.Queue)+"pending", 0, h.ID).Err())
		s.must(s.rdb.HSet(s.ctx, keys.Task(h.Queue, h.ID), "state", "completed").Err())
		s.must(s.rdb.ZAdd(s.ctx, keys.Queue(h.Queue)+"completed", redis.Z{Score: float64(s.now.Add(24 * time.Hour).Unix()), Member: h.ID}).Err())
	},
	"lost with its queue": func(s *scene, h queue.Home) {
		all, err := s.rdb.Keys(s.ctx, "asynq:*").Result()
		s.must(err)
		s.must(s.rdb.Del(s.ctx, all...).Err())
	},
}

func TestWhateverHappensToATaskItIsBackWithin30Seconds(t *testing.T) {
	testredis.Each(t, func(t *testing.T, srv *testredis.Server) {
		for standing, r := range standings {
			for fate, befall := range fates {
				t.Run(standing+"/"+fate, func(t *testing.T) {
					s := emptied(t, srv)
					r.make(s)
					h := s.enqueue(r.ref, 0)
					befall(s, h)
					s.sweepFor(30 * time.Second)
					// Of an order or refund a second task finds the claim taken; a second poll would ask for ever.
					n, most := s.pending(h.Queue)[r.ref], 2
					if h.Type == queue.PollType(shop.Provider) {
						most = 1
					}
					if n < 1 || n > most {
						t.Errorf("%d tasks of %s wait for a worker, want 1 to %d\n%s", n, r.ref, most, s.log.String())
					}
				})
			}
		}
	})
}

// A crash between record and task.
func TestARecordThatNeverGotItsTaskHasOneWithin30Seconds(t *testing.T) {
	testredis.Each(t, func(t *testing.T, srv *testredis.Server) {
		for standing, r := range standings {
			t.Run(standing, func(t *testing.T) {
				s := emptied(t, srv)
				r.make(s)
				s.sweepFor(30 * time.Second)
				if n := s.pending(s.home(r.ref).Queue)[r.ref]; n != 1 {
					t.Errorf("%d tasks of %s wait for a worker, want 1", n, r.ref)
				}
			})
		}
	})
}

// emptied is a scene over a server that other scenes have used.
func emptied(t *testing.T, srv *testredis.Server) *scene {
	s := newScene(t, srv, sweeper.Config{})
	s.must(s.rdb.FlushDB(s.ctx).Err())
	return s
}

// What a click on "archive all" or "delete all" in the web UI does to a bulk that waits.
func TestArchivingOrDeletingAllTasksLosesNothing(t *testing.T) {
	const lane, orders = "ecticket-bulk", 1000
	for name, act := range map[string]func(*asynq.Inspector) (int, error){
		"archive all": func(i *asynq.Inspector) (int, error) { return i.ArchiveAllPendingTasks(lane) },
		"delete all":  func(i *asynq.Inspector) (int, error) { return i.DeleteAllPendingTasks(lane) },
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, s *scene) {
				for i := range orders {
					r := order.Ref{Account: shop, OrderID: fmt.Sprintf("B%d", i)}
					s.record(r, order.Bulk)
					s.enqueue(r, 0)
				}
				if n, err := act(s.inspector); n != orders || err != nil {
					t.Fatalf("%d tasks, %v", n, err)
				}
				s.sweepFor(30 * time.Second)
				back := s.pending(lane)
				for r, n := range back {
					if n != 1 {
						t.Errorf("%s has %d tasks", r, n)
					}
				}
				if len(back) != orders {
					t.Errorf("%d of %d orders have a task", len(back), orders)
				}
			})
		})
	}
}
