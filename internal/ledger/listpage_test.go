package ledger

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"issuance/tasks/order"
)

// all gathers the pages of a list, each of which shows limit records or a few more.
func all(t *testing.T, page func(cursor string) ([]Found, string, error)) (ids []string) {
	t.Helper()
	for cursor, pages := "", 0; ; pages++ {
		found, next, err := page(cursor)
		if err != nil || pages > 100 {
			t.Fatal(pages, err)
		}
		for _, f := range found {
			ids = append(ids, f.OrderID+" "+string(f.State))
		}
		if cursor = next; cursor == "" {
			return ids
		}
	}
}

// Unfinished records, reviews and ends are listed completely, page by page, and each by the index that holds them.
func TestListsByStateNeedNoWalk(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		var queued, reviews, ends []string
		for i := range 30 {
			k := order.Ref{Account: shop, OrderID: fmt.Sprintf("A%02d", i)}
			switch i % 3 {
			case 0:
				b.record(t, k)
				queued = append(queued, k.OrderID+" queued")
			case 1:
				finished(order.Review)(t, b, k) // some at one time
				reviews = append(reviews, k.OrderID+" review")
			case 2:
				b.clock.pass(time.Second)
				finished(order.Issued)(t, b, k)
				ends = append([]string{k.OrderID + " issued"}, ends...)
			}
		}
		decided := order.Ref{Account: shop, OrderID: "A01"}
		a, err := b.Resolve(b.ctx, decided, Resolution{State: order.Failed, Who: "ann", Reason: "r"})
		applied(t, a, err)
		reviews, ends = reviews[1:], append([]string{"A01 failed"}, ends...)
		b.record(t, order.Ref{Account: other, OrderID: "P1"})
		finished(order.Issued)(t, b, order.Ref{Account: other, OrderID: "P2"})

		q := Query{Account: shop}
		got := all(t, func(cursor string) ([]Found, string, error) { return b.OpenPage(b.ctx, q, cursor, 4) })
		slices.Sort(got)
		if got = slices.Compact(got); !slices.Equal(got, queued) {
			t.Errorf("open: %q, want %q", got, queued)
		}
		if got := all(t, func(cursor string) ([]Found, string, error) { return b.ReviewPage(b.ctx, q, cursor, 4) }); !slices.Equal(got, reviews) {
			t.Errorf("reviews: %q, want %q", got, reviews)
		}
		q.States = []order.State{order.Issued, order.Failed}
		if got := all(t, func(cursor string) ([]Found, string, error) { return b.EndsPage(b.ctx, q, cursor, 4) }); !slices.Equal(got, ends) {
			t.Errorf("ends: %q, want %q", got, ends)
		}
		q.Account.Merchant = ""
		q.States = []order.State{order.Failed}
		if got := all(t, func(cursor string) ([]Found, string, error) { return b.EndsPage(b.ctx, q, cursor, 4) }); !slices.Equal(got, ends[:1]) {
			t.Errorf("failed: %q, want %q", got, ends[:1])
		}
	})
}

func TestACursorOfAnotherListIsRefused(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		q := Query{Account: shop}
		_, _, open := b.OpenPage(b.ctx, q, "x", 4)
		_, _, reviews := b.ReviewPage(b.ctx, q, "x y", 4)
		_, _, ends := b.EndsPage(b.ctx, q, "x", 4)
		if !errors.Is(open, ErrCursor) || !errors.Is(reviews, ErrCursor) || !errors.Is(ends, ErrCursor) {
			t.Error(open, reviews, ends)
		}
	})
}
