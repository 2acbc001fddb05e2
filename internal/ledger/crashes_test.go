package ledger

import (
	"testing"
	"time"

	"issuance/internal/keys"
)

// A record is poisonous when it takes down one worker after another, not when workers die now and
// then over its life.
func TestCrashesCountInARow(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		crash := func() Claim {
			t.Helper()
			if _, err := b.begin(k, "runner"); err != nil {
				t.Fatal(err)
			}
			b.clock.pass(lease + time.Second)
			c, err := b.begin(k, "runner")
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		c := crash()
		if c.Record.Crashes != 1 {
			t.Fatalf("%d crashes, want 1", c.Record.Crashes)
		}
		if _, err := b.GiveBack(b.ctx, k, c.Record.Fence, Idle, Reason{}); err != nil {
			t.Fatal(err)
		}
		if c = crash(); c.Record.Crashes != 1 {
			t.Fatalf("after a run that ended in order: %d crashes, want 1", c.Record.Crashes)
		}
	})
}

// A refund whose record was deleted does not block the order's other refunds for ever.
func TestTheTurnOfADeletedRefundIsTakenOver(t *testing.T) {
	eachClock(t, func(t *testing.T, b *bench) {
		first := b.refund()
		second := first.Refund("R22")
		if _, err := b.begin(first, "runner"); err != nil {
			t.Fatal(err)
		}
		if c, err := b.begin(second, "runner"); err != nil || c.Verdict != WaitTurn {
			t.Fatalf("%+v, %v", c, err)
		}
		if err := b.rdb.Del(b.ctx, keys.Record(first)).Err(); err != nil {
			t.Fatal(err)
		}
		if c, err := b.begin(second, "runner"); err != nil || c.Verdict != MaySend {
			t.Fatalf("%+v, %v", c, err)
		}
	})
}
