package tasks

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/budget"
	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/providers"
)

func (b *bench) waiting(t testing.TB, r Ref) Waiting {
	t.Helper()
	s, err := b.Status(b.ctx, r.Account, r.OrderID)
	must(t, err)
	w := s.Waits
	if r.IsRefund() {
		w = s.Refunds[0].Waits
	}
	if w == nil {
		t.Fatalf("%s waits for nothing", r)
	}
	return *w
}

// An unfinished order says what it waits for, whatever has become of its task: a lost one is the sweeper's.
func TestWhatAnOrderWaitsFor(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for r, doc := range documents("O1") {
			h := home(r, Checkout)
			b.enqueue(t, doc)
			if w := b.waiting(t, r); w != (Waiting{For: "a free worker", NoWorker: true}) {
				t.Errorf("%s: %+v", r, w)
			}
			must(t, b.inspector.PauseQueue(h.Queue))
			if w := b.waiting(t, r); w.For != "its queue, which is paused" {
				t.Errorf("%s, paused: %+v", r, w)
			}
			must(t, b.inspector.UnpauseQueue(h.Queue))
			b.take(t, h, time.Now().Add(time.Minute))
			if w := b.waiting(t, r); w.For != "the worker that is working on it" {
				t.Errorf("%s, active: %+v", r, w)
			}
			// Its worker is gone.
			must(t, b.rdb.ZRem(b.ctx, "asynq:{"+h.Queue+"}:lease", h.ID).Err())
			if w := b.waiting(t, r); !strings.HasPrefix(w.For, "the sweeper") {
				t.Errorf("%s, without a lease: %+v", r, w)
			}
			// Enqueueing it again makes another task, beside the one that hangs.
			b.enqueue(t, doc)
			if w := b.waiting(t, r); w.For != "a free worker" {
				t.Errorf("%s, healed: %+v", r, w)
			}
		}
		r := ref("O2")
		b.enqueue(t, orderDoc("O2"))
		b.drop(t, home(r, Checkout))
		if w := b.waiting(t, r); !strings.HasPrefix(w.For, "the sweeper") {
			t.Errorf("deleted: %+v", w)
		}
		b.begin(t, r) // a worker claimed it before its task was deleted
		if w := b.waiting(t, r); w.For != "the worker that is working on it" {
			t.Errorf("claimed: %+v", w)
		}
	})
}

// An order whose account is held says by whom and why; a pause of another lane is not its.
func TestAHeldOrderSaysWhy(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.announce(t, shop, true)
		b.enqueue(t, orderDoc("O1"))
		pause := func(lane Lane) {
			_, added, err := budget.Pause(b.ctx, b.rdb, shop, lane, "ann", "prices are wrong")
			if err != nil || !added {
				t.Fatalf("%t, %v", added, err)
			}
		}
		pause(Bulk)
		if w := b.waiting(t, ref("O1")); w.For != "a free worker" {
			t.Errorf("%+v", w)
		}
		pause("")
		if w := b.waiting(t, ref("O1")); w.For != "its account's calls, which are held" || w.Held != "paused by ann: prices are wrong" || w.Until != nil {
			t.Errorf("%+v", w)
		}
	})
}

// serve runs a worker's queue until the end of the test or stop, and returns once it is known to serve.
func (b *bench) serve(t testing.TB, h asynq.HandlerFunc, queues ...string) (stop func()) {
	t.Helper()
	weights := map[string]int{}
	for _, q := range queues {
		weights[q] = 1
	}
	srv := asynq.NewServerFromRedisClient(b.server.Client(), asynq.Config{Concurrency: 1, Queues: weights, LogLevel: asynq.FatalLevel,
		TaskCheckInterval: 5 * time.Millisecond, RetryDelayFunc: queue.RetryDelay, IsFailure: queue.IsFailure})
	must(t, srv.Start(h))
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			srv.Shutdown()
		}
	}
	t.Cleanup(stop)
	eventually(t, "a worker serves "+queues[0], func() bool {
		served, err := b.queue.Served(t.Context(), queues[0])
		return err == nil && served
	})
	return stop
}

// eventually looks again until something is so, which another goroutine does.
func eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	limit := time.NewTimer(10 * time.Second)
	defer limit.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-limit.C:
			t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

