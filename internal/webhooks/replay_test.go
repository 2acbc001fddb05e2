package webhooks

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/testredis"
	"issuance/tasks/order"
)

// What the stream no longer holds is sent from the ledger, before what follows, with the same ids.
func TestAGapOfTheStreamIsFilledFromTheLedger(t *testing.T) {
	r := receive(t, nil)
	h := open(t, entryFor("shop", r.URL))
	h.cancelled("A0")
	h.settle()
	for i := range 30 {
		o := h.cancelled(fmt.Sprintf("A%d", i+1))
		h.end(o.Refund("R1"))
	}
	h.must(h.rdb.XTrimMaxLen(t.Context(), keys.Events, 10).Err())
	h.settle()
	seen := map[string]int{}
	for i, id := range r.ids() {
		seen[id] = i + 1
	}
	for i := range 30 {
		first, second := seen[fmt.Sprintf("A%d/cancelled/1", i+1)], seen[fmt.Sprintf("A%d/R1/cancelled/1", i+1)]
		if first == 0 || second < first {
			t.Errorf("order %d: places %d and %d", i+1, first, second)
		}
	}
	if !strings.Contains(h.log.String(), "alarm: events that were not sent") {
		t.Error("no alarm")
	}
	h.cancelled("B1")
	h.settle()
	if ids := r.ids(); ids[len(ids)-1] != "B1/cancelled/1" {
		t.Errorf("%v", ids)
	}
}

// A replay sends again what ended since a time, from the records, although the stream is gone; so does that of one
// order, with its refunds.
func TestAReplayIsMadeFromTheLedger(t *testing.T) {
	r := receive(t, nil)
	h := open(t, entryFor("shop", r.URL, "accounts: [ecticket:2000132]"))
	h.cancelled("OLD")
	h.end(order.Ref{Account: pass2u, OrderID: "P1"})
	h.pass(2 * time.Hour)
	h.cancelled("A1")
	h.end(order.Ref{Account: shop, OrderID: "OLD", RefundID: "R1"})
	h.end(order.Ref{Account: shop, OrderID: "NONE", RefundID: "R1"}) // of an order that has no record
	h.end(order.Ref{Account: shop, OrderID: "NONE", RefundID: "R2"})
	h.settle()
	h.must(h.rdb.Del(t.Context(), keys.Events).Err())
	before := len(r.all())
	h.must(h.store.Replay(t.Context(), "shop", h.now().Add(-time.Hour)))
	if s := h.state("shop"); s.ReplaySince.IsZero() {
		t.Error("it does not show")
	}
	h.settle()
	got := r.ids()[before:]
	slices.Sort(got)
	if !slices.Equal(got, []string{"A1/cancelled/1", "NONE/R1/cancelled/1", "NONE/R2/cancelled/1", "OLD/R1/cancelled/1"}) {
		t.Errorf("%v", got)
	}
	if s := h.state("shop"); !s.ReplaySince.IsZero() {
		t.Error("it does not end")
	}
	before = len(r.all())
	n, err := h.store.ReplayOrder(t.Context(), h.ledger, Announced{Name: "shop", Events: []string{"order.*", "refund.cancelled"}}, order.Ref{Account: shop, OrderID: "OLD"})
	h.must(err)
	h.settle()
	if got := r.ids()[before:]; n != 2 || !slices.Equal(got, []string{"OLD/cancelled/1", "OLD/R1/cancelled/1"}) {
		t.Errorf("%d, %v", n, got)
	}
	n, err = h.store.ReplayOrder(t.Context(), h.ledger, Announced{Name: "shop", Accounts: []string{"pass2u"}}, order.Ref{Account: shop, OrderID: "OLD"})
	if n != 0 || err != nil {
		t.Errorf("%d events of another's account, %v", n, err)
	}
}

// A replay of many records has only so many outstanding at a time.
func TestAReplayIsPaced(t *testing.T) {
	r := receive(t, status(500))
	h := open(t, entryFor("shop", r.URL))
	const orders = 4000
	var refs []order.Ref
	for i := range orders {
		refs = append(refs, order.Ref{Account: shop, OrderID: fmt.Sprintf("A%d", i)})
	}
	pipe := h.rdb.Pipeline()
	for _, ref := range refs {
		pipe.HSet(t.Context(), keys.Record(ref), "state", "issued", "final", h.now().UnixMilli(), "created", h.now().UnixMilli())
	}
	_, err := pipe.Exec(t.Context())
	h.must(err)
	h.must(h.store.Replay(t.Context(), "shop", time.Time{}))
	h.settle()
	r.answer(nil)
	most := 0
	h.pass(2 * time.Hour)
	for h.step() > 0 {
		most = max(most, h.state("shop").Outstanding)
		h.work()
	}
	if s := h.state("shop"); s.Delivered < orders || s.Outstanding != 0 || most > 3*mostOutstanding {
		t.Errorf("%+v, %d outstanding at most", s, most)
	}
}

