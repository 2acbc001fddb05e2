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
		solo := true
		crash := func() Claim {
			t.Helper()
			c, err := b.begin(k, "runner")
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Extend(b.ctx, k, c.Record.Fence, lease, solo); err != nil {
				t.Fatal(err)
			}
			b.clock.pass(lease + time.Second)
			if c, err = b.begin(k, "runner"); err != nil {
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
		// A run that could not begin says nothing of the ones before.
		if a, err := b.GiveBack(b.ctx, k, c.Record.Fence, Unworked, Reason{}); err != nil || !a.Applied {
			t.Fatal(a, err)
		}
		// A worker that did other things as well may have died of those.
		solo = false
		if c = crash(); c.Record.Crashes != 1 || c.Record.Abandoned != 1 {
			t.Fatalf("%d crashes, %d times abandoned, want 1 and 1", c.Record.Crashes, c.Record.Abandoned)
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

// A worker that dies in a poll counts like any other, and a poll that ends in any way clears the count.
func TestCrashesOfPollsCountInARow(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		b.claim(t, k)
		b.clock.pass(lease)
		f := b.claim(t, k).Record.Fence // it was abandoned once
		b.submit(t, k, f)
		a, err := b.Accept(b.ctx, k, f, Acceptance{})
		applied(t, a, err)
		poll := func(crashes, abandoned int) string {
			t.Helper()
			c, err := b.BeginPoll(b.ctx, k, "poller", lease)
			applied(t, answerOf(c), err)
			if c.Record.Crashes != crashes || c.Record.Abandoned != abandoned {
				t.Fatalf("%d crashes, %d times abandoned, want %d and %d", c.Record.Crashes, c.Record.Abandoned, crashes, abandoned)
			}
			return c.Record.Fence
		}
		poll(0, 0)
		if c, err := b.BeginPoll(b.ctx, k, "another", lease); err != nil || c.Verdict != Busy || c.Record.Until.Sub(c.Now) != lease {
			t.Fatalf("%+v, %v", c, err)
		}
		b.clock.pass(lease)
		f = poll(0, 1)
		must(t, b.Extend(b.ctx, k, f, lease, true))
		b.clock.pass(lease)
		f = poll(1, 1)
		a, err = b.EndPoll(b.ctx, k, f, true)
		applied(t, a, err)
		f = poll(1, 1)
		a, err = b.Polled(b.ctx, k, f, Reason{}, Idle)
		applied(t, a, err)
		poll(0, 0)
		b.clock.pass(lease)
		f = poll(0, 1)
		a, err = b.EndPoll(b.ctx, k, f, false)
		applied(t, a, err)
		poll(0, 0)
	})
}
