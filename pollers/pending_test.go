package pollers

import (
	"testing"
	"time"
)

// An order was pending when an order accepted before it was, or it itself; what is known of younger ones says nothing, and
// the memory stays small.
func TestWhenAnOrderWasPending(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(1e9+int64(s), 0) }
	var p pendings
	if !p.last(at(0)).IsZero() {
		t.Error("something is known of nothing")
	}
	p.note(at(10), at(20))
	p.note(at(30), at(35))
	for accepted, want := range map[int]time.Time{9: {}, 10: at(20), 29: at(20), 30: at(35), 99: at(35)} {
		if got := p.last(at(accepted)); !got.Equal(want) {
			t.Errorf("%d: %s, want %s", accepted, got, want)
		}
	}
	p.note(at(5), at(40)) // says more than all before
	if got := p.last(at(10)); !got.Equal(at(40)) || len(p.kept) != 1 {
		t.Errorf("%s, %d kept", got, len(p.kept))
	}
	for i := range 2 * mostPendings {
		p.note(at(100+i), at(100+i))
	}
	if len(p.kept) > mostPendings || !p.last(at(5000)).Equal(at(100+2*mostPendings-1)) {
		t.Errorf("%d kept, last %s", len(p.kept), p.last(at(5000)))
	}
}
