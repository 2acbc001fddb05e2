package queue

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

const (
	bulk    = "ecticket-bulk"
	issueID = "issue:ecticket:2000132:A1"
	beside  = issueID + "~1" // the id a task gets when its own is taken
)

// enqueue makes the task of A1.
func (b *bench) enqueue(t testing.TB, delay time.Duration) {
	t.Helper()
	must(t, b.Enqueue(t.Context(), a1, HomeOf(a1, order.Queued, order.Bulk), "", delay))
}

// stuck is an order that waits and whose task is "active" in nobody's hands.
func (b *bench) stuck(t testing.TB) {
	t.Helper()
	b.enqueue(t, 0)
	b.activate(t, bulk)
	b.reach(t, a1, order.Queued)
}

// trimmed archives a task and has the queue forget it as it does when its archive is full: the task
// can neither be run nor deleted, and its id stays taken.
func (b *bench) trimmed(t testing.TB, id string) {
	t.Helper()
	must(t, b.inspector.ArchiveTask(bulk, id))
	must(t, b.rdb.ZRem(t.Context(), "asynq:{ecticket-bulk}:archived", id).Err())
}

// A record without a task gets one, in every state, for orders and refunds, never begun or not; it names the
// record and has retries.
func TestARecordWhoseTaskIsGoneGetsOne(t *testing.T) {
	for name, c := range map[string]struct {
		r     order.Ref
		reach func(t testing.TB, b *bench, r order.Ref)
		queue string
		id    string
	}{
		"never begun":      {a1, func(t testing.TB, b *bench, r order.Ref) { b.record(t, r) }, bulk, issueID},
		"queued":           {a1, func(t testing.TB, b *bench, r order.Ref) { b.reach(t, r, order.Queued) }, bulk, issueID},
		"submitting":       {a1, func(t testing.TB, b *bench, r order.Ref) { b.reach(t, r, order.Submitting) }, bulk, issueID},
		"accepted":         {a1, func(t testing.TB, b *bench, r order.Ref) { b.reach(t, r, order.Accepted) }, "ecticket-poll", "poll:ecticket:2000132:A1"},
		"refund":           {a1.Refund("R1"), func(t testing.TB, b *bench, r order.Ref) { b.record(t, r) }, bulk, "refund:ecticket:2000132:A1:R1"},
		"abandoned refund": {a1.Refund("R1"), func(t testing.TB, b *bench, r order.Ref) { b.record(t, r); b.claim(t, r); b.now = b.now.Add(lease) }, bulk, "refund:ecticket:2000132:A1:R1"},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, b *bench) {
				c.reach(t, b, c.r)
				if why := b.ensure(t, c.r); why != "its task is gone" {
					t.Errorf("made because %q", why)
				}
				b.want(t, c.queue, c.id, "pending")
				info, err := b.inspector.GetTaskInfo(c.queue, c.id)
				must(t, err)
				if r, _, err := Decode(info.Payload); err != nil || r != c.r || info.MaxRetry != MaxRetry {
					t.Errorf("%s, %v, %d retries", r, err, info.MaxRetry)
				}
				if why := b.ensure(t, c.r); why != "" {
					t.Errorf("made once more because %q", why)
				}
			})
		})
	}
}

// A task that waits for its time is left to it, whether it was put off or retries; with a dead runner it runs
// at once.
func TestATaskThatWaitsIsLeftToItsTime(t *testing.T) {
	for _, retry := range []bool{false, true} {
		each(t, func(t *testing.T, b *bench) {
			b.enqueue(t, time.Hour)
			want := "scheduled"
			if retry { // as asynq puts it off after a run
				want = "retry"
				score := b.rdb.ZScore(t.Context(), "asynq:{ecticket-bulk}:scheduled", issueID).Val()
				must(t, b.rdb.ZRem(t.Context(), "asynq:{ecticket-bulk}:scheduled", issueID).Err())
				must(t, b.rdb.ZAdd(t.Context(), "asynq:{ecticket-bulk}:retry", redis.Z{Score: score, Member: issueID}).Err())
				must(t, b.rdb.HSet(t.Context(), keys.Task(bulk, issueID), "state", "retry").Err())
			}
			b.reach(t, a1, order.Submitting)
			if why := b.ensure(t, a1); why != "" {
				t.Errorf("made because %q", why)
			}
			b.want(t, bulk, issueID, want)

			b.claim(t, a1)
			b.now = b.now.Add(lease)
			if why := b.ensure(t, a1); why != "" {
				t.Errorf("with a dead runner one was made because %q", why)
			}
			b.want(t, bulk, issueID, "pending")
		})
	}
}

