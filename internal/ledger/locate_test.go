package ledger

import (
	"context"
	"fmt"
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

// located is what Locate finds of an account, in words.
func (b *bench) located(t testing.TB, a providers.Account, text string) string {
	t.Helper()
	list, err := b.Locate(b.ctx, a, text)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range list {
		names = append(names, strings.TrimPrefix(r.String(), a.String()+"/"))
	}
	return strings.Join(names, " ")
}

func (b *bench) accept(t testing.TB, k order.Ref, ref string) {
	t.Helper()
	f := b.claim(t, k).Record.Fence
	b.submit(t, k, f)
	a, err := b.Accept(b.ctx, k, f, Acceptance{ProviderRef: ref})
	applied(t, a, err)
}

// An order is found by its number, by the provider's from the moment that it is known, and a refund by its id from its
// intake on: in the account they belong to, however late they end, and for as long as they are kept.
func TestARecordIsLocatedByWhatPeopleHave(t *testing.T) {
	eachServer(t, func(t *testing.T, b *bench, s *testredis.Server) {
		k := order.Ref{Account: shop, OrderID: "A1"}
		b.accept(t, k, "T100")
		want := func(when string, wants map[string]string) {
			t.Helper()
			for text, want := range wants {
				if got := b.located(t, shop, text); got != want {
					t.Errorf("%s: %q leads to %q, want %q", when, text, got, want)
				}
			}
			for _, text := range []string{"T10", "", "A1:R1", "A1}:order", "A1\nR1"} {
				if got := b.located(t, shop, text); got != "" {
					t.Errorf("%s: %q leads to %q", when, text, got)
				}
			}
			if got := b.located(t, other, "T100"); got != "" {
				t.Errorf("%s: in another account %q is found", when, got)
			}
		}
		want("accepted", map[string]string{"A1": "A1", "T100": "A1", "R1": ""})
		b.record(t, k.Refund("R1"))
		want("refund recorded", map[string]string{"A1": "A1 A1/R1", "T100": "A1", "R1": "A1/R1"})

		direct := order.Ref{Account: shop, OrderID: "A2"}
		f := b.claim(t, direct).Record.Fence
		b.submit(t, direct, f)
		a, err := b.Finish(b.ctx, direct, f, Ending{State: order.Review, ProviderRef: "T200"})
		applied(t, a, err)
		want("in review", map[string]string{"T200": "A2"})
		b.clock.pass(70 * day)
		a, err = b.Resolve(b.ctx, direct, Resolution{State: order.Issued, Who: "ann", Reason: "r"})
		applied(t, a, err)
		a, err = b.Finish(b.ctx, k, "", Ending{State: order.Issued, ProviderRef: "T100"})
		applied(t, a, err)
		a, err = b.Cancel(b.ctx, k.Refund("R1"), "ann", "r")
		applied(t, a, err)
		b.clock.pass(390 * day)
		s.FastForward(390 * day)
		want("400 days later", map[string]string{"T100": "A1", "T200": "A2", "A2": "A2", "R1": "A1/R1"})
		b.clock.pass(30 * day)
		if s.Kind == testredis.Miniredis {
			s.FastForward(30 * day)
			want("after their time", map[string]string{"T100": "", "T200": "", "R1": "", "A2": ""})
		}
	})
}

// What leads to a record is a hint: it is believed only if the record says the same.
func TestAHintThatTheRecordDoesNotConfirmLeadsNowhere(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := order.Ref{Account: shop, OrderID: "A1"}
		f := b.claim(t, k).Record.Fence // no intent: it cannot be accepted
		if a, err := b.Accept(b.ctx, k, f, Acceptance{ProviderRef: "T100"}); err != nil || a.Applied {
			t.Fatal(a, err)
		}
		if got := b.located(t, shop, "T100"); got != "" {
			t.Errorf("an order that was not accepted is found as %q", got)
		}
		b.accept(t, order.Ref{Account: shop, OrderID: "A2"}, "T100")
		if got := b.located(t, shop, "T100"); got != "A2" {
			t.Errorf("found %q, want A2", got)
		}
	})
}

