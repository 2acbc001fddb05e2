package tasks

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/ledger"
	"issuance/providers"
)

// onRead tells when a client reads the stream of events for the first time.
type onRead struct {
	once    sync.Once
	reading chan struct{}
}

func newOnRead() *onRead { return &onRead{reading: make(chan struct{})} }

func (*onRead) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *onRead) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "xread" {
			h.once.Do(func() { close(h.reading) })
		}
		return next(ctx, cmd)
	}
}

func (*onRead) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
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
	rdb, hook := b.server.Client(), newOnRead()
	rdb.AddHook(hook)
	c := client(t, rdb, newKey)
	w := &waiter{reading: hook.reading, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		w.status, w.err = wait(ctx, c)
	}()
	return w
}

func forOrder(id string) func(context.Context, *Client) (*Status, error) {
	return func(ctx context.Context, c *Client) (*Status, error) { return c.Wait(ctx, providers.ECTicket, id) }
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
		for _, s := range []ledger.State{ledger.Issued, ledger.Failed, ledger.Review} {
			id := "O" + string(s)
			b.enqueue(t, order(id))
			w := b.wait(t, b.ctx, forOrder(id))
			<-w.reading
			began := time.Now()
			// Somebody else's end does not end the wait.
			b.enqueue(t, order("X"+string(s)))
			b.finish(t, "X"+string(s), ledger.Ending{State: ledger.Issued})
			b.finish(t, id, ledger.Ending{State: s, Reason: ledger.Reason{Code: "C"}})
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

// An order that has ended, however long ago, is told at once.
func TestWaitForAnOrderThatHasEnded(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, order("O1"))
		b.finish(t, "O1", ledger.Ending{State: ledger.Issued})
		if err := b.rdb.Del(b.ctx, ledger.EventsKey).Err(); err != nil {
			t.Fatal(err)
		}
		w := b.wait(t, b.ctx, forOrder("O1"))
		w.over(t, 10*time.Second)
		if w.err != nil || w.status.State != ledger.Issued {
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
		b.enqueue(t, order("O1"))
		b.finish(t, "O1", ledger.Ending{State: ledger.Issued})
		w.over(t, 10*time.Second)
		if w.err != nil || w.status.State != ledger.Issued {
			t.Errorf("%+v, %v", w.status, w.err)
		}
	})
}

// The end of the context ends the wait soon, and is what the error says, however it shows.
func TestWaitEndsWithItsContext(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, order("O1"))
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
		b.enqueue(t, order("O1"))
		b.finish(t, "O1", ledger.Ending{State: ledger.Issued})
		b.enqueue(t, refund("O1", "R1"))
		b.enqueue(t, refund("O1", "R2"))
		w := b.wait(t, b.ctx, func(ctx context.Context, c *Client) (*Status, error) {
			return c.WaitRefund(ctx, providers.ECTicket, "O1", "R2")
		})
		<-w.reading
		for _, id := range []string{"R1", "R2"} {
			p := b.task(t, Checkout, "refund:ecticket:O1:"+id)
			a, err := b.ledger.FinishRefund(b.ctx, p.RefundKey(), b.begin(t, p), ledger.RefundEnding{State: ledger.Refunded, Refunded: 1})
			if err != nil || !a.Applied {
				t.Fatalf("%+v, %v", a, err)
			}
		}
		w.over(t, 10*time.Second)
		if w.err != nil || len(w.status.Refunds) != 2 || w.status.Refunds[1].State != ledger.Refunded {
			t.Errorf("%+v, %v", w.status, w.err)
		}
	})
}

// A Redis that goes away ends the wait with an error that is not the context's.
func TestWaitEndsWhenRedisIsGone(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, order("O1"))
		w := b.wait(t, b.ctx, forOrder("O1"))
		<-w.reading
		b.server.Kill()
		w.over(t, 10*time.Second)
		if w.err == nil || errors.Is(w.err, context.Canceled) || errors.Is(w.err, context.DeadlineExceeded) {
			t.Errorf("%v", w.err)
		}
	})
}
