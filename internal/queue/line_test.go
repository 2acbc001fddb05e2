package queue

import (
	"testing"
	"time"

	"issuance/internal/keys"
	"issuance/tasks/order"
)

// A task that waits says whether it is its account's line that lets it go on; one that has no place there runs at its time.
func TestATaskSaysWhetherItIsInItsAccountsLine(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		h := HomeOf(a1, order.Queued, order.Bulk)
		must(t, b.Enqueue(t.Context(), a1, h, "", time.Hour))
		look := func(inLine bool) {
			t.Helper()
			task, err := b.Look(t.Context(), h)
			must(t, err)
			if !task.Waiting() || task.InLine != inLine || time.Until(task.Next) < 59*time.Minute {
				t.Errorf("%+v", task)
			}
		}
		look(false)
		b.Join(t.Context(), []Home{h})
		look(true)
		must(t, b.rdb.ZRem(t.Context(), keys.QueueLine(h.Queue)+"of:"+a1.Account.Merchant, h.ID).Err())
		look(false)
	})
}
