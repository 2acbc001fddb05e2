package budget

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/testredis"
	"issuance/tasks/order"
)

// slowFirst delivers the first answer of Redis later than those to questions that were asked after it.
type slowFirst struct {
	testredis.Hook
	asked atomic.Int32
}

func (h *slowFirst) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		first := h.asked.Add(1) == 1
		err := next(ctx, cmd)
		if first {
			time.Sleep(20 * time.Millisecond)
		}
		return err
	}
}

// A caller whose answer overtakes that of the one before it, which has taken its slot already, leaves no slot out.
func TestAnAnswerThatOvertakesAnotherLeavesNoSlotOut(t *testing.T) {
	virtual(t, Config{}, func(w *world) {
		if err := w.pass(0, order.Bulk); err != nil { // Redis has the script from here on
			t.Fatal(err)
		}
		time.Sleep(spacing)
		w.workers[0].rdb.(*redis.Client).AddHook(&slowFirst{})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { _ = w.pass(0, order.Bulk) })
			time.Sleep(time.Millisecond)
		}
		wg.Wait()
		if len(w.calls) != 5 {
			w.Fatalf("%d calls left", len(w.calls))
		}
		for i, c := range w.calls {
			if want := time.Duration(i) * spacing; c.at < want || c.at > want+20*time.Millisecond {
				w.Errorf("call %d left after %s, its slot was at %s", i, c.at, want)
			}
		}
	})
}

// A caller that gives up leaves its slot to those behind it.
func TestWhoGivesUpLeavesItsSlotToTheNext(t *testing.T) {
	virtual(t, Config{}, func(w *world) {
		if err := w.pass(0, order.Bulk); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		ctx, giveUp := context.WithCancel(w.ctx)
		wg.Go(func() {
			if err := w.workers[0].Lane(order.Bulk).Pass(ctx); err == nil {
				t.Error("it left")
			}
		})
		time.Sleep(time.Millisecond)
		for range 2 {
			wg.Go(func() { _ = w.pass(0, order.Bulk) })
			time.Sleep(time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond)
		giveUp()
		wg.Wait()
		if len(w.calls) != 3 || w.calls[1].at != spacing || w.calls[2].at != 2*spacing {
			t.Errorf("they left at %v", w.calls)
		}
	})
}
