package webhooks

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"issuance/internal/thinevent"
)

// away has an endpoint fail until it is one that takes nothing: some events are tried, and nothing else is.
func (h *hall) away(r *receiver, orders string) {
	h.t.Helper()
	r.answer(status(503))
	for i := range 6 {
		h.cancelled(fmt.Sprintf("%s%d", orders, i))
	}
	h.settle()
	h.pass(firstProbe)
	h.settle()
	s := h.state("shop")
	if s.Fails < failing {
		h.t.Fatalf("%d failures", s.Fails)
	}
	if s.ProbeAt.Before(h.now()) || s.ProbeAt.After(h.now().Add(firstProbe)) {
		h.t.Errorf("the next probe leaves at %s", s.ProbeAt)
	}
}

// A short outage of a busy receiver is over for it within moments: probes find that out, and then everything goes on at
// once, in order per order.
func TestAShortOutageEndsWithTheNextProbe(t *testing.T) {
	r := receive(t, nil)
	h := open(t, entryFor("shop", r.URL))
	h.away(r, "OLD")
	const later = 40
	for i := range later {
		o := h.cancelled(fmt.Sprintf("NEW%d", i))
		h.end(o.Refund("R1"))
	}
	for range 8 {
		h.pass(time.Second)
		h.settle()
	}
	failed := len(r.all())
	r.answer(nil)
	for range 10 { // the second pause
		h.pass(time.Second)
		h.settle()
	}
	ids := r.ids()[failed:]
	if len(ids) != 6+2*later || h.state("shop").Outstanding != 0 {
		t.Fatalf("%d deliveries within 10 s of the outage's end", len(ids))
	}
	for i := range later {
		if first, second := slices.Index(ids, fmt.Sprintf("NEW%d/cancelled/1", i)), slices.Index(ids, fmt.Sprintf("NEW%d/R1/cancelled/1", i)); first < 0 || second < first {
			t.Errorf("order %d: places %d and %d", i, first, second)
		}
	}
}

// An endpoint that takes nothing gets one probe a pause. The pauses double, up to an hour, and start anew with the next outage.
func TestADeadEndpointGetsOneProbeAPause(t *testing.T) {
	r := receive(t, nil)
	h := open(t, entryFor("shop", r.URL))
	outage := func(orders string) {
		t.Helper()
		h.away(r, orders)
		for i, longest := range []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second,
			160 * time.Second, 320 * time.Second, 640 * time.Second, 1280 * time.Second, 2560 * time.Second, time.Hour, time.Hour} {
			n, shortest := len(r.all()), time.Duration(float64(longest)*(1-probeJitter))
			h.pass(shortest - time.Millisecond)
			if h.settle(); len(r.all()) != n {
				t.Fatalf("probe %d came early", i+1)
			}
			h.pass(longest - shortest + time.Millisecond)
			if h.settle(); len(r.all()) != n+1 {
				t.Fatalf("%d requests after pause %d", len(r.all())-n, i+1)
			}
		}
	}
	outage("A")
	r.answer(nil)
	h.pass(time.Hour)
	h.settle()
	if s := h.state("shop"); s.Outstanding != 0 || s.Fails != 0 {
		t.Fatalf("%+v", s)
	}
	outage("B")
}

// Deliveries that were under way when an endpoint began to fail put no probe off.
func TestFailuresThatWereUnderWayPutNoProbeOff(t *testing.T) {
	r := receive(t, status(503))
	h := open(t, entryFor("shop", r.URL))
	for i := range 8 {
		h.cancelled(fmt.Sprintf("A%d", i))
	}
	h.settle()
	h.pass(firstProbe)
	h.settle() // 16 failures, 6 of them after it was one that takes nothing
	n := len(r.all())
	h.pass(firstProbe)
	if h.settle(); len(r.all()) != n+1 {
		t.Errorf("%d probes", len(r.all())-n)
	}
}

// Further front doors and tasks that were made before add no load to an endpoint that takes nothing.
func TestOnlyTheProbeLeavesWhileAnEndpointTakesNothing(t *testing.T) {
	r := receive(t, nil)
	h := open(t, entryFor("shop", r.URL))
	h.away(r, "OLD")
	for i := range window {
		h.cancelled(fmt.Sprintf("B%d", i))
	}
	_, _, err := h.store.Enable(t.Context(), "shop")
	h.must(err)
	if n := h.step(); n != window {
		t.Fatalf("%d tasks", n)
	}
	h.must(h.rdb.HSet(t.Context(), held("shop")[0], "fails", failing, "probe_at", h.now().Add(firstProbe).UnixMilli()).Err())
	n := len(r.all())
	if h.work(); len(r.all()) != n {
		t.Errorf("%d deliveries by tasks that were made before", len(r.all())-n)
	}
	h.pass(firstProbe)
	for range 3 { // front doors
		h.step()
	}
	if h.work(); len(r.all()) != n+1 {
		t.Errorf("%d probes", len(r.all())-n)
	}
}

// A probe that fails says nothing of its event: the event has its whole schedule when the endpoint is well again.
func TestAFailedProbeIsNoTryOfItsEvent(t *testing.T) {
	r := receive(t, nil)
	h := open(t, entryFor("shop", r.URL))
	h.away(r, "OLD")
	for range 3 * 24 { // every event is the probe several times
		h.pass(time.Hour)
		h.settle()
	}
	r.answer(nil)
	h.pass(time.Hour)
	h.settle()
	list, err := h.store.Deliveries(t.Context(), "shop", 6)
	h.must(err)
	for _, d := range list {
		if d.Outcome != string(delivered) || d.Try > 3 {
			t.Errorf("%+v", d)
		}
	}
}

// What an endpoint asks for by Retry-After is kept by its probes, and by tasks that were made before.
func TestRetryAfterIsKeptByProbes(t *testing.T) {
	r := receive(t, nil)
	h := open(t, entryFor("shop", r.URL))
	h.away(r, "OLD")
	r.answer(func(w http.ResponseWriter, _ thinevent.Event) {
		w.Header().Set("Retry-After", "600")
		w.WriteHeader(503)
	})
	h.pass(firstProbe)
	h.settle()
	n := len(r.all())
	h.pass(599 * time.Second)
	if h.settle(); len(r.all()) != n {
		t.Fatal("a probe left before the time")
	}
	r.answer(nil)
	h.pass(time.Second)
	if h.settle(); h.state("shop").Outstanding != 0 {
		t.Errorf("%+v", h.state("shop"))
	}
}
