package ledger

import (
	"fmt"
	"testing"
	"time"

	"issuance/internal/keys"
	"issuance/internal/testredis"
	"issuance/tasks/order"
)

// forgetPointers takes every pointer away, as if its write had been lost.
func (b *bench) forgetPointers(t testing.TB) {
	t.Helper()
	list, err := b.rdb.Keys(b.ctx, "issuance:{found:*").Result()
	must(t, err)
	if len(list) > 0 {
		must(t, b.rdb.Del(b.ctx, list...).Err())
	}
}

// repair has its turn, and wants so many pointers to be missing.
func (b *bench) repair(t testing.TB, most int64, want int) {
	t.Helper()
	must(t, b.rdb.Del(b.ctx, keys.PointersTurn).Err())
	if n, err := b.RepairPointers(b.ctx, most); n != want || err != nil {
		t.Errorf("%d were missing, want %d: %v", n, want, err)
	}
}

// What has ended is found again when the write of its pointers was lost, by the provider's number and by a refund's id; what was
// erased is not, and nothing is looked at twice.
func TestLostPointersAreRepaired(t *testing.T) {
	eachServer(t, func(t *testing.T, b *bench, _ *testredis.Server) {
		ended := func(id, ref string) order.Ref {
			r := order.Ref{Account: shop, OrderID: id}
			f := b.claim(t, r).Record.Fence
			b.submit(t, r, f)
			a, err := b.Finish(b.ctx, r, f, Ending{State: order.Issued, ProviderRef: ref})
			applied(t, a, err)
			return r
		}
		k, gone := ended("A1", "T1"), ended("A2", "T2")
		b.record(t, k.Refund("R9"))
		a, err := b.Cancel(b.ctx, k.Refund("R9"), "ann", "r")
		applied(t, a, err)
		_, err = b.Erase(b.ctx, gone, "ann")
		must(t, err)
		b.repair(t, 100, 0)
		b.forgetPointers(t)
		b.repair(t, 100, 0) // they were looked at before
		must(t, b.rdb.Del(b.ctx, keys.Pointers).Err())
		b.repair(t, 1, 1)
		b.repair(t, 100, 1)
		for text, want := range map[string]string{"T1": "A1", "R9": "A1/R9", "T2": ""} {
			if got := b.located(t, shop, text); got != want {
				t.Errorf("%s leads to %q, want %q", text, got, want)
			}
		}
		b.clock.pass(390 * day)
		if got := b.located(t, shop, "T1"); got != "A1" {
			t.Errorf("the pointer does not last as long as the record: %q", got)
		}
	})
}

// Pointers that had to make room for later ones are not missing.
func TestPointersThatMadeRoomStayAway(t *testing.T) {
	b := newBench(testredis.Start(t), newClock())
	for i := range mostPointed + 5 {
		r := order.Ref{Account: shop, OrderID: fmt.Sprint("M", i), RefundID: "R1"}
		b.record(t, r)
		a, err := b.Cancel(b.ctx, r, "ann", "r")
		applied(t, a, err)
		b.clock.pass(time.Second)
	}
	b.repair(t, 100, 0)
}

// Of several workers one has its turn.
func TestOneWorkerRepairsAtATime(t *testing.T) {
	b := newBench(testredis.Start(t), newClock())
	b.accept(t, order.Ref{Account: shop, OrderID: "A1"}, "T1")
	a, err := b.Finish(b.ctx, order.Ref{Account: shop, OrderID: "A1"}, "", Ending{State: order.Issued, ProviderRef: "T1"})
	applied(t, a, err)
	b.forgetPointers(t)
	must(t, b.rdb.SetNX(b.ctx, keys.PointersTurn, 1, time.Minute).Err())
	if n, err := b.RepairPointers(b.ctx, 10); n != 0 || err != nil {
		t.Error(n, err)
	}
	b.repair(t, 10, 1)
}
