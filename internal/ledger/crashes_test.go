package ledger

import (
	"testing"
	"time"
)

// A record is poisonous when it takes down one worker after another, not when workers die now and
// then over its life.
func TestCrashesCountInARow(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		crash := func() Claim {
			t.Helper()
			if _, err := b.Begin(b.ctx, k, intake("runner")); err != nil {
				t.Fatal(err)
			}
			b.clock.pass(lease + time.Second)
			c, err := b.Begin(b.ctx, k, intake("runner"))
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		c := crash()
		if c.Crashes != 1 {
			t.Fatalf("%d crashes, want 1", c.Crashes)
		}
		if _, err := b.Idle(b.ctx, k, c.Fence, Reason{}); err != nil {
			t.Fatal(err)
		}
		if c = crash(); c.Crashes != 1 {
			t.Fatalf("after a run that ended in order: %d crashes, want 1", c.Crashes)
		}
	})
}

// A refund whose record was deleted does not block the order's other refunds for ever.
func TestTheTurnOfADeletedRefundIsTakenOver(t *testing.T) {
	eachClock(t, func(t *testing.T, b *bench) {
		first := b.refund()
		second := RefundKey{Key: first.Key, RefundID: "R22"}
		if _, err := b.BeginRefund(b.ctx, first, intake("runner")); err != nil {
			t.Fatal(err)
		}
		if c, err := b.BeginRefund(b.ctx, second, intake("runner")); err != nil || c.Verdict != WaitTurn {
			t.Fatalf("%+v, %v", c, err)
		}
		if err := b.rdb.Del(b.ctx, first.refund()).Err(); err != nil {
			t.Fatal(err)
		}
		if c, err := b.BeginRefund(b.ctx, second, intake("runner")); err != nil || c.Verdict != MaySend {
			t.Fatalf("%+v, %v", c, err)
		}
	})
}
