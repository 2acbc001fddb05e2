package webhooks

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"issuance/internal/keys"
	"issuance/internal/thinevent"
)

// An event of an order is not delivered before an earlier one of the same order was; other orders do not wait for it.
func TestTheEventsOfAnOrderKeepTheirOrder(t *testing.T) {
	r := receive(t, func(w http.ResponseWriter, ev thinevent.Event) {
		if ev.Data.OrderID == "A1" {
			w.WriteHeader(500)
		}
	})
	h := open(t, entryFor("shop", r.URL))
	o := h.cancelled("A1")
	h.end(o.Refund("R1"))
	h.end(o.Refund("R2"))
	h.cancelled("A2")
	h.settle()
	if ids := r.ids(); !slices.Contains(ids, "A2/cancelled/1") || len(ids) != 2 {
		t.Fatalf("%v", ids)
	}
	r.answer(nil)
	h.pass(time.Minute)
	h.settle()
	if ids := r.ids()[2:]; !slices.Equal(ids, []string{"A1/cancelled/1", "A1/R1/cancelled/1", "A1/R2/cancelled/1"}) {
		t.Errorf("%v", ids)
	}
}

// An event that stands in the stream twice is delivered once.
func TestTheSameEndIsDeliveredOnce(t *testing.T) {
	r := receive(t, nil)
	h := open(t, entryFor("shop", r.URL))
	h.cancelled("A1")
	entries, err := h.rdb.XRange(t.Context(), keys.Events, "-", "+").Result()
	h.must(err)
	var again []any
	for k, v := range entries[0].Values {
		again = append(again, k, v)
	}
	h.must(h.rdb.Do(t.Context(), append([]any{"XADD", keys.Events, "*"}, again...)...).Err())
	h.settle()
	if ids := r.ids(); len(ids) != 1 {
		t.Errorf("%v", ids)
	}
}

// Several front doors deliver every event once between them, in order per order, within moments.
func TestSeveralFrontDoorsShareTheWork(t *testing.T) {
	r, second := receive(t, nil), receive(t, nil)
	h := open(t, entryFor("shop", r.URL), entryFor("second", second.URL))
	h.running(3)
	const orders = 150
	for i := range orders {
		o := h.cancelled(fmt.Sprintf("A%d", i))
		h.end(o.Refund("R1"))
	}
	for _, r := range []*receiver{r, second} {
		until(t, "all deliveries", func() bool { return len(r.all()) >= 2*orders })
		ids := r.ids()
		for i := range orders {
			first, second := slices.Index(ids, fmt.Sprintf("A%d/cancelled/1", i)), slices.Index(ids, fmt.Sprintf("A%d/R1/cancelled/1", i))
			if first < 0 || second < first {
				t.Fatalf("order %d: places %d and %d", i, first, second)
			}
		}
		if len(ids) != 2*orders {
			t.Errorf("%d deliveries of %d events", len(ids), 2*orders)
		}
	}
}

// Of several front doors that have read the same events one admits them, also when the others come late, after they
// were delivered.
func TestALateFrontDoorAdmitsNothing(t *testing.T) {
	r := receive(t, nil)
	h := open(t, entryFor("shop", r.URL))
	cursor := h.state("shop").Cursor
	h.cancelled("A1")
	list, err := h.ledger.Events(t.Context(), cursor, 10, 0)
	h.must(err)
	h.settle()
	moved := h.state("shop").Cursor
	ok, err := h.store.admit(t.Context(), "shop", cursorField, cursor, list[0].StreamID, list)
	if ok || err != nil {
		t.Errorf("%t, %v", ok, err)
	}
	ok, err = h.store.bridge(t.Context(), "shop", cursor, "0", time.Time{})
	if ok || err != nil {
		t.Errorf("%t, %v", ok, err)
	}
	if h.settle(); len(r.all()) != 1 || h.state("shop").Cursor != moved || !h.state("shop").ReplaySince.IsZero() {
		t.Errorf("%d requests, %+v", len(r.all()), h.state("shop"))
	}
}

// The keys of an endpoint are in one slot of a cluster, and no record's.
func TestAnEndpointsKeysAreTogether(t *testing.T) {
	h := open(t, entryFor("shop", "https://shop.example"))
	h.cancelled("A1")
	h.step()
	found, err := h.rdb.Keys(t.Context(), keys.Webhook("shop")+"*").Result()
	h.must(err)
	if len(found) < 4 {
		t.Fatalf("%v", found)
	}
	for _, k := range found {
		if _, ok := keys.ParseAnyRecord(k); ok || strings.Count(k, "{") != 1 || !strings.Contains(k, "{webhook:shop}") {
			t.Errorf("%s", k)
		}
	}
}
