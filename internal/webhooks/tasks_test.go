package webhooks

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/keys"
)

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
	made := taken{id: "ecticket:2000132/A1/issued/1", place: "1"}
	h.must(enqueue(t.Context(), h.Dispatcher.queue, "shop", made))
	h.must(enqueue(t.Context(), h.Dispatcher.queue, "other", made))
	if h.work() != 2 || len(r.all()) != 0 {
		t.Errorf("%d requests", len(r.all()))
	}
}

// A front door that does not serve an endpoint leaves its events to those that do, without a failure, and says so once. It
// may get the same task many times in a row, so nobody waits long for another to get it.
func TestAnotherFrontDoorsEndpointIsLeftAlone(t *testing.T) {
	r := receive(t, nil)
	entry := entryFor("shop", r.URL)
	h := open(t, entry)
	h.path = filepath.Join(t.TempDir(), "webhooks.yaml")
	h.write(strings.Replace(entry, "name: shop", "name: else", 1))
	other := h.dispatcher("", h.now)
	h.cancelled("A1")
	for range 5 {
		h.step()
		for _, info := range h.tasks() {
			h.must(other.ProcessTask(t.Context(), asynq.NewTask(info.Type, info.Payload)))
			h.must(h.queue.DeleteTask(Queue, info.ID))
		}
		h.pass(handBack)
	}
	if s := h.state("shop"); s.Fails != 0 || s.Outstanding != 1 || !s.At.IsZero() {
		t.Errorf("%+v", s)
	}
	if list, err := h.store.Deliveries(t.Context(), "shop", 10); err != nil || len(list) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	if n := strings.Count(h.log.String(), "another front door serves this webhook"); n != 1 {
		t.Errorf("it says so %d times", n)
	}
	if h.settle(); len(r.all()) != 1 {
		t.Errorf("%d requests", len(r.all()))
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

// An event that is sent again while the task that has just delivered it still runs does not wait for that one's end.
func TestAReplayDoesNotWaitForTheTaskThatDelivered(t *testing.T) {
	r := receive(t, nil)
	h := open(t, entryFor("shop", r.URL))
	o := h.cancelled("A1")
	h.step()
	info := h.tasks()[0]
	h.must(h.ProcessTask(t.Context(), asynq.NewTask(info.Type, info.Payload))) // and the queue still has its task
	_, err := h.store.ReplayOrder(t.Context(), h.ledger, Announced{Name: "shop"}, o)
	h.must(err)
	h.step()
	if list := h.tasks(); len(list) != 2 {
		t.Fatalf("%d tasks, the delivered one's included", len(list))
	}
	h.must(h.queue.DeleteTask(Queue, info.ID))
	if h.settle(); len(r.all()) != 2 {
		t.Errorf("%d requests", len(r.all()))
	}
}
