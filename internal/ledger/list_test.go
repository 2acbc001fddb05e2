package ledger

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

// pages reads a list to its end. Every page but the last must hold exactly limit records. between is called after each.
func (b *bench) pages(t testing.TB, q Query, accounts []providers.Account, limit int, between func(page int)) (found []Found) {
	t.Helper()
	for at, page := (Cursor{}), 1; ; page++ {
		list, next, err := b.List(b.ctx, q, accounts, at, limit)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) > limit || len(list) < limit && !next.IsZero() || len(list) == 0 && page > 1 {
			t.Fatalf("page %d holds %d of %d, and goes on at %+v", page, len(list), limit, next)
		}
		if n := len(next.String()); n > 4096 {
			t.Fatalf("a cursor has %d characters", n)
		}
		if found = append(found, list...); next.IsZero() {
			return found
		}
		if between != nil {
			between(page)
		}
		if at, err = ParseCursor(next.String()); err != nil || !cmp.Equal(at, next) {
			t.Fatalf("%+v is read as %+v: %v", next, at, err)
		}
	}
}

func refsFound(found []Found) (names []string) {
	for _, f := range found {
		names = append(names, f.Ref.String())
	}
	return names
}

// Whatever is asked for is found by pages that are full, and Redis' keys are not gone through.
func TestAListIsReadByFullPages(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		second := providers.Account{Provider: shop.Provider, Merchant: "3362787"}
		of := map[string][]string{}
		put := func(kind string, r order.Ref) {
			of[kind] = append(of[kind], r.String())
			in := document(r)
			in.Shape = []byte(`{"TicketInfo":[{"ItemNo":"VQT0` + r.OrderID[len(r.OrderID)-1:] + `"}]}`)
			_, err := b.Record(b.ctx, in)
			must(t, err)
			b.clock.pass(time.Second)
		}
		for i := range 23 {
			id := fmt.Sprintf("A%02d", i)
			put("open", order.Ref{Account: shop, OrderID: id})
			put("second", order.Ref{Account: second, OrderID: id})
			put("refund", order.Ref{Account: shop, OrderID: id, RefundID: "R1"})
			r := order.Ref{Account: shop, OrderID: "B" + id}
			put("review", r)
			finished(order.Review)(t, b, r)
			r = order.Ref{Account: shop, OrderID: "C" + id}
			put("issued", r)
			finished(order.Issued)(t, b, r)
		}
		since := b.load(t, order.Ref{Account: shop, OrderID: "A10"}).CreatedAt
		var names []string
		b.rdb.AddHook(counting{names: &names})
		all := []providers.Account{shop, second, other}
		everything := slices.Concat(of["open"], of["second"], of["refund"], of["review"], of["issued"])
		later := func(list []string, from int) []string { return list[from:] }
		for name, c := range map[string]struct {
			q    Query
			of   []providers.Account
			want []string
		}{
			"all":           {Query{}, all, everything},
			"queued":        {Query{States: []order.State{order.Queued}}, all, slices.Concat(of["open"], of["second"], of["refund"])},
			"review":        {Query{States: []order.State{order.Review}}, all, of["review"]},
			"issued":        {Query{States: []order.State{order.Issued, order.Cancelled}}, all, of["issued"]},
			"failed":        {Query{States: []order.State{order.Failed}}, all, nil},
			"several":       {Query{States: []order.State{order.Queued, order.Issued}, Account: shop}, all, slices.Concat(of["open"], of["refund"], of["issued"])},
			"provider":      {Query{Account: providers.Account{Provider: shop.Provider}}, all, everything},
			"account":       {Query{Account: second}, all, of["second"]},
			"some accounts": {Query{}, []providers.Account{second}, of["second"]},
			"no account":    {Query{Account: other}, all, nil},
			"since": {Query{Since: since}, all, slices.Concat(later(of["open"], 10), later(of["second"], 10), later(of["refund"], 10),
				later(of["review"], 10), later(of["issued"], 10))},
			"item": {Query{Item: "VQT07", Account: shop, States: []order.State{order.Queued, order.Issued}}, all,
				[]string{"ecticket:2000132/A07", "ecticket:2000132/A17", "ecticket:2000132/A07/R1", "ecticket:2000132/A17/R1", "ecticket:2000132/CA07", "ecticket:2000132/CA17"}},
		} {
			for _, limit := range []int{1, 7, 23, 1000} {
				got := refsFound(b.pages(t, c.q, c.of, limit, nil))
				slices.Sort(got)
				want := slices.Sorted(slices.Values(c.want))
				if diff := cmp.Diff(strings.Join(want, "\n"), strings.Join(got, "\n")); diff != "" {
					t.Fatalf("%s by %d (-want +got)\n%s", name, limit, diff)
				}
			}
		}
		reviews := refsFound(b.pages(t, Query{States: []order.State{order.Review}}, all, 10, nil))
		if diff := cmp.Diff(of["review"], reviews); diff != "" {
			t.Errorf("the longest waiting is not first\n%s", diff)
		}
		ends := refsFound(b.pages(t, Query{States: []order.State{order.Issued}}, all, 10, nil))
		if slices.Reverse(ends); !slices.Equal(of["issued"], ends) {
			t.Errorf("the latest end is not first: %v", ends)
		}
		for _, n := range names {
			if n == "scan" || n == "keys" {
				t.Fatalf("the keys of the database were gone through")
			}
		}
	})
}

