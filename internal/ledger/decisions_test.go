package ledger

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

// A decision is kept with the user and the machine it was made by, beside the name that the person gave, and the
// events' retention leaves it alone.
func TestDecisionsAreKeptWithTheirOrigin(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		rdb, ctx := s.Client(), t.Context()
		l := New(rdb, Options{KeepEvents: 1})
		ours := order.Ref{Account: providers.Account{Provider: providers.ECTicket, Merchant: "2000132"}, OrderID: "A1"}
		refund := ours
		refund.RefundID = "R1"
		other := ours
		other.OrderID = "A2"
		for i := range decisionsPage + 10 { // more than a page
			if err := l.Decided(ctx, Decision{What: "cancel", Ref: other, Who: "b", Reason: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
		}
		for _, d := range []Decision{{What: "retry", Ref: ours, Who: "angela", Reason: "again"}, {What: "resolve as failed", Ref: refund, Who: "root", Reason: "seen"}} {
			if err := l.Decided(ctx, d); err != nil {
				t.Fatal(err)
			}
		}
		list, err := l.Decisions(ctx, ours, time.Time{})
		if err != nil || len(list) != 2 {
			t.Fatalf("%+v %v", list, err)
		}
		host, _ := os.Hostname()
		for i, want := range []Decision{{What: "retry", Ref: ours, Who: "angela", Reason: "again"}, {What: "resolve as failed", Ref: refund, Who: "root", Reason: "seen"}} {
			d := list[i]
			if d.What != want.What || d.Ref != want.Ref || d.Who != want.Who || d.Reason != want.Reason || d.From.Host != host ||
				d.From.UID != strconv.Itoa(os.Getuid()) || time.Since(d.At).Abs() > time.Minute {
				t.Errorf("%+v", d)
			}
		}
		if n, err := rdb.XLen(ctx, keys.Decisions).Result(); err != nil || n != decisionsPage+12 {
			t.Errorf("%d decisions are kept, %v", n, err)
		}
		if list, err := l.Decisions(ctx, ours, time.Now().Add(time.Hour)); err != nil || len(list) != 0 {
			t.Errorf("later: %+v %v", list, err)
		}
		if err := rdb.XAdd(ctx, &redis.XAddArgs{Stream: keys.Decisions, Values: []any{"account", "?"}}).Err(); err != nil {
			t.Fatal(err)
		}
		if list, err := l.Decisions(ctx, ours, time.Time{}); err != nil || len(list) != 2 {
			t.Errorf("with a damaged entry: %+v %v", list, err)
		}
	})
}

func TestAnOriginIsShownInOneLine(t *testing.T) {
	for want, o := range map[string]Origin{"wu (uid 1000) on h1": {"1000", "wu", "h1"}, "uid 65532 on h1": {"65532", "", "h1"}, `D\wu on h1`: {"", `D\wu`, "h1"}, "h1": {"", "", "h1"}} {
		if o.String() != want {
			t.Errorf("%+v is %s", o, o)
		}
	}
}