// After a run, an order waits for its next try, and what the run found stands beside it, until when it said, and
// when the queue runs it again. Whether any worker serves the queue is part of the answer.
func TestWhatTheLastRunFoundStandsBesideWhatAnOrderWaitsFor(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		until := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
		b.enqueue(t, orderDoc("O1"))
		b.enqueue(t, orderDoc("O2"))
		stop := b.serve(t, func(_ context.Context, task *asynq.Task) error {
			if r, _, err := queue.Decode(task.Payload()); err != nil || r.OrderID == "O1" {
				return queue.WaitUntil(10*time.Minute, "the provider does not answer", until)
			}
			return context.DeadlineExceeded
		}, "ecticket-checkout")
		eventually(t, "both have run", func() bool {
			n, err := b.rdb.ZCard(b.ctx, "asynq:{ecticket-checkout}:retry").Result()
			return err == nil && n == 2
		})
		w := b.waiting(t, ref("O1"))
		if w.For != "its next try" || w.LastRun != "the provider does not answer" || w.Until == nil || !w.Until.Equal(until) || w.NoWorker || w.NextAt == nil ||
			time.Until(*w.NextAt) < 9*time.Minute || time.Until(*w.NextAt) > 10*time.Minute {
			t.Errorf("%+v", w)
		}
		if w := b.waiting(t, ref("O2")); w.For != "its next try" || w.LastRun != "an error: "+context.DeadlineExceeded.Error() || w.NextAt == nil || w.Until != nil {
			t.Errorf("%+v", w)
		}
		if ok, err := b.WorkerServes(t.Context(), shop, Checkout); err != nil || !ok {
			t.Errorf("%t, %v", ok, err)
		}
		if ok, err := b.WorkerServes(t.Context(), shop, Bulk); err != nil || ok {
			t.Errorf("bulk: %t, %v", ok, err)
		}
		// A worker that serves the queue for another account is none for this one.
		for _, c := range []struct {
			ago    time.Duration
			served bool
		}{{3 * time.Minute, false}, {0, true}} {
			announced, err := budget.New(b.rdb, budget.Config{Account: shop, PerSecond: 4, Now: func() time.Time { return time.Now().Add(-c.ago) }})
			must(t, err)
			must(t, announced.Announce(b.ctx))
			ok, err := b.WorkerServes(b.ctx, shop, Checkout)
			if w := b.waiting(t, ref("O1")); err != nil || ok != c.served || w.NoWorker == c.served {
				t.Errorf("announced %s ago: %t, %v, %+v", c.ago, ok, err, w)
			}
		}
		stop()
		if w := b.waiting(t, ref("O1")); !w.NoWorker {
			t.Errorf("%+v", w)
		}
	})
}

// Once calls are resumed, or the provider answers again, no order shows the old hold: its task notices at its
// next try.
func TestAResumedOrderIsNotShownAsHeld(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		holds := map[string]string{
			"O1": budget.Hold{Who: "ann", Reason: "prices are wrong"}.String(),
			"O2": budget.Trouble{Kind: providers.HealthUnreachable, Code: "timeout", Since: time.Now()}.String(),
		}
		b.enqueue(t, orderDoc("O1"))
		b.enqueue(t, orderDoc("O2"))
		b.serve(t, func(_ context.Context, task *asynq.Task) error {
			r, _, err := queue.Decode(task.Payload())
			return errors.Join(err, queue.WaitUntil(time.Hour, holds[r.OrderID], time.Time{}))
		}, "ecticket-checkout")
		eventually(t, "they have run", func() bool {
			n, err := b.rdb.ZCard(b.ctx, "asynq:{ecticket-checkout}:retry").Result()
			return err == nil && n == 2
		})
		for id := range holds {
			if w := b.waiting(t, ref(id)); w.For != "its next try" || w.NextAt == nil || w.Held != "" {
				t.Errorf("%s: %+v", id, w)
			}
		}
	})
}

