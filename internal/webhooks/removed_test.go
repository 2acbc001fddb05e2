package webhooks

import (
	"testing"
	"time"
)

// An endpoint that is taken out of the file is removed when front doors have gone on without it for a while. One whose front
// doors are all down, or that some front door still serves, is not.
func TestAnEndpointThatIsTakenOutOfTheFileIsRemoved(t *testing.T) {
	h := open(t, entryFor("shop", "http://127.0.0.1:9"), entryFor("other", "http://127.0.0.1:9"))
	announce := func() {
		t.Helper()
		h.must(h.store.announce(t.Context(), h.File.Endpoints(), h.now()))
	}
	removed := func(want ...string) {
		t.Helper()
		all, err := h.store.Announced(t.Context())
		h.must(err)
		for _, a := range all {
			if is := len(want) > 0 && a.Name == want[0]; a.Removed != is {
				t.Errorf("%s: removed is %t", a.Name, a.Removed)
			}
		}
	}
	announce()
	h.pass(24 * time.Hour)
	removed() // nobody serves them
	announce()
	removed()
	both := h.File.Endpoints()
	h.must(h.store.announce(t.Context(), both[1:], h.now().Add(removedAfter-time.Second)))
	removed()
	h.must(h.store.announce(t.Context(), both[1:], h.now().Add(removedAfter)))
	removed("shop")
	h.must(h.store.announce(t.Context(), both, h.now().Add(removedAfter+time.Minute)))
	removed() // it is back
	h.must(h.store.announce(t.Context(), nil, h.now().Add(3*removedAfter)))
	all, err := h.store.Announced(t.Context())
	h.must(err)
	if len(all) != 2 || !all[0].Removed || !all[1].Removed {
		t.Errorf("with an empty file: %+v", all)
	}
}

// What is forgotten leaves nothing behind, and other endpoints are as they were.
func TestAForgottenEndpointLeavesNothingBehind(t *testing.T) {
	h := open(t, entryFor("shop", "http://127.0.0.1:9"), entryFor("other", "http://127.0.0.1:9"))
	h.must(h.store.announce(t.Context(), h.File.Endpoints(), h.now()))
	h.cancelled("A1")
	h.step()
	before, err := h.store.State(t.Context(), "shop")
	if h.must(err); before.Outstanding != 1 {
		t.Fatalf("%+v", before)
	}
	h.must(h.store.Forget(t.Context(), "shop"))
	all, err := h.store.Announced(t.Context())
	if h.must(err); len(all) != 1 || all[0].Name != "other" {
		t.Errorf("%+v", all)
	}
	if n, err := h.rdb.Exists(t.Context(), held("shop")...).Result(); err != nil || n != 0 {
		t.Errorf("%d keys are left, %v", n, err)
	}
	if other, err := h.store.State(t.Context(), "other"); err != nil || other.Outstanding != 1 {
		t.Errorf("%+v, %v", other, err)
	}
}
