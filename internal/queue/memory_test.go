package queue

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/hibiken/asynq"

	"issuance/internal/ledger"
	"issuance/internal/seal"
	"issuance/internal/testredis"
	"issuance/tasks/order"
)

// usedMemory is what Redis holds by its own account, without its clients' buffers.
func (b *bench) usedMemory(t testing.TB) (total int) {
	t.Helper()
	info, err := b.rdb.Info(t.Context(), "memory").Result()
	must(t, err)
	for _, field := range []string{"used_memory_dataset:", "used_memory_overhead:"} {
		if _, rest, ok := strings.Cut(info, field); ok {
			n := 0
			_, err := fmt.Sscan(rest, &n)
			must(t, err)
			total += n
		}
	}
	return total
}

const (
	fingerprint = "9f86d081.QmQmQmQmQmQmQmQmQmQmQm"
	shape       = `{"tickets":2,"type":"paper","items":[{"item":"IT0001","quantity":2}],"amount":2400}`
)

// A waiting order, its record and open set included, takes no more of Redis than a task that carries its
// document, shape and fingerprint, and no record, did.
func TestAWaitingOrderTakesNoMoreThanATaskWithItsDocument(t *testing.T) {
	s := testredis.StartFile(t, "../../deploy/redis.conf")
	if s == nil {
		return
	}
	b := newBench(s)
	must(t, b.rdb.ConfigSet(t.Context(), "appendfsync", "no").Err()) // of no influence on memory
	const orders = 4000
	ref := func(i int) order.Ref { return order.Ref{Account: shop, OrderID: fmt.Sprintf("SHOP20261126%08d", i)} }
	document := "s1.9f86d081." + strings.Repeat("Qm", 350)
	each := func(enqueue func(i int) error) int {
		t.Helper()
		must(t, b.rdb.FlushAll(t.Context()).Err())
		before := b.usedMemory(t)
		for i := range orders {
			must(t, enqueue(i))
		}
		return (b.usedMemory(t) - before) / orders
	}
	before := each(func(i int) error {
		payload := fmt.Sprintf(`{"v":1,"provider":"ecticket","order_id":%q,"lane":"bulk","enqueued_at":"2026-11-26T10:00:00.123456789Z","shape":%s,"fingerprint":%q,"document":%q}`,
			ref(i).OrderID, shape, fingerprint, document)
		if !json.Valid([]byte(payload)) {
			t.Fatal(payload)
		}
		h := HomeOf(ref(i), order.Queued, order.Bulk)
		h.ID = "issue:ecticket:" + ref(i).OrderID
		_, err := b.asynq.Enqueue(asynq.NewTask(h.Type, []byte(payload)), b.options(h)...)
		return err
	})
	now := each(func(i int) error {
		_, err := b.ledger.Record(t.Context(), ledger.Intake{Ref: ref(i), Lane: order.Bulk, Fingerprint: fingerprint, Shape: []byte(shape),
			Document: seal.Sealed(document)})
		if err != nil {
			return err
		}
		return b.Enqueue(t.Context(), ref(i), HomeOf(ref(i), order.Queued, order.Bulk), "", 0)
	})
	t.Logf("%d bytes an order, where its task alone would take %d", now, before)
	if now > before {
		t.Errorf("%d bytes an order, more than %d", now, before)
	}
}
