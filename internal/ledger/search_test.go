package ledger

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

// Orders and refunds of every account are found by account, state, age and item, whether their details have
// moved to a key of their own or not.
func TestRecordsAreSearchedByEachProperty(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		b := newBench(s, newClock())
		second := providers.Account{Provider: shop.Provider, Merchant: "3362787"}
		add := func(r order.Ref, item string) {
			in := document(r)
			in.Shape = []byte(`{"tickets":2,"TicketInfo":[{"ItemNo":"` + item + `","TicketAmount":2}]}`)
			if _, err := b.Record(b.ctx, in); err != nil {
				t.Fatal(err)
			}
		}
		add(order.Ref{Account: shop, OrderID: "A1"}, "VQT04959")
		finished(order.Failed)(t, b, order.Ref{Account: shop, OrderID: "A1"})
		add(order.Ref{Account: second, OrderID: "A1"}, "VNS21400")
		b.clock.pass(time.Hour)
		add(order.Ref{Account: shop, OrderID: "A2", RefundID: "R1"}, "VQT0")
		add(order.Ref{Account: other, OrderID: "P-1"}, "VQT04959")
		b.rdb.Set(b.ctx, "issuance:{budget:ecticket:2000132}:tat", "x", 0)

		for name, c := range map[string]struct {
			q    Query
			want string
		}{
			"all":        {Query{}, "ecticket:2000132/A1 ecticket:2000132/A2/R1 ecticket:3362787/A1 pass2u:main/P-1"},
			"account":    {Query{Account: shop}, "ecticket:2000132/A1 ecticket:2000132/A2/R1"},
			"provider":   {Query{Account: providers.Account{Provider: shop.Provider}}, "ecticket:2000132/A1 ecticket:2000132/A2/R1 ecticket:3362787/A1"},
			"states":     {Query{States: []order.State{order.Failed, order.Issued}}, "ecticket:2000132/A1"},
			"since":      {Query{Since: b.clock.Now()}, "ecticket:2000132/A2/R1 pass2u:main/P-1"},
			"item":       {Query{Item: "VQT04959"}, "ecticket:2000132/A1 pass2u:main/P-1"},
			"several":    {Query{Item: "VQT04959", Account: other, States: []order.State{order.Queued}}, "pass2u:main/P-1"},
			"none of it": {Query{Item: "VQT"}, ""},
		} {
			var got []string
			err := b.Search(b.ctx, c.q, func(found []Found) error {
				for _, f := range found {
					got = append(got, f.Ref.String())
				}
				return nil
			})
			slices.Sort(got)
			if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" || err != nil {
				t.Errorf("%s (-want +got): %v\n%s", name, err, diff)
			}
		}
	})
}
