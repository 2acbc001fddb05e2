package ledger

import (
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/tasks/order"
)

// Whatever is not finished stands in the open set and comes up when its claim should be over, the
// longest due first; other providers' records do not.
func TestWhatIsNotFinishedComesUpForInspection(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k, rk := b.order(), b.refund()
		b.claim(t, k)
		b.clock.pass(time.Second)
		b.claim(t, rk)
		if due := b.due(t, shop, 10).Refs; len(due) != 0 {
			t.Errorf("due at once: %v", due)
		}
		if n, err := b.OpenCount(b.ctx, shop); err != nil || n != 2 {
			t.Errorf("%d open, %v", n, err)
		}
		b.clock.pass(lease)
		if due := b.due(t, shop, 1).Refs; !slices.Equal(due, []order.Ref{k}) {
			t.Errorf("the longest due: %v", due)
		}
		if due := b.due(t, other, 10).Refs; len(due) != 0 {
			t.Errorf("another provider's: %v", due)
		}
		b.clock.pass(time.Second)
		due := b.due(t, shop, 10)
		if len(due.Refs) != 2 {
			t.Errorf("due %v", due.Refs)
		}
		must(t, b.PutOff(b.ctx, due, map[order.Ref]time.Time{k: b.clock.Now().Add(time.Hour)}))
		b.clock.pass(time.Second)
		if due := b.due(t, shop, 10).Refs; !slices.Equal(due, []order.Ref{rk}) {
			t.Errorf("after putting one off: %v", due)
		}
	})
}

// What one sweeper has taken another does not get, until the first one must have died.
func TestSweepersShareWhatIsDue(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for range 5 {
			b.claim(t, b.order())
		}
		b.clock.pass(lease)
		take := func(limit int64) int {
			t.Helper()
			d, err := b.Due(b.ctx, shop, limit, 5*time.Second)
			must(t, err)
			return len(d.Refs)
		}
		if a, c, d := take(3), take(3), take(3); a != 3 || c != 2 || d != 0 {
			t.Errorf("three sweepers got %d, %d and %d of 5", a, c, d)
		}
		b.clock.pass(5 * time.Second)
		if n := take(10); n != 5 {
			t.Errorf("after their death, %d", n)
		}
	})
}

// A record that is claimed while a sweeper looks at it comes up when that claim should be over, however
// far the sweeper meant to put it off.
func TestAClaimIsNotPutOff(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		b.claim(t, k)
		b.clock.pass(lease)
		due := b.due(t, shop, 10)
		b.claim(t, k)
		must(t, b.PutOff(b.ctx, due, map[order.Ref]time.Time{k: b.clock.Now().Add(time.Hour)}))
		b.clock.pass(lease)
		if due := b.due(t, shop, 10).Refs; !slices.Equal(due, []order.Ref{k}) {
			t.Errorf("due %v", due)
		}
	})
}

// Putting off what is finished does not bring it back.
func TestAFinishedRecordIsNotPutBack(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k, ghost := b.order(), b.order()
		f := b.claim(t, k).Record.Fence
		b.clock.pass(lease)
		due := b.due(t, shop, 10)
		a, err := b.Finish(b.ctx, k, f, Ending{State: order.Issued})
		applied(t, a, err)
		must(t, b.PutOff(b.ctx, due, map[order.Ref]time.Time{k: b.clock.Now()}))
		if open := b.open(t); len(open) != 0 {
			t.Errorf("open: %v", open)
		}
		// What never came to be is taken out, unless it has come to be since.
		must(t, b.rdb.ZAdd(b.ctx, keys.Open(shop), redis.Z{Score: 1, Member: keys.Member(ghost)}).Err())
		due = b.due(t, shop, 10)
		b.clock.pass(time.Second)
		again := b.due(t, shop, 10)
		must(t, b.PutOff(b.ctx, due, map[order.Ref]time.Time{ghost: {}}))
		if open := b.open(t); len(open) != 1 {
			t.Errorf("open: %v", open)
		}
		must(t, b.PutOff(b.ctx, again, map[order.Ref]time.Time{ghost: {}}))
		if open := b.open(t); len(open) != 0 {
			t.Errorf("open: %v", open)
		}
	})
}
