package queue

import (
	"errors"
	"testing"

	"issuance/internal/ledger"
)

func TestARecordThatAPersonWakesHasItsTaskAtOnce(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		ctx := t.Context()
		if err := b.Wake(ctx, b.ledger, a1); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("waking an order that is not there: %v", err)
		}
		b.record(t, a1)
		home := HomeOf(a1, "queued", "bulk")
		state := func() Task {
			found, err := b.Look(t.Context(), home)
			must(t, err)
			return found
		}
		must(t, b.Wake(ctx, b.ledger, a1))
		if got := state(); !got.Pending() {
			t.Errorf("task is %q, want pending", got.State)
		}
		must(t, b.inspector.DeleteTask(home.Queue, home.ID))
		_, err := b.ledger.Cancel(ctx, a1, "op", "not wanted")
		must(t, err)
		must(t, b.Wake(ctx, b.ledger, a1))
		if got := state(); got.State != "" {
			t.Errorf("a task was made for an order that has ended: %s", got.State)
		}
	})
}
