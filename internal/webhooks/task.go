package webhooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"issuance/internal/queue"
)

// Queue is the queue of deliveries.
const Queue = "webhooks"

// taskType is the type of their tasks.
const taskType = "webhook:deliver"

// payload is what a task carries: which event is to be delivered where, and nothing of the event.
type payload struct {
	Version int    `json:"v"`
	Webhook string `json:"webhook"`
	Event   string `json:"event"`
}

func encode(name, id string) []byte {
	raw, err := json.Marshal(payload{1, name, id})
	if err != nil {
		panic(err) // strings and a number always marshal
	}
	return raw
}

func decode(raw []byte) (p payload, err error) {
	if err := json.Unmarshal(raw, &p); err != nil || p.Version != 1 || !validName.MatchString(p.Webhook) || p.Event == "" {
		return payload{}, fmt.Errorf("the payload (%d bytes) is no webhook's", len(raw))
	}
	return p, nil
}

// home is where the task of a delivery lives. An event that is sent again while the task that has just delivered it goes on
// with others has another place, so another task.
func home(name string, e taken) queue.Home {
	return queue.Home{Queue: Queue, Type: taskType, ID: name + ":" + e.id + ":" + e.place}
}

// taskTimeout bounds one run of a task: the deliveries of a relay, the last of which may take its time, and what it
// records.
const taskTimeout = relayFor + timeout + 5*time.Second

// enqueue makes the task of a delivery, unless there is one that will run. What is in the way and will not run, and
// cannot be deleted, is gone around under another id.
func enqueue(ctx context.Context, q *queue.Client, name string, e taken) error {
	h := home(name, e)
	own := h.ID
	for n := range 4 {
		if n > 0 {
			h.ID = own + "~" + strconv.Itoa(n)
		}
		for range 2 {
			err := q.EnqueueOnce(ctx, h, encode(name, e.id), taskTimeout)
			if !errors.Is(err, queue.ErrTaken) {
				return failed(name, err)
			}
			found, err := q.Find(ctx, []queue.Home{h})
			if err != nil {
				return failed(name, err)
			}
			t := found[0]
			if t.Pending() || t.Waiting() || t.Active() && t.Held {
				return nil
			}
			if t.Active() || t.Ended() && !q.Delete(ctx, h) {
				break // its worker is gone, or the queue does not let go of it
			}
		}
	}
	return nil // looked at again when the lease has run out
}
