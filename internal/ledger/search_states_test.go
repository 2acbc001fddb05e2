package ledger

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

func TestEveryRecordInAStateIsFound(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		b := newBench(s, nil)

		// More than one step of the scan, and keys that only look alike.
		want := map[order.Ref]bool{}
		for i := range 1500 {
			k := order.Ref{Account: shop, OrderID: fmt.Sprintf("S%d", i)}
			b.record(t, k)
			if i%500 == 7 {
				finished(order.Review)(t, b, k)
				want[k] = true
			}
		}
		rk := order.Ref{Account: shop, OrderID: "S1", RefundID: "R.1"}
		ended(order.Review)(t, b, rk)
		want[rk] = true
		elsewhere := order.Ref{Account: other, OrderID: "P1"}
		longer := order.Ref{Account: providers.Account{Provider: shop.Provider, Merchant: shop.Merchant + "0"}, OrderID: "S7"}
		finished(order.Review)(t, b, elsewhere)
		finished(order.Review)(t, b, longer)
		// A settled record has a hash of details, which is no record.
		finished(order.Failed)(t, b, order.Ref{Account: shop, OrderID: "S2"})
		for _, key := range []string{"issuance:{ecticket:2000132:X}:other", "issuance:{ecticket:2000132:X", "issuance:{ecticket:2000132:X}:orders"} {
			b.rdb.Set(b.ctx, key, "", 0)
		}

		for a, want := range map[providers.Account]map[order.Ref]bool{shop: want, other: {elsewhere: true}, longer.Account: {longer: true}} {
			var got, wanted []string
			must(t, b.Search(b.ctx, Query{Account: a, States: []order.State{order.Review}}, func(found []Found) error {
				for _, f := range found {
					got = append(got, f.Ref.String())
				}
				return nil
			}))
			for r := range want {
				wanted = append(wanted, r.String())
			}
			slices.Sort(got)
			got = slices.Compact(got) // a record may be shown twice
			slices.Sort(wanted)
			if diff := cmp.Diff(wanted, got); diff != "" {
				t.Errorf("%s in review (-want +got):\n%s", a, diff)
			}
		}
	})
}
