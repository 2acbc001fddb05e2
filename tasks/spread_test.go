package tasks

import (
	"fmt"
	"slices"
	"testing"

	"issuance/internal/ledger"
)

// A large batch goes over several connections, every order once, and orders with one number stay on one, in
// their order; a small batch goes over one.
func TestABatchIsSpreadByOrder(t *testing.T) {
	account := Account{Provider: "ecticket", Merchant: "2000132"}
	for size, most := range map[int]int{0: 0, 1: 1, 31: 1, 32: 2, 256: connections, 1000: connections} {
		var batch []Prepared
		for i := range size {
			batch = append(batch, Prepared{item{intake: ledger.Intake{Ref: Ref{Account: account, OrderID: fmt.Sprintf("O%d", i%max(size/2, 1))}}}})
		}
		parts := spread(batch)
		if len(parts) > most || size >= 256 && len(parts) < 2 {
			t.Errorf("%d orders over %d connections", size, len(parts))
		}
		var all []int
		at := map[Ref]int{}
		for n, places := range parts {
			if !slices.IsSorted(places) {
				t.Errorf("places %v are not in order", places)
			}
			for _, i := range places {
				if k, known := at[batch[i].Ref()]; known && k != n {
					t.Errorf("%s is on two connections", batch[i].Ref())
				}
				at[batch[i].Ref()] = n
			}
			all = append(all, places...)
		}
		slices.Sort(all)
		if len(all) != size || len(slices.Compact(all)) != size {
			t.Errorf("%d orders in %d places", size, len(all))
		}
	}
}
