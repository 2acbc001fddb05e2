package ledger_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"issuance/internal/ledger"
	"issuance/internal/testredis"
	"issuance/providers"
)

func TestEveryRecordInAStateIsFound(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		ctx := context.Background()
		rdb := s.Client()
		l := ledger.New(rdb, ledger.Options{})
		begin := ledger.Intake{Runner: "r", Lease: time.Minute, Fingerprint: "f"}

		// More than one step of the scan, and keys that only look alike.
		want := map[ledger.Ref]bool{}
		for i := range 1500 {
			k := ledger.Key{Provider: providers.ECTicket, OrderID: fmt.Sprintf("O%d", i)}
			c, err := l.Begin(ctx, k, begin)
			if err != nil {
				t.Fatal(err)
			}
			if i%500 == 7 {
				review(t, l, k, c.Fence)
				want[ledger.Ref{Key: k}] = true
			}
		}
		rk := ledger.RefundKey{Key: ledger.Key{Provider: providers.ECTicket, OrderID: "O1"}, RefundID: "R.1"}
		c, err := l.BeginRefund(ctx, rk, begin)
		if err != nil {
			t.Fatal(err)
		}
		if a, err := l.FinishRefund(ctx, rk, c.Fence, ledger.RefundEnding{State: ledger.Review}); err != nil || !a.Applied {
			t.Fatalf("finish refund: %+v, %v", a, err)
		}
		want[ledger.Ref(rk)] = true
		other := ledger.Key{Provider: providers.Pass2U, OrderID: "P1"}
		if c, err = l.Begin(ctx, other, begin); err != nil {
			t.Fatal(err)
		}
		review(t, l, other, c.Fence)
		for _, key := range []string{"issuance:{ecticket:X}:other", "issuance:{ecticket:X", "issuance:{ecticket:X}:orders"} {
			rdb.Set(ctx, key, "", 0)
		}

		for p, want := range map[providers.Name]map[ledger.Ref]bool{
			providers.ECTicket: want, providers.Pass2U: {ledger.Ref{Key: other}: true},
		} {
			refs, err := l.InState(ctx, p, ledger.Review)
			if err != nil {
				t.Fatal(err)
			}
			var got, wanted []string
			for _, r := range refs {
				got = append(got, r.String())
			}
			for r := range want {
				wanted = append(wanted, r.String())
			}
			slices.SortFunc(got, strings.Compare)
			slices.SortFunc(wanted, strings.Compare)
			if diff := cmp.Diff(wanted, got); diff != "" {
				t.Errorf("%s in review (-want +got):\n%s", p, diff)
			}
		}
	})
}

func review(t *testing.T, l *ledger.Ledger, k ledger.Key, fence string) {
	t.Helper()
	if a, _, err := l.Submit(context.Background(), k, fence, time.Minute); err != nil || !a.Applied {
		t.Fatalf("submit %s: %+v, %v", k, a, err)
	}
	a, err := l.Finish(context.Background(), k, fence, ledger.Ending{State: ledger.Review})
	if err != nil || !a.Applied {
		t.Fatalf("finish %s: %+v, %v", k, a, err)
	}
}
