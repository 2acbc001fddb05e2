package webhooks

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/livefile"
	"issuance/internal/thinevent"
	"issuance/tasks/order"
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

// An endpoint that was away for a week gets everything, in order per order. Meanwhile only so many events are
// outstanding, and it is tried a few times an hour at most.
func TestAWeekAwayLosesNothing(t *testing.T) {
	r := receive(t, status(502))
	h := open(t, entryFor("shop", r.URL))
	const orders = 700 // each with a refund: more than may be outstanding
	for i := range orders {
		o := h.cancelled(fmt.Sprintf("A%d", i))
		h.end(o.Refund("R1"))
	}
	for range 7 * 24 {
		h.settle()
		if s := h.state("shop"); s.Outstanding > mostOutstanding {
			t.Fatalf("%d outstanding", s.Outstanding)
		}
		h.pass(time.Hour)
	}
	if n := len(r.all()); n < 7*24 || n > 5*7*24 {
		t.Errorf("%d tries in a week", n)
	}
	r.answer(nil)
	before := len(r.all())
	h.pass(time.Hour)
	for h.step() > 0 {
		if n := len(h.tasks()); n > window {
			t.Fatalf("%d tasks at a time", n)
		}
		h.work()
	}
	place := map[string]int{}
	for i, id := range r.ids()[before:] {
		place[id] = i + 1
	}
	for i := range orders {
		first, second := place[fmt.Sprintf("A%d/cancelled/1", i)], place[fmt.Sprintf("A%d/R1/cancelled/1", i)]
		if first == 0 || second < first {
			t.Fatalf("order %d: places %d and %d", i, first, second)
		}
	}
	if s := h.state("shop"); s.Delivered != 2*orders || s.GivenUp != 0 || s.Outstanding != 0 {
		t.Errorf("%+v", s)
	}
}

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

// scans counts searches of the keyspace.
type scans struct {
	redis.Hook
	n atomic.Int32
}

func (s *scans) DialHook(next redis.DialHook) redis.DialHook { return next }

func (s *scans) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "scan" {
			s.n.Add(1)
		}
		return next(ctx, cmd)
	}
}

func (s *scans) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
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

// A task that the queue has lost, or has put away, is made again.
func TestALostTaskIsMadeAgain(t *testing.T) {
	for what, lose := range map[string]func(h *hall, id string) error{
		"deleted":  func(h *hall, id string) error { return h.queue.DeleteTask(Queue, id) },
		"archived": func(h *hall, id string) error { return h.queue.ArchiveTask(Queue, id) },
	} {
		t.Run(what, func(t *testing.T) {
			r := receive(t, nil)
			h := open(t, entryFor("shop", r.URL))
			h.cancelled("A1")
			h.step()
			h.must(lose(h, h.tasks()[0].ID))
			if h.settle(); len(r.all()) != 0 {
				t.Fatal("it was not lost")
			}
			h.pass(lease + time.Second)
			if h.settle(); len(r.all()) != 1 {
				t.Errorf("%d requests", len(r.all()))
			}
			if list, err := h.queue.ListArchivedTasks(Queue); err != nil || len(list) != 0 {
				t.Errorf("%d tasks are left behind, %v", len(list), err)
			}
		})
	}
}

// A task that names no outstanding event delivers nothing: who can merely write to the queue can send nothing.
func TestATaskWithoutAnEventDeliversNothing(t *testing.T) {
	r := receive(t, nil)
	h := open(t, entryFor("shop", r.URL))
	h.must(enqueue(t.Context(), h.Dispatcher.queue, "shop", "ecticket:2000132/A1/issued/1"))
	h.must(enqueue(t.Context(), h.Dispatcher.queue, "other", "ecticket:2000132/A1/issued/1"))
	if h.work() != 2 || len(r.all()) != 0 {
		t.Errorf("%d requests", len(r.all()))
	}
}

// A front door that does not serve an endpoint leaves its events to those that do, without a failure.
func TestAnotherFrontDoorsEndpointIsLeftAlone(t *testing.T) {
	r := receive(t, nil)
	h := open(t, entryFor("shop", r.URL))
	h.cancelled("A1")
	h.step()
	entry := entryFor("shop", r.URL)
	h.write(strings.Replace(entry, "name: shop", "name: else", 1))
	h.pass(livefile.Reread)
	h.work()
	if s := h.state("shop"); s.Fails != 0 || s.Outstanding != 1 {
		t.Errorf("%+v", s)
	}
	h.write(entry)
	h.pass(10 * time.Second)
	if h.settle(); len(r.all()) != 1 {
		t.Errorf("%d requests", len(r.all()))
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

// An endpoint that does not answer holds up nobody else, and has only so many deliveries under way.
func TestASlowEndpointDelaysNobodyElse(t *testing.T) {
	release := make(chan struct{})
	var mu sync.Mutex
	now, most := 0, 0
	slowOne := receive(t, func(http.ResponseWriter, thinevent.Event) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		<-release
		mu.Lock()
		now--
		mu.Unlock()
	})
	r := receive(t, nil)
	h := open(t, entryFor("slow", slowOne.URL), entryFor("shop", r.URL))
	h.running(2)
	t.Cleanup(sync.OnceFunc(func() { close(release) }))
	const orders = 100
	for i := range orders {
		h.cancelled(fmt.Sprintf("A%d", i))
	}
	until(t, "the other endpoint's deliveries", func() bool { return len(r.all()) == orders })
	mu.Lock()
	defer mu.Unlock()
	if most == 0 || most > window || now != most {
		t.Errorf("%d deliveries under way at a time, %d now", most, now)
	}
}

// A task that a front door has taken along into its death is gone around.
func TestADeadFrontDoorsDeliveryIsMadeAgain(t *testing.T) {
	r := receive(t, nil)
	h := open(t, entryFor("shop", r.URL))
	h.cancelled("A1")
	h.step()
	id := h.tasks()[0].ID
	b, err := h.store.begin(t.Context(), "shop", "ecticket:2000132/A1/cancelled/1")
	if err != nil || b == nil {
		t.Fatal(b, err)
	}
	pipe := h.rdb.TxPipeline() // what asynq does when a worker takes a task, whose lease then runs out
	pipe.LRem(t.Context(), keys.Queue(Queue)+"pending", 0, id)
	pipe.LPush(t.Context(), keys.Queue(Queue)+"active", id)
	pipe.HSet(t.Context(), keys.Task(Queue, id), "state", "active")
	_, err = pipe.Exec(t.Context())
	h.must(err)
	h.pass(lease - time.Second)
	if h.settle(); len(r.all()) != 0 {
		t.Fatal("it was not waited for")
	}
	h.pass(2 * time.Second)
	if h.settle(); len(r.all()) != 1 || h.state("shop").Outstanding != 0 {
		t.Errorf("%d requests", len(r.all()))
	}
}

// An endpoint that answers slowly gets fewer deliveries at a time.
func TestASlowEndpointGetsFewerAtATime(t *testing.T) {
	r := receive(t, nil)
	h := open(t, entryFor("shop", r.URL))
	for i := range 30 {
		h.cancelled(fmt.Sprintf("A%d", i))
	}
	if n := h.step(); n != window {
		t.Fatalf("%d tasks", n)
	}
	r.answer(func(http.ResponseWriter, thinevent.Event) { h.pass(slow) })
	h.work()
	if n := h.step(); n != slowWindow {
		t.Errorf("%d tasks of a slow endpoint", n)
	}
	r.answer(nil)
	h.settle()
	if len(r.all()) != 30 {
		t.Errorf("%d requests", len(r.all()))
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