// A replay that is asked for again while it is under way begins anew, at the earlier time of the two.
func TestAReplayIsExtended(t *testing.T) {
	r := receive(t, nil)
	h := open(t, entryFor("shop", r.URL))
	h.cancelled("A1")
	h.settle()
	early, late := h.now().Add(-2*time.Hour), h.now().Add(-time.Hour)
	for _, since := range []time.Time{late, early, late} {
		h.must(h.store.Replay(t.Context(), "shop", since))
	}
	if got := h.state("shop").ReplaySince; !got.Equal(early) {
		t.Errorf("since %s, want %s", got, early)
	}
	if h.settle(); len(r.all()) != 2 {
		t.Errorf("%d requests", len(r.all()))
	}
}

// While a gap is filled from the ledger the stream waits, however many pages that takes.
func TestTheStreamWaitsUntilAGapIsFilled(t *testing.T) {
	r := receive(t, nil)
	h := open(t, entryFor("shop", r.URL))
	h.cancelled("A0")
	h.settle()
	o := h.cancelled("A1")
	h.cancelled("A2")
	h.must(h.rdb.XTrimMaxLen(t.Context(), keys.Events, 1).Err())
	pipe := h.rdb.Pipeline()
	for i := range 3 * replayKeys {
		pipe.HSet(t.Context(), keys.Record(order.Ref{Account: shop, OrderID: fmt.Sprintf("OLD%d", i)}), "created", 1)
	}
	_, err := pipe.Exec(t.Context())
	h.must(err)
	e := h.File.Find("shop")
	_, err = h.advance(t.Context(), e)
	h.must(err)
	h.end(o.Refund("R1"))
	cursor, pages := h.state("shop").Cursor, 0
	for ; !h.state("shop").ReplaySince.IsZero(); pages++ {
		if got := h.state("shop").Cursor; got != cursor {
			t.Fatalf("the cursor moves after %d pages", pages)
		}
		_, err = h.advance(t.Context(), e)
		h.must(err)
	}
	h.settle()
	ids := r.ids()
	if first, second := slices.Index(ids, "A1/cancelled/1"), slices.Index(ids, "A1/R1/cancelled/1"); pages < 3 || first < 0 || second < first {
		t.Errorf("%d pages, %v", pages, ids)
	}
}

// scans counts searches of the keyspace.
type scans struct {
	testredis.Hook
	n atomic.Int32
}

func (s *scans) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "scan" {
			s.n.Add(1)
		}
		return next(ctx, cmd)
	}
}

// A replay since a time that the stream still covers is made from the stream, however many records there are: the keyspace is
// searched only for what the stream has lost, even if it loses that while the replay is under way.
func TestAReplaySearchesNoKeyspaceForWhatTheStreamHolds(t *testing.T) {
	r := receive(t, nil)
	h := open(t, entryFor("shop", r.URL))
	searches := &scans{}
	h.rdb.AddHook(searches)
	h.must(h.rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: keys.Events, ID: "1000-0", Values: []any{"event_id", "old", "account", shop.String(), "state", "issued", "at", 1}}).Err())
	h.cancelled("A0")
	const orders = replayRecords + 50
	for i := range orders {
		h.must(h.rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: keys.Events, Values: []any{"event_id", fmt.Sprintf("ecticket:2000132/B%d/cancelled/1", i), "account", shop.String(),
			"provider", "ecticket", "order_id", fmt.Sprintf("B%d", i), "state", "cancelled", "at", h.now().UnixMilli()}}).Err())
		h.must(h.rdb.HSet(t.Context(), keys.Record(order.Ref{Account: shop, OrderID: fmt.Sprintf("B%d", i)}), "state", "cancelled", "final", h.now().UnixMilli(), "created", 1).Err())
	}
	h.end(order.Ref{Account: shop, OrderID: "A0", RefundID: "R1"}) // on another page than its order
	h.end(order.Ref{Account: shop, OrderID: "NONE", RefundID: "R1"})
	h.settle()
	since, before := h.now(), len(r.all())
	h.must(h.store.Replay(t.Context(), "shop", since.Add(time.Hour)))
	h.settle()
	if n := len(r.all()) - before; n != 0 || searches.n.Load() != 0 {
		t.Errorf("%d requests, %d searches of what has ended after all ends", n, searches.n.Load())
	}
	h.must(h.store.Replay(t.Context(), "shop", since))
	h.settle()
	if n := len(r.all()) - before; n != orders+3 || searches.n.Load() != 0 {
		t.Errorf("%d requests, %d searches", n, searches.n.Load())
	}
	e := h.File.Find("shop")
	h.must(h.store.Replay(t.Context(), "shop", since))
	_, err := h.advance(t.Context(), e)
	h.must(err)
	h.must(h.rdb.XTrimMaxLen(t.Context(), keys.Events, 1).Err())
	before = len(r.all())
	if h.settle(); searches.n.Load() == 0 || !slices.Contains(r.ids()[before:], "A0/cancelled/1") {
		t.Errorf("%d searches after the stream had lost events: %v", searches.n.Load(), r.ids()[before:])
	}
}
