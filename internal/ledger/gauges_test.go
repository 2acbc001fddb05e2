package ledger

import (
	"testing"
	"time"

	"issuance/tasks/order"
)

// A record waits since it was enqueued, and a review that is worked on again since a person decided that: it was the person who
// waited before.
func TestTheOldestWaitsSinceItWasEnqueuedOrReopened(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		reopened, queued := b.order(), b.order()
		f := b.claim(t, reopened).Record.Fence
		b.submit(t, reopened, f)
		a, err := b.Finish(b.ctx, reopened, f, Ending{State: order.Review, Reason: Reason{Code: "in_doubt"}})
		applied(t, a, err)
		b.clock.pass(time.Hour)
		b.record(t, queued)
		at := b.clock.Now()
		b.clock.pass(time.Minute)
		a, err = b.Reopen(b.ctx, reopened, "ming", "again")
		applied(t, a, err)
		again := b.clock.Now()
		for _, c := range []struct {
			of    []order.Ref
			first order.Ref
			since time.Time
		}{{[]order.Ref{reopened, queued}, queued, at}, {[]order.Ref{reopened}, reopened, again}, {nil, order.Ref{}, time.Time{}}} {
			if first, since, err := b.OldestUnaccepted(b.ctx, c.of); err != nil || first != c.first || !since.Equal(c.since) {
				t.Errorf("of %v: %s since %s, %v; want %s since %s", c.of, first, since, err, c.first, c.since)
			}
		}
	})
}
