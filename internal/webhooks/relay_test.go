package webhooks

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/hibiken/asynq"

	"issuance/internal/thinevent"
)

// relay runs one of the tasks that there are as the queue does, and returns how many are left.
func (h *hall) relay() int {
	h.t.Helper()
	info := h.tasks()[0]
	h.must(relay{h.Dispatcher}.ProcessTask(h.t.Context(), asynq.NewTask(info.Type, info.Payload)))
	h.must(h.queue.DeleteTask(Queue, info.ID))
	return len(h.tasks())
}

// A task that has delivered its event goes on with the events that have no task, those of one order in their order.
func TestATaskGoesOnWithTheNextEvents(t *testing.T) {
	r := receive(t, nil)
	h := open(t, entryFor("shop", r.URL))
	o := h.cancelled("A0")
	h.end(o.Refund("R1"))
	for i := range 20 {
		h.cancelled(fmt.Sprintf("A%d", i+1))
	}
	if n := h.step(); n != window {
		t.Fatalf("%d tasks", n)
	}
	if left := h.relay(); left != window-1 {
		t.Errorf("%d tasks are left", left)
	}
	ids := r.ids()
	if len(ids) != 22-(window-1) || !slices.Contains(ids, "A20/cancelled/1") {
		t.Errorf("%d deliveries: %v", len(ids), ids)
	}
	h.settle()
	ids = r.ids()
	if first, second := slices.Index(ids, "A0/cancelled/1"), slices.Index(ids, "A0/R1/cancelled/1"); len(ids) != 22 || first < 0 || second < first {
		t.Errorf("%d deliveries: %v", len(ids), ids)
	}
}

// A task ends with a delivery that fails: what follows is the line's to decide.
func TestATaskEndsWithAFailure(t *testing.T) {
	r := receive(t, func(w http.ResponseWriter, ev thinevent.Event) {
		if ev.Data.OrderID == "A9" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	h := open(t, entryFor("shop", r.URL))
	for i := range 20 {
		h.cancelled(fmt.Sprintf("A%d", i))
	}
	h.step()
	h.relay()
	if ids := r.ids(); len(ids) != 3 || ids[2] != "A9/cancelled/1" { // its own, A8, and A9
		t.Errorf("%v", ids)
	}
	if st := h.state("shop"); st.Fails != 1 || st.Outstanding != 18 {
		t.Errorf("%+v", st)
	}
}
