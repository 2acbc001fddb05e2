package tasks

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/budget"
	"issuance/internal/keys"
	"issuance/internal/queue"
	"issuance/providers"
)

// An order that a ban has put into its account's line runs soon after that is over: when the queue would run it by itself says
// nothing of that.
func TestAnOrderInABanShowsItsEnd(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.announce(t, shop, true)
		account, err := budget.New(b.rdb, budget.Config{Account: shop, PerSecond: 1, Ban: time.Minute})
		must(t, err)
		account.Banned(b.ctx, "HTTP 403")
		state, err := account.State(b.ctx)
		must(t, err)
		halt, held := state.Held(Checkout)
		if !held {
			t.Fatal("not held")
		}
		b.enqueue(t, orderDoc("O1"))
		b.serve(t, func(context.Context, *asynq.Task) error {
			return queue.WaitUntil(15*time.Minute, halt.Reason, halt.Until)
		}, "ecticket-checkout")
		b.queue.Join(b.ctx, []queue.Home{home(ref("O1"), Checkout)})
		eventually(t, "it has run", func() bool {
			n, err := b.rdb.ZCard(b.ctx, "asynq:{ecticket-checkout}:retry").Result()
			return err == nil && n == 1
		})
		if w := b.waiting(t, ref("O1")); w.For != "its account's calls, which are held" || w.NextAt != nil || w.Until == nil || time.Until(*w.Until) > time.Minute {
			t.Errorf("%+v", w)
		}
		for _, ban := range b.rdb.Keys(b.ctx, "*ban").Val() {
			must(t, b.rdb.Del(b.ctx, ban).Err())
		}
		if w := b.waiting(t, ref("O1")); w.For != "its turn among the orders of its account" || w.NextAt != nil || w.Until != nil || w.Held != "" || w.LastRun != "" {
			t.Errorf("%+v", w)
		}
	})
}

// An order that was put aside into its account's line waits for what lets the line go on now, whatever its worker has found when
// it put it aside: when the queue would run it by itself says nothing of that.
func TestAnOrderThatWasPutAsideSaysWhatItWaitsForNow(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		reasons := map[string]string{
			"O1": queue.TurnText, "O2": queue.ElsewhereText + shop.String(), "O3": queue.NowhereText + shop.String(),
			"O4": "banned: HTTP 403", "O5": "held: " + shop.String() + " is banned by the provider until 12:00:00 UTC",
			"O6": budget.Hold{Who: "ann", Reason: "prices are wrong"}.String(), "O7": "held: call budget of " + shop.String() + " (4 per second) is used up",
			"O8": "the provider, unreachable (timeout)",
		}
		var homes []queue.Home
		for id := range reasons {
			b.enqueue(t, orderDoc(id))
			homes = append(homes, home(ref(id), Checkout))
		}
		stop := b.serve(t, func(_ context.Context, task *asynq.Task) error {
			r, _, err := queue.Decode(task.Payload())
			return errors.Join(err, queue.Wait(15*time.Minute, reasons[r.OrderID]))
		}, "ecticket-checkout")
		b.queue.Join(b.ctx, homes)
		eventually(t, "all have run", func() bool {
			n, err := b.rdb.ZCard(b.ctx, keys.Queue("ecticket-checkout")+"retry").Result()
			return err == nil && n == int64(len(reasons))
		})
		all := func(want func(Waiting) bool) {
			t.Helper()
			for id, reason := range reasons {
				if w := b.waiting(t, ref(id)); !want(w) || w.NextAt != nil || w.LastRun != "" {
					t.Errorf("%s: %+v", reason, w)
				}
			}
		}
		all(func(w Waiting) bool {
			return w.For == "its turn among the orders of its account" && w.Until == nil && w.Held == "" && !w.NoWorker
		})
		b.announce(t, shop, true)
		account, err := budget.New(b.rdb, budget.Config{Account: shop, PerSecond: 1, Ban: time.Minute})
		must(t, err)
		account.Answered(b.ctx, providers.Condition{State: providers.HealthUnreachable, Code: "http_503", RetryAfter: time.Hour})
		all(func(w Waiting) bool {
			return w.For == "its account's calls, which are held" && w.Until != nil && time.Until(*w.Until) > 59*time.Minute && w.Held == "the provider, unreachable (http_503)"
		})
		account.Banned(b.ctx, "HTTP 403")
		all(func(w Waiting) bool {
			return w.For == "its account's calls, which are held" && w.Until != nil && time.Until(*w.Until) <= time.Minute && w.Held == "banned: HTTP 403"
		})
		stop()
		all(func(w Waiting) bool { return w.NoWorker && w.Held == "banned: HTTP 403" })
		for id, reason := range reasons {
			if w := b.waiting(t, ref(id)); (w.For == "a worker that serves its account") != queue.IsUnserved(reason) {
				t.Errorf("%s: %+v", reason, w)
			}
		}
	})
}

// A refund that was put aside before its order's end waits for that, and shows no other time.
func TestARefundThatWasPutAsideWaitsForItsOrder(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		r := ref("O1").Refund("R1")
		b.enqueue(t, orderDoc("O1"))
		b.enqueue(t, refundDoc("O1", "R1"))
		b.drop(t, home(r, Checkout))
		must(t, b.queue.Enqueue(b.ctx, r, home(r, Checkout), "", time.Hour))
		b.queue.Join(b.ctx, []queue.Home{home(r, Checkout)})
		s, err := b.Status(b.ctx, shop, "O1")
		must(t, err)
		if w := s.Refunds[0].Waits; w == nil || w.For != "its order (queued)" || w.OrderState != Queued || w.NextAt != nil {
			t.Errorf("%+v", w)
		}
	})
}