// An order of an account whose provider does not answer says so, whatever its last run waited for.
func TestAnOrderInAnOutageSaysSo(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.announce(t, shop, true)
		account, err := budget.New(b.rdb, budget.Config{Account: shop, PerSecond: 1})
		must(t, err)
		b.enqueue(t, orderDoc("O1"))
		account.Answered(b.ctx, providers.Condition{State: providers.HealthUnreachable, Code: "http_503", RetryAfter: time.Hour})
		w := b.waiting(t, ref("O1"))
		if w.For != "its account's calls, which are held" || w.Held != "the provider, unreachable (http_503)" || w.HeldSince == nil || time.Since(*w.HeldSince) > time.Minute ||
			w.Until == nil || time.Until(*w.Until) < 59*time.Minute {
			t.Errorf("%+v", w)
		}
		b.serve(t, func(context.Context, *asynq.Task) error { return queue.Wait(time.Hour, "in doubt") }, "ecticket-checkout")
		eventually(t, "it has run", func() bool {
			n, err := b.rdb.ZCard(b.ctx, "asynq:{ecticket-checkout}:retry").Result()
			return err == nil && n == 1
		})
		if w := b.waiting(t, ref("O1")); w.For != "its next try" || w.LastRun != "in doubt" || w.Held != "the provider, unreachable (http_503)" || w.HeldSince == nil {
			t.Errorf("%+v", w)
		}
	})
}

// An order of an account that was removed waits for a worker that serves it, whatever its calls were held for before, and whether it was
// put aside or waits for its time.
func TestAnOrderOfARemovedAccountWaitsForAWorker(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.announce(t, shop, true)
		account, err := budget.New(b.rdb, budget.Config{Account: shop, PerSecond: 1})
		must(t, err)
		b.enqueue(t, orderDoc("O1"))
		b.enqueue(t, orderDoc("O2"))
		account.Answered(b.ctx, providers.Condition{State: providers.HealthUnreachable, Code: "http_503", RetryAfter: time.Hour})
		stop := b.serve(t, func(_ context.Context, task *asynq.Task) error {
			if r, _, err := queue.Decode(task.Payload()); err != nil || r.OrderID != "O1" {
				return errors.Join(err, queue.Wait(time.Hour, "the provider, unreachable (http_503)"))
			}
			return queue.Wait(time.Hour, "in doubt")
		}, "ecticket-checkout")
		eventually(t, "both have run", func() bool {
			n, err := b.rdb.ZCard(b.ctx, keys.Queue("ecticket-checkout")+"retry").Result()
			return err == nil && n == 2
		})
		b.queue.Join(b.ctx, []queue.Home{home(ref("O2"), Checkout)})
		must(t, budget.Withdraw(b.ctx, b.rdb, shop))
		for _, id := range []string{"O1", "O2"} {
			if w := b.waiting(t, ref(id)); w.For != "a worker that serves its account" || w.Until != nil || !w.NoWorker || w.Held == "" {
				t.Errorf("%s: %+v", id, w)
			}
		}
		stop()
	})
}

// A task that waits for its first time, as a poll does, says when that is.
func TestAnAcceptedOrderWaitsForItsPoll(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		r := ref("O1")
		b.enqueue(t, orderDoc("O1"))
		b.reach(t, r, Accepted)
		b.drop(t, home(r, Checkout))
		must(t, b.queue.Enqueue(b.ctx, r, queue.PollHome(r), "", time.Hour))
		w := b.waiting(t, r)
		if w.For != "the provider to issue it" || w.LastRun != "" || w.NextAt == nil || time.Until(*w.NextAt) < 50*time.Minute {
			t.Errorf("%+v", w)
		}
	})
}

// A refund that came before its order's end waits for that, whatever its last run found: it says where the order
// stands, and not that nobody knows it.
func TestARefundWaitsForItsOrder(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		o := ref("O1")
		r := o.Refund("R1")
		b.enqueue(t, refundDoc("O1", "R1"))
		claim, err := b.ledger.Claim(b.ctx, r, "runner", time.Minute)
		must(t, err)
		a, err := b.ledger.YieldTurn(b.ctx, r, claim.Record.Fence, ledger.Reason{Code: "order_unknown", Message: "nobody knows the order"}, false)
		applied(t, a, err)
		b.drop(t, home(r, Checkout))
		must(t, b.queue.Enqueue(b.ctx, r, home(r, Checkout), "", time.Hour))
		if w := b.waiting(t, r); w.For != "its order, which nobody knows yet" || w.NextAt == nil || w.OrderState != "" {
			t.Errorf("%+v", w)
		}
		b.enqueue(t, orderDoc("O1"))
		for _, state := range []State{Queued, Submitting, Accepted} {
			must(t, b.rdb.HSet(b.ctx, keys.Record(o), "state", string(state)).Err())
			s, err := b.Status(b.ctx, o.Account, o.OrderID)
			must(t, err)
			w := s.Refunds[0].Waits
			if w == nil || w.For != "its order ("+string(state)+")" || w.OrderState != state || w.NextAt == nil || w.Until != nil || w.LastRun != "" {
				t.Errorf("%s: %+v", state, w)
			}
			if e := s.Refunds[0].Error; e != nil {
				t.Errorf("%s: the last result is still %+v", state, e)
			}
		}
		must(t, b.rdb.HSet(b.ctx, keys.Record(o), "state", string(Issued)).Err())
		s, err := b.Status(b.ctx, o.Account, o.OrderID)
		must(t, err)
		if w := s.Refunds[0].Waits; w.For != "its next try" || w.OrderState != "" || s.Refunds[0].Error != nil {
			t.Errorf("issued: %+v, %+v", w, s.Refunds[0].Error)
		}
	})
}

