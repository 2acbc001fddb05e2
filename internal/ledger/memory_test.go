package ledger

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"issuance/internal/keys"
	"issuance/internal/testredis"
	"issuance/tasks/order"
)

// configured is a bench over a redis-server with the settings of deploy/redis.conf, nil where there is none.
func configured(t *testing.T) *bench {
	t.Helper()
	s := testredis.StartFile(t, "../../deploy/redis.conf")
	if s == nil {
		return nil
	}
	return newBench(s, newClock())
}

// usedMemory is what Redis holds by its own account.
func (b *bench) usedMemory(t testing.TB) int {
	t.Helper()
	info, err := b.rdb.Info(b.ctx, "memory").Result()
	must(t, err)
	_, rest, _ := strings.Cut(info, "used_memory_dataset:")
	line, _, _ := strings.Cut(rest, "\r\n")
	_, all, _ := strings.Cut(info, "used_memory_overhead:")
	overhead, _, _ := strings.Cut(all, "\r\n")
	return number(line) + number(overhead)
}

// perCopy is what one key costs, its name, its expiry and its share of Redis's tables included: 10,000 copies
// of it are made under names of the same length.
func (b *bench) perCopy(t testing.TB, key, id string, ttl time.Duration) int {
	t.Helper()
	const copies = 10_000
	dump, err := b.rdb.Dump(b.ctx, key).Result()
	must(t, err)
	before := b.usedMemory(t)
	for i := 0; i < copies; {
		pipe := b.rdb.Pipeline()
		for range 1000 {
			name := fmt.Sprintf("%0*d", len(id), i)
			pipe.Restore(b.ctx, strings.Replace(key, id, name, 1), ttl, dump)
			i++
		}
		_, err := pipe.Exec(b.ctx)
		must(t, err)
	}
	return (b.usedMemory(t) - before) / copies
}

// finalOrder is an issued order of a realistic size.
func finalOrder(t testing.TB, b *bench, k order.Ref, providerRef string, polled bool) {
	t.Helper()
	in := document(k)
	in.Fingerprint = "9f86d081." + strings.Repeat("Qm", 11)
	in.Shape = []byte(`{"tickets":2,"type":"paper","items":[{"item":"IT0001","quantity":2}],"amount":2400}`)
	in.Document = "s1.9f86d081.d"
	full := fmt.Sprintf(`{"MerchantTradeNo":%q,"MerchantID":"2000132","Type":"1","TradeDesc":"%s"}`, k.OrderID, strings.Repeat("x", 200))
	in.Stub = []byte(full[:200])
	in.Trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	_, err := b.Record(b.ctx, in)
	must(t, err)
	f := b.claim(t, k).Record.Fence
	a, _, err := b.Submit(b.ctx, k, f, Intent{Host: "ecticket.ecpay.com.tw", Lease: lease, Ticket: -1})
	applied(t, a, err)
	b.clock.pass(time.Second)
	if polled {
		a, err = b.Accept(b.ctx, k, f, Acceptance{ProviderRef: providerRef, Result: "s1.r"})
		applied(t, a, err)
		b.clock.pass(time.Minute)
		f = ""
	}
	a, err = b.Finish(b.ctx, k, f, Ending{State: order.Issued, ProviderRef: providerRef, Result: "s1.r", Polled: polled})
	applied(t, a, err)
}

// A bare final record, with all that Redis needs for it, takes at most 600 bytes, however long its stub.
func TestABareRecordIsSmall(t *testing.T) {
	b := configured(t)
	if b == nil {
		return
	}
	for name, c := range map[string]struct {
		ref         order.Ref
		providerRef string
		polled      bool
	}{
		"ECTicket": {order.Ref{Account: shop, OrderID: "SHOP2026112600000001"}, "CBX2611261234567", true},
		"Pass2U":   {order.Ref{Account: other, OrderID: "shop-2026-11-26-000000000001"}, "5f1c2a7e-93d4-4a36-b6b1-3d0f7f0e9a11", false},
	} {
		finalOrder(t, b, c.ref, c.providerRef, c.polled)
		key := keys.Record(c.ref)
		n := b.perCopy(t, key, c.ref.OrderID, 400*day)
		usage := b.rdb.MemoryUsage(b.ctx, key, 0).Val()
		t.Logf("%s: %d bytes a record, MEMORY USAGE %d: %v", name, n, usage, b.rdb.HGetAll(b.ctx, key).Val())
		if n > 600 {
			t.Errorf("%s: %d bytes", name, n)
		}
	}
}