// While pages are read, orders are looked at, end, need review, are decided and come new. What stays as it is is found once, and
// what moves on at least once.
func TestAListOfWhatMovesMissesNothing(t *testing.T) {
	for name, open := range map[string]int{"few": 300, "many": smallSet + 400} {
		t.Run(name, func(t *testing.T) {
			testredis.Each(t, func(t *testing.T, s *testredis.Server) {
				if s.Kind != testredis.Real && open > smallSet {
					t.Skip("the embedded Redis has no ZSCAN that a change leaves alone")
				}
				b := newBench(s, nil)
				id := func(i int) order.Ref { return order.Ref{Account: shop, OrderID: fmt.Sprintf("M%05d", i)} }
				for i := range open {
					b.record(t, id(i))
				}
				moved, fresh := map[order.Ref]bool{}, 0
				found := b.pages(t, Query{}, []providers.Account{shop}, 100, func(page int) {
					_, err := b.Due(b.ctx, shop, 50, time.Minute)
					must(t, err)
					for n, end := range []order.State{order.Issued, order.Review, order.Failed} {
						r := id((page*37*(n+1) + n*11) % open)
						if !moved[r] {
							moved[r] = true
							finished(end)(t, b, r)
						}
					}
					if page < 20 {
						fresh++
						b.record(t, order.Ref{Account: shop, OrderID: fmt.Sprintf("N%d", fresh)})
					}
				})
				times := map[order.Ref]int{}
				for _, f := range found {
					times[f.Ref]++
				}
				for i := range open {
					if n := times[id(i)]; n == 0 || n > 1 && !moved[id(i)] {
						t.Errorf("%s is found %d times; moved: %t", id(i), n, moved[id(i)])
					}
				}
			})
		})
	}
}

// A list by item reads every description, so its pages end where it has read enough; the next one goes on there.
func TestAListByItemIsBounded(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		b := newBench(s, nil)
		pipe := b.rdb.Pipeline()
		const many = mostCost/costItem + 500
		for i := range many {
			r := order.Ref{Account: shop, OrderID: fmt.Sprintf("I%05d", i)}
			pipe.ZAdd(b.ctx, keys.Open(shop), redis.Z{Score: float64(i), Member: keys.Member(r)})
			pipe.HSet(b.ctx, keys.Record(r), "state", "queued", "created", 1, "shape", `{"ItemNo":"X`+fmt.Sprint(i)+`"}`)
		}
		_, err := pipe.Exec(b.ctx)
		must(t, err)
		q, pages, found := Query{Item: fmt.Sprint("X", many-1)}, 0, 0
		for at := (Cursor{}); pages == 0 || !at.IsZero(); pages++ {
			var list []Found
			list, at, err = b.List(b.ctx, q, []providers.Account{shop}, at, 10)
			must(t, err)
			found += len(list)
		}
		if pages != 2 || found != 1 {
			t.Errorf("%d pages, %d found", pages, found)
		}
	})
}

// What no list has made is no cursor, and one of accounts that are gone goes on behind them.
func TestACursorIsChecked(t *testing.T) {
	b := newBench(testredis.Start(t), nil)
	b.record(t, order.Ref{Account: other, OrderID: "P1"})
	for _, text := range []string{"x", "1.0", "eyJwIjoiZWx0In0", Cursor{Part: partEnded, Before: "+"}.String(), Cursor{Part: partEnded, Before: "0-1"}.String() + "="} {
		if c, err := ParseCursor(text); !errors.Is(err, ErrCursor) {
			t.Errorf("%q is %+v, %v", text, c, err)
		}
	}
	gone := Cursor{Part: partOpen, Account: shop, After: "Z", Left: []string{"A1"}}
	if found, next, err := b.List(b.ctx, Query{}, []providers.Account{other}, gone, 10); len(found) != 1 || !next.IsZero() || err != nil {
		t.Errorf("%v %+v %v", found, next, err)
	}
}

// Whether ended records are no longer listed is known from the stream.
func TestWhatTheStreamHasForgottenIsKnown(t *testing.T) {
	s := testredis.Start(t)
	b := newBench(s, nil)
	if at, err := b.ForgottenBefore(b.ctx); !at.IsZero() || err != nil {
		t.Fatal(at, err)
	}
	finished(order.Issued)(t, b, b.order())
	if at, err := b.ForgottenBefore(b.ctx); !at.IsZero() || err != nil {
		t.Fatal(at, err)
	}
	finished(order.Issued)(t, b, b.order())
	must(t, b.rdb.XTrimMaxLen(b.ctx, keys.Events, 1).Err())
	last, err := b.LastEvent(b.ctx)
	must(t, err)
	if at, err := b.ForgottenBefore(b.ctx); s.Kind == testredis.Real && !at.Equal(EventTime(last)) || err != nil {
		t.Error(at, err)
	}
}
