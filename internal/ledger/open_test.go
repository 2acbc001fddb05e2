package ledger

import (
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/providers"
)

// Whatever is not finished stands in the open set and comes up when its claim should be over, the
// longest due first; other providers' records do not.
func TestWhatIsNotFinishedComesUpForInspection(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k, rk := b.order(), b.refund()
		b.claim(t, k)
		b.clock.pass(time.Second)
		b.claimRefund(t, rk)
		if due, err := b.Due(b.ctx, providers.ECTicket, 10); err != nil || len(due) != 0 {
			t.Errorf("due at once: %v, %v", due, err)
		}
		if n, err := b.OpenCount(b.ctx, providers.ECTicket); err != nil || n != 2 {
			t.Errorf("%d open, %v", n, err)
		}
		b.clock.pass(lease)
		due, err := b.Due(b.ctx, providers.ECTicket, 10)
		if err != nil || !slices.Equal(due, []Ref{{Key: k}, Ref(rk)}) {
			t.Errorf("due %v, %v", due, err)
		}
		if due, _ := b.Due(b.ctx, providers.ECTicket, 1); !slices.Equal(due, []Ref{{Key: k}}) {
			t.Errorf("the longest due: %v", due)
		}
		if due, err := b.Due(b.ctx, providers.Pass2U, 10); err != nil || len(due) != 0 {
			t.Errorf("another provider's: %v, %v", due, err)
		}
		must(t, b.InspectAgain(b.ctx, Ref{Key: k}, b.clock.Now().Add(time.Hour)))
		if due, _ := b.Due(b.ctx, providers.ECTicket, 10); !slices.Equal(due, []Ref{Ref(rk)}) {
			t.Errorf("after putting one off: %v", due)
		}
	})
}

// Putting off what is finished does not bring it back.
func TestAFinishedRecordIsNotPutBack(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k, ghost := b.order(), b.order()
		finished(Issued)(t, b, k)
		must(t, b.InspectAgain(b.ctx, Ref{Key: k}, b.clock.Now()))
		if open := b.open(t); len(open) != 0 {
			t.Errorf("open: %v", open)
		}
		// What never came to be is taken out by hand.
		must(t, b.rdb.ZAdd(b.ctx, openKey(ghost.Provider), redis.Z{Score: 1, Member: ghost.openMember()}).Err())
		must(t, b.Close(b.ctx, Ref{Key: ghost}))
		if open := b.open(t); len(open) != 0 {
			t.Errorf("open: %v", open)
		}
	})
}

// The names in the open set are read back as they were written, and others are passed over.
func TestOpenMembersAreReadBack(t *testing.T) {
	for _, r := range []Ref{
		{Key: Key{providers.Pass2U, "a-b_c.1"}},
		{Key: Key{providers.Pass2U, "a-b_c.1"}, RefundID: "R.-_1"},
	} {
		if got, ok := parseMember(r.Provider, r.openMember()); !ok || got != r {
			t.Errorf("%q is read as %+v, %t", r.openMember(), got, ok)
		}
	}
	for _, m := range []string{"", "o", "o:", "r:x", "x:y"} {
		if got, ok := parseMember(providers.Pass2U, m); ok {
			t.Errorf("%q is read as %+v", m, got)
		}
	}
}

// Keys of one order are in one cluster slot, and no two records share a key.
func TestKeysOfAnOrderShareASlot(t *testing.T) {
	k := RefundKey{Key: Key{providers.ECTicket, "O1"}, RefundID: "R1"}
	seen := map[string]bool{}
	for _, key := range []string{k.order(), k.refund(), k.refunds(), k.turn()} {
		if seen[key] {
			t.Errorf("%s is used twice", key)
		}
		seen[key] = true
		if tag := key[len("issuance:"):]; tag[:len("{ecticket:O1}")] != "{ecticket:O1}" {
			t.Errorf("%s has no hash tag of the order", key)
		}
	}
	if k.SealContext("document") == k.Key.SealContext("document") || k.SealContext("a") == k.SealContext("b") {
		t.Error("sealed values could be moved from one field to another")
	}
}