// A pending task is enough, whatever became of the record's runner.
func TestAPendingTaskIsEnough(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, 0)
		b.record(t, a1)
		b.claim(t, a1)
		b.now = b.now.Add(lease)
		if why := b.ensure(t, a1); why != "" || b.state(bulk, beside) != "" {
			t.Errorf("made because %q", why)
		}
	})
}

// A task that has ended without its record is made anew: archived, or completed and still kept.
func TestATaskThatEndedWithoutItsRecordRunsAgain(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, 0)
		b.reach(t, a1, order.Queued)
		must(t, b.inspector.ArchiveTask(bulk, issueID))
		if why := b.ensure(t, a1); why != "its task has ended without it" {
			t.Errorf("made because %q", why)
		}
		b.want(t, bulk, issueID, "pending")
	})
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		b := newBench(s)
		b.reach(t, a1, order.Queued)
		b.enqueue(t, 0)
		b.work(t, bulk, func(context.Context, *asynq.Task) error { return nil }, "completed")
		if why := b.ensure(t, a1); why != "its task has ended without it" {
			t.Errorf("made because %q", why)
		}
		b.want(t, bulk, issueID, "pending")
	})
}

// work runs a queue's task in a real server until the task is in a state.
func (b *bench) work(t *testing.T, queue string, handle asynq.HandlerFunc, state string) {
	t.Helper()
	srv := asynq.NewServerFromRedisClient(b.rdb, asynq.Config{Queues: map[string]int{queue: 1}, Concurrency: 1, LogLevel: asynq.FatalLevel,
		TaskCheckInterval: 10 * time.Millisecond, ShutdownTimeout: time.Second})
	must(t, srv.Start(handle))
	t.Cleanup(srv.Shutdown)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for giveUp := time.Now().Add(10 * time.Second); b.state(queue, issueID) != state; <-tick.C {
		if time.Now().After(giveUp) {
			t.Fatalf("the task is %q, want %q", b.state(queue, issueID), state)
		}
	}
	srv.Shutdown()
}

// A task left active by a worker that is gone is gone around, unless a living worker holds its lease and the
// record is not abandoned.
func TestATaskLeftActiveByNobodyIsGoneAround(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.stuck(t)
		leases := keys.Queue(bulk) + "lease"
		// Leases are by the workers' clocks, which the record's is not.
		must(t, b.rdb.ZAdd(t.Context(), leases, redis.Z{Score: float64(time.Now().AddDate(1, 0, 0).Unix()), Member: issueID}).Err())
		if why := b.ensure(t, a1); why != "" || b.state(bulk, beside) != "" {
			t.Fatalf("a living worker's task: made because %q", why)
		}
		must(t, b.rdb.ZAdd(t.Context(), leases, redis.Z{Score: float64(time.Now().Add(-time.Second).Unix()), Member: issueID}).Err())
		if why := b.ensure(t, a1); why != "its worker is gone" {
			t.Errorf("with a lease that has run out: made because %q", why)
		}
		b.want(t, bulk, beside, "pending")
	})
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, 0)
		b.activate(t, bulk)
		must(t, b.rdb.ZAdd(t.Context(), keys.Queue(bulk)+"lease", redis.Z{Score: float64(time.Now().Add(time.Hour).Unix()), Member: issueID}).Err())
		b.record(t, a1)
		b.claim(t, a1)
		if why := b.ensure(t, a1); why != "" {
			t.Errorf("a live claim: made because %q", why)
		}
		b.now = b.now.Add(lease) // the worker lives, but its run of this record is dead
		if why := b.ensure(t, a1); why != "its worker is gone" {
			t.Errorf("made because %q", why)
		}
		b.want(t, bulk, beside, "pending")
	})
	each(t, func(t *testing.T, b *bench) {
		b.stuck(t)
		b.ensure(t, a1)
		b.want(t, bulk, beside, "pending")
	})
}

