package ledger

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"issuance/internal/keys"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

// A decision is kept with the user and the machine it was made by, beside the name that the person gave, in the stream of
// all decisions, which no retention trims, and with its order, for as long as a record is kept.
func TestDecisionsAreKeptWithTheirOrigin(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		for _, sharded := range []bool{false, true} {
			t.Run(fmt.Sprintf("sharded %v", sharded), func(t *testing.T) { decisionsAreKept(t, s, sharded) })
		}
	})
}

func decisionsAreKept(t *testing.T, s *testredis.Server, sharded bool) {
	rdb, ctx := s.Client(), t.Context()
	if err := rdb.FlushDB(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	l := New(rdb, Options{KeepEvents: 1, KeepDetails: time.Hour, KeepRecords: 2 * time.Hour})
	l.sharded = sharded
	ours := order.Ref{Account: providers.Account{Provider: providers.ECTicket, Merchant: "2000132"}, OrderID: "A1"}
	other := ours
	other.OrderID = "A2"
	const more = mostDecisions + 10
	for i := range more {
		if err := l.Decided(ctx, Decision{What: "show", Ref: other, Who: "b", Reason: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	about := []Decision{{What: "retry", Ref: ours, Who: "angela", Reason: "again, \"now\"\nand here"}, {What: "resolve as failed", Ref: ours.Refund("R1"), Who: "root", Reason: "seen"}}
	for _, d := range append(about, Decision{What: "pause", Ref: order.Ref{Account: ours.Account}, Who: "c", Reason: "r"}) {
		if err := l.Decided(ctx, d); err != nil {
			t.Fatal(err)
		}
	}
	list, err := l.Decisions(ctx, ours)
	if err != nil || len(list) != 2 {
		t.Fatalf("%+v %v", list, err)
	}
	host, _ := os.Hostname()
	for i, want := range about {
		d := list[i]
		if d.What != want.What || d.Ref != want.Ref || d.Who != want.Who || d.Reason != want.Reason || d.From.Host != host ||
			d.From.UID != strconv.Itoa(os.Getuid()) || time.Since(d.At).Abs() > time.Minute {
			t.Errorf("%+v", d)
		}
	}
	if ttl := rdb.PTTL(ctx, keys.DecisionsOf(ours)).Val(); ttl <= time.Hour || ttl > 2*time.Hour {
		t.Errorf("they are kept for %s", ttl)
	}
	if n, err := rdb.XLen(ctx, keys.Decisions).Result(); err != nil || n != more+3 {
		t.Errorf("%d decisions are kept, %v", n, err)
	}
	if all, err := l.Decisions(ctx, other); err != nil || len(all) != mostDecisions || all[len(all)-1].Reason != fmt.Sprint(more-1) {
		t.Errorf("of many about one order %d are kept, %v", len(all), err)
	}
	if err := rdb.RPush(ctx, keys.DecisionsOf(ours), "?").Err(); err != nil {
		t.Fatal(err)
	}
	if list, err := l.Decisions(ctx, ours); err != nil || len(list) != 2 {
		t.Errorf("with a damaged entry: %+v %v", list, err)
	}
}

// What it costs to read an order's decisions does not grow with those about other orders.
func TestDecisionsAreReadByOrder(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		rdb, ctx := s.Client(), t.Context()
		l := New(rdb, Options{})
		ours := order.Ref{Account: providers.Account{Provider: providers.ECTicket, Merchant: "2000132"}, OrderID: "A1"}
		if err := l.Decided(ctx, Decision{What: "retry", Ref: ours, Who: "a", Reason: "r"}); err != nil {
			t.Fatal(err)
		}
		if err := rdb.Del(ctx, keys.Decisions).Err(); err != nil {
			t.Fatal(err)
		}
		if list, err := l.Decisions(ctx, ours); err != nil || len(list) != 1 {
			t.Errorf("without the stream of all: %+v %v", list, err)
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