// What is waited for is a short phrase. What else a run found stands apart, unless the last result says it.
func TestWhatIsWaitedForIsShort(t *testing.T) {
	why := &StatusError{Code: "timeout", Message: "no complete answer within 20s"}
	for _, c := range []struct {
		state        State
		why          *StatusError
		text         string
		want, andRun string
	}{
		{Submitting, why, "in doubt: timeout", "proof of what its last request did", ""},
		{Submitting, nil, "in doubt: timeout", "proof of what its last request did", "in doubt: timeout"},
		{Accepted, nil, "waiting for the provider to issue it", "the provider to issue it", ""},
		{Accepted, nil, "waiting for the provider to issue it; an older order is asked for in its place", "the provider to issue it", "an older order is asked for in its place"},
		{Accepted, nil, "no clear answer: garbage", "the provider to issue it", "no clear answer: garbage"},
		{Queued, why, "waiting for its seal key in ISSUANCE_SEAL_KEYS", "its seal key in ISSUANCE_SEAL_KEYS", ""},
		{Queued, why, "not sent: no complete answer within 20s", "its next try", ""},
		{Queued, why, "", "its next try", ""},
		{Queued, nil, "another worker serves account " + shop.String(), "its next try", ""},
		{Queued, nil, "held: " + shop.String() + " is banned by the provider until 12:00:00 UTC", "its next try", ""},
	} {
		w := Waiting{}
		text := ""
		if c.text != "" {
			text = queue.Wait(time.Second, c.text).Error()
		}
		w.putOff(unfinished{Standing: &Standing{State: c.state, Error: c.why}, ref: ref("O1")}, queue.Task{Why: text})
		if w.For != c.want || w.LastRun != c.andRun {
			t.Errorf("%s after %q: %q, last run %q", c.state, c.text, w.For, w.LastRun)
		}
	}
	w := Waiting{}
	w.putOff(unfinished{Standing: &Standing{State: Queued}, ref: ref("O1")}, queue.Task{Why: "ledger: load: queue: connection refused"})
	if w.LastRun != "an error: load: connection refused" {
		t.Errorf("%q", w.LastRun)
	}
	// Of a refund ticket by ticket, only a ticket in doubt waits for proof.
	for doubt, want := range map[bool]string{true: "proof of what its last request did", false: "its next try"} {
		u := unfinished{Standing: &Standing{State: Submitting}, ref: ref("O1").Refund("R1"), order: Issued, byTicket: true, sent: doubt}
		if got := u.waitsFor(); got != want {
			t.Errorf("%t: %q", doubt, got)
		}
	}
}

// A process that was stopped for minutes in the middle of its question knows nothing of the workers at present, which may
// have been stopped as well.
func TestAStatusThatStoodStillSaysNothingOfWorkers(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, orderDoc("O1"))
		if w := b.waiting(t, ref("O1")); !w.NoWorker {
			t.Fatalf("%+v", w)
		}
		reads := 0
		b.wall = func() time.Time {
			reads++
			return time.Now().Add(time.Duration(reads/2) * 5 * time.Minute) // between every second reading and the next
		}
		if w := b.waiting(t, ref("O1")); w.NoWorker || w.NoWrites != "" || w.For != "a free worker" {
			t.Errorf("%+v", w)
		}
		if served, err := b.WorkerServes(t.Context(), shop, Checkout); served || err == nil {
			t.Errorf("served: %t, %v", served, err)
		}
	})
}