// The task beside is looked after like the first.
func TestTheTaskBesideIsLookedAfterLikeTheFirst(t *testing.T) {
	for name, end := range map[string]func(*bench) error{
		"archived": func(b *bench) error { return b.inspector.ArchiveTask(bulk, beside) },
		"deleted":  func(b *bench) error { return b.inspector.DeleteTask(bulk, beside) },
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, b *bench) {
				b.stuck(t)
				b.ensure(t, a1)
				must(t, end(b))
				b.ensure(t, a1)
				b.want(t, bulk, beside, "pending")
			})
		})
	}
}

// A task that the queue forgot without freeing its id is gone around, again and again, and one task is enough.
func TestATaskThatTheQueueForgotWithoutFreeingItsIDIsGoneAround(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.reach(t, a1, order.Queued)
		b.enqueue(t, 0)
		last := issueID
		for _, next := range []string{beside, beside + ".1", beside + ".2"} {
			b.trimmed(t, last)
			last = next
			if why := b.ensure(t, a1); why != "its task has ended without it" {
				t.Errorf("made because %q", why)
			}
			b.want(t, bulk, next, "pending")
			if why := b.ensure(t, a1); why != "" {
				t.Errorf("made once more because %q", why)
			}
		}
	})
}

// A record without any free id is an error that says what to delete, and no task is made.
func TestARecordWithoutAnyFreeIDIsAnError(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.reach(t, a1, order.Queued)
		b.enqueue(t, 0)
		for range 1 + detours {
			info, err := b.inspector.ListPendingTasks(bulk)
			must(t, err)
			if len(info) != 1 {
				t.Fatalf("%d tasks wait", len(info))
			}
			b.trimmed(t, info[0].ID)
			_, err = b.Ensure(t.Context(), a1, b.view(t, a1))
			if full := b.state(bulk, beside+".9") == "archived"; (err != nil) != full {
				t.Fatalf("%v", err)
			} else if full && !strings.Contains(err.Error(), "asynq:{ecticket-bulk}:t:"+issueID) {
				t.Errorf("the error does not say what to delete: %v", err)
			} else if full {
				return
			}
		}
		t.Error("there is always a free id")
	})
}

// A Redis that is gone is an error, not a missing task.
func TestAQueueThatDoesNotAnswerIsAnError(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		b := newBench(s)
		b.record(t, a1)
		v := b.view(t, a1)
		s.Kill()
		if why, err := b.Ensure(t.Context(), a1, v); err == nil || why != "" {
			t.Errorf("%q, %v", why, err)
		}
		if found, err := b.Look(t.Context(), HomeOf(a1, order.Queued, order.Bulk)); err == nil {
			t.Errorf("%+v", found)
		}
		if err := b.Run(t.Context(), HomeOf(a1, order.Queued, order.Bulk)); err == nil {
			t.Error("run")
		}
		if served, err := b.Served(t.Context(), bulk); err == nil || served {
			t.Errorf("served %t, %v", served, err)
		}
		if b.Delete(t.Context(), HomeOf(a1, order.Queued, order.Bulk)) {
			t.Error("deleted")
		}
	})
}

// A queue is served while a worker of that queue lives; another queue's worker does not count.
func TestAQueueIsServedByItsWorkers(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		served := func(queue string, want bool) {
			t.Helper()
			if got, err := b.Served(t.Context(), queue); err != nil || got != want {
				t.Errorf("%s is served: %t, %v", queue, got, err)
			}
		}
		served(bulk, false)
		srv := asynq.NewServerFromRedisClient(b.rdb, asynq.Config{Queues: map[string]int{bulk: 1}, Concurrency: 1, LogLevel: asynq.FatalLevel, ShutdownTimeout: time.Second})
		must(t, srv.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error { return nil })))
		t.Cleanup(srv.Shutdown)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for giveUp := time.Now().Add(10 * time.Second); ; <-tick.C { // its first heartbeat
			if ok, err := b.Served(t.Context(), bulk); err == nil && ok {
				break
			} else if time.Now().After(giveUp) {
				t.Fatalf("%t, %v", ok, err)
			}
		}
		served(Name(providers.ECTicket, order.Checkout), false)
		srv.Shutdown()
		served(bulk, false)
	})
}
