package tasks

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/testredis"
)

// onRead shows when a client reads the stream of events for the first time.
type onRead struct {
	testredis.Hook
	once    sync.Once
	reading chan struct{}
}

func newOnRead() *onRead { return &onRead{reading: make(chan struct{})} }

func (h *onRead) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "xread" {
			h.once.Do(func() { close(h.reading) })
		}
		return next(ctx, cmd)
	}
}

// waiter is a client of its own that waits for an order in the background.
type waiter struct {
	reading <-chan struct{} // closed when it waits for events
	done    chan struct{}
	status  *Status
	err     error
}

func (b *bench) wait(t testing.TB, ctx context.Context, wait func(ctx context.Context, c *Client) (*Status, error)) *waiter {
	t.Helper()
	hook := newOnRead()
	c := b.client(t, newKey, hook)
	w := &waiter{reading: hook.reading, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		w.status, w.err = wait(ctx, c)
	}()
	return w
}

func forOrder(id string) func(context.Context, *Client) (*Status, error) {
	return func(ctx context.Context, c *Client) (*Status, error) { return c.Wait(ctx, shop, id) }
}

// over waits for the waiter, but not for ever.
func (w *waiter) over(t testing.TB, within time.Duration) {
	t.Helper()
	limit := time.NewTimer(within)
	defer limit.Stop()
	select {
	case <-w.done:
	case <-limit.C:
		t.Fatal("still waiting")
	}
}

// Whoever waits learns of the end when it comes, by its event and not by asking again.
func TestWaitReturnsWhenTheOrderEnds(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for _, s := range []State{Issued, Failed, Cancelled, Review} {
			id := b.id()
			b.enqueue(t, orderDoc(id))
			w := b.wait(t, b.ctx, forOrder(id))
			<-w.reading
			began := time.Now()
			// Somebody else's end does not end the wait.
			b.enqueue(t, orderDoc("X"+id))
			b.reach(t, ref("X"+id), Issued)
			b.reach(t, ref(id), s)
			w.over(t, 10*time.Second)
			if w.err != nil || w.status.State != s || w.status.OrderID != id {
				t.Errorf("%+v, %v", w.status, w.err)
			}
			if took := time.Since(began); took >= recheck {
				t.Errorf("the end was noticed after %s only", took)
			}
		}
	})
}

// An order that has ended, however long ago, is reported at once.
func TestWaitForAnOrderThatHasEnded(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, orderDoc("O1"))
		b.reach(t, ref("O1"), Issued)
		if err := b.rdb.Del(b.ctx, keys.Events).Err(); err != nil {
			t.Fatal(err)
		}
		w := b.wait(t, b.ctx, forOrder("O1"))
		w.over(t, 10*time.Second)
		if w.err != nil || w.status.State != Issued {
			t.Errorf("%+v, %v", w.status, w.err)
		}
		select {
		case <-w.reading:
			t.Error("it waited for an event")
		default:
		}
	})
}

// One may wait for an order before it is enqueued.
func TestWaitForAnOrderThatIsStillToCome(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		w := b.wait(t, b.ctx, forOrder("O1"))
		<-w.reading
		b.enqueue(t, orderDoc("O1"))
		b.reach(t, ref("O1"), Issued)
		w.over(t, 10*time.Second)
		if w.err != nil || w.status.State != Issued {
			t.Errorf("%+v, %v", w.status, w.err)
		}
	})
}

// The end of the context ends the wait soon, and is what the error says, however it shows.
func TestWaitEndsWithItsContext(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, orderDoc("O1"))
		ctx, cancel := context.WithCancel(b.ctx)
		w := b.wait(t, ctx, forOrder("O1"))
		<-w.reading
		cancel()
		w.over(t, 3*time.Second)
		if !errors.Is(w.err, context.Canceled) || w.status != nil {
			t.Errorf("%+v, %v", w.status, w.err)
		}
		ctx, cancel = context.WithTimeout(b.ctx, 100*time.Millisecond)
		defer cancel()
		w = b.wait(t, ctx, forOrder("O1"))
		w.over(t, 3*time.Second)
		if !errors.Is(w.err, context.DeadlineExceeded) {
			t.Errorf("%v", w.err)
		}
		w = b.wait(t, ctx, forOrder("O1")) // it has ended before
		w.over(t, 3*time.Second)
		if !errors.Is(w.err, context.DeadlineExceeded) {
			t.Errorf("%v", w.err)
		}
	})
}

// A refund's end is waited for in the same way; the order's own end and another refund's are not it.
func TestWaitForARefund(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, orderDoc("O1"))
		b.reach(t, ref("O1"), Issued)
		b.enqueue(t, refundDoc("O1", "R1"))
		b.enqueue(t, refundDoc("O1", "R2"))
		w := b.wait(t, b.ctx, func(ctx context.Context, c *Client) (*Status, error) {
			return c.WaitRefund(ctx, shop, "O1", "R2")
		})
		<-w.reading
		for _, id := range []string{"R1", "R2"} {
			b.reach(t, ref("O1").Refund(id), Refunded)
		}
		w.over(t, 10*time.Second)
		if w.err != nil || len(w.status.Refunds) != 2 || w.status.Refunds[1].State != Refunded {
			t.Errorf("%+v, %v", w.status, w.err)
		}
	})
}

// A Redis that goes away ends the wait with an error that is not the context's.
func TestWaitEndsWhenRedisIsGone(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, orderDoc("O1"))
		w := b.wait(t, b.ctx, forOrder("O1"))
		<-w.reading
		b.server.Kill()
		w.over(t, 10*time.Second)
		if w.err == nil || errors.Is(w.err, context.Canceled) || errors.Is(w.err, context.DeadlineExceeded) {
			t.Errorf("%v", w.err)
		}
	})
}

// A review that a person has worked on again and that needs review again ends a new wait, and the end that a
// person decides is an end, too.
func TestWaitForAReviewThatIsRetried(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		r := ref("O1")
		b.enqueue(t, orderDoc("O1"))
		b.reach(t, r, Review)
		a, err := b.ledger.Reopen(b.ctx, r, "ann", "look again")
		applied(t, a, err)
		w := b.wait(t, b.ctx, forOrder("O1"))
		<-w.reading
		b.reach(t, r, Review)
		w.over(t, 10*time.Second)
		if w.err != nil || w.status.State != Review || w.status.ReviewAt == nil {
			t.Errorf("%+v, %v", w.status, w.err)
		}
	})
}

// A refund that is enqueued while somebody waits for it is waited for, and what the order's other refunds
// still wait for stands in the answer.
func TestWaitForARefundThatIsStillToCome(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, refundDoc("O1", "R1"))
		w := b.wait(t, b.ctx, func(ctx context.Context, c *Client) (*Status, error) { return c.WaitRefund(ctx, shop, "O1", "R2") })
		<-w.reading
		b.enqueue(t, refundDoc("O1", "R2"))
		b.reach(t, ref("O1").Refund("R2"), Cancelled)
		w.over(t, 10*time.Second)
		if w.err != nil || len(w.status.Refunds) != 2 || w.status.Refunds[0].Waits == nil || w.status.Refunds[1].Waits != nil {
			t.Errorf("%+v, %v", w.status, w.err)
		}
	})
}