// An order whose customer's data was erased, and its refunds, are found by the order's number alone.
func TestAnErasedOrderIsFoundByItsNumberOnly(t *testing.T) {
	eachServer(t, func(t *testing.T, b *bench, s *testredis.Server) {
		k := order.Ref{Account: shop, OrderID: "A1"}
		b.accept(t, k, "T100")
		for _, r := range []order.Ref{k.Refund("R1"), {Account: shop, OrderID: "A2", RefundID: "R1"}} {
			b.record(t, r)
			a, err := b.Cancel(b.ctx, r, "ann", "r")
			applied(t, a, err)
		}
		for _, r := range []order.Ref{k, k.Refund("R1")} {
			if e, err := b.Erase(b.ctx, r, "ann"); err != nil || !e.Applied {
				t.Fatal(e, err)
			}
		}
		b.clock.pass(time.Minute)
		if key, _ := place(shop, "T100", b.clock.Now()); b.rdb.HLen(b.ctx, key).Val() != 0 {
			t.Errorf("a hint is left in %s", key)
		}
		a, err := b.Finish(b.ctx, k, "", Ending{State: order.Issued, ProviderRef: "T100"})
		applied(t, a, err)
		for text, want := range map[string]string{"T100": "", "R1": "A2/R1", "A1": "A1 A1/R1"} {
			if got := b.located(t, shop, text); got != want {
				t.Errorf("%q leads to %q, want %q", text, got, want)
			}
		}
	})
}

// Where every order has a refund of one id, the latest of a month are found, and nothing grows.
func TestManyRefundsOfOneIDStayBounded(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for i := range mostPointed + 5 {
			b.record(t, order.Ref{Account: shop, OrderID: fmt.Sprint("A", i), RefundID: "R1"})
		}
		list, err := b.Locate(b.ctx, shop, "R1")
		if err != nil || len(list) != mostPointed || list[0].OrderID != fmt.Sprint("A", mostPointed+4) || list[mostPointed-1].OrderID != "A5" {
			t.Errorf("%d found: %v, %v", len(list), list, err)
		}
	})
}

// A search for a number is two round trips and a few commands, whatever the ledger holds.
func TestLocatingIsBoundedWork(t *testing.T) {
	s := testredis.Mini(t)
	b := newBench(s, newClock())
	for range 300 {
		b.record(t, b.order())
	}
	k := order.Ref{Account: shop, OrderID: "A1"}
	b.accept(t, k, "T100")
	var names []string
	l := b.hooked(t, counting{names: &names})
	must(t, l.rdb.Ping(b.ctx).Err()) // connects
	names = nil
	if list, err := l.Locate(b.ctx, shop, "T100"); err != nil || len(list) != 1 || list[0] != k {
		t.Fatal(list, err)
	}
	counts := map[string]int{}
	for _, n := range names {
		counts[n]++
	}
	// 400 days are up to 15 months.
	if diff := cmp.Diff(map[string]int{"exists": 1, "zrange": 1, "hget": counts["hget"], "hmget": 1, "round trip": 2}, counts); diff != "" || counts["hget"] > 16 {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// counting notes commands and round trips.
type counting struct {
	testredis.Hook
	names *[]string
}

func (h counting) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		h.note(cmd)
		return next(ctx, cmd)
	}
}

func (h counting) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		h.note(cmds...)
		return next(ctx, cmds)
	}
}

// note counts a round trip, unless it begins a connection.
func (h counting) note(cmds ...redis.Cmder) {
	if n := cmds[0].Name(); n == "hello" || n == "client" || n == "ping" {
		return
	}
	for _, c := range cmds {
		*h.names = append(*h.names, c.Name())
	}
	*h.names = append(*h.names, "round trip")
}

// The pointers of 20,000 orders of a month take little beside their records, in a Redis of ours.
func TestAPointerTakesFewBytes(t *testing.T) {
	b := configured(t)
	if b == nil {
		t.Skip("needs redis-server")
	}
	const orders = 20_000
	write := func(from int) {
		pipe := b.rdb.Pipeline()
		for i := range orders / 4 {
			n := from + i
			b.point(b.ctx, pipe, b.pointer(order.Ref{Account: shop, OrderID: fmt.Sprintf("CBX%09d", n)}, fmt.Sprintf("220302%014d", n)))
		}
		if _, err := pipe.Exec(b.ctx); err != nil {
			t.Fatal(err)
		}
	}
	before := b.usedMemory(t)
	for i := range 4 {
		write(i * orders / 4)
	}
	each := float64(b.usedMemory(t)-before) / orders
	t.Logf("%.1f bytes a pointer", each)
	if each > 45 {
		t.Errorf("%.1f bytes a pointer, want at most 45", each)
	}
	key, _ := place(shop, fmt.Sprintf("220302%014d", 1), b.clock.Now())
	if enc := b.rdb.ObjectEncoding(b.ctx, key).Val(); enc != "listpack" && enc != "ziplist" {
		t.Errorf("%s is a %s", key, enc)
	}
	if ttl := b.rdb.PTTL(b.ctx, key).Val(); ttl < 400*day || ttl > 431*day {
		t.Errorf("it lasts %s", ttl)
	}
	if !strings.HasPrefix(key, keys.Prefix+"{found:"+shop.String()+":202311:") {
		t.Error(key)
	}
}
