package webhooks

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"issuance/internal/thinevent"
)

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
