package growth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"issuance/providers/ecticket/ecticketdoc"
	"issuance/tasks"
)

// template is one order that the product itself has written; the others are copies of it under
// other numbers of the same length, sealed anew, byte for byte as the product would have written them.
type template struct {
	id                     string
	issuePayload, issueMsg []byte
	pollMsg                []byte
	record                 map[string]string
}

func taskKey(lane tasks.Lane, id string) string { return queueKey(lane) + "t:" + id }
func queueKey(lane tasks.Lane) string           { return "asynq:{" + tasks.Queue(p, lane) + "}:" }

// make has the product take one order to accepted, and looks at what it has written.
func (s *site) template(ctx context.Context) (*template, error) {
	id := s.take(1)[0]
	o, err := order(id)
	if err != nil {
		return nil, err
	}
	if _, err := s.client.EnqueueOrder(ctx, o, tasks.InLane(tasks.Bulk)); err != nil {
		return nil, err
	}
	t := &template{id: id}
	if t.issueMsg, t.issuePayload, err = s.task(ctx, tasks.Bulk, tasks.IssueID(p, id)); err != nil {
		return nil, err
	}
	if err := s.issues.ProcessTask(ctx, asynq.NewTask(tasks.IssueType(p), t.issuePayload)); err != nil {
		return nil, err
	}
	if t.pollMsg, _, err = s.task(ctx, tasks.Poll, tasks.PollID(p, id)); err != nil {
		return nil, err
	}
	if t.record, err = s.redis.RDB.HGetAll(ctx, recordKey(id)).Result(); err != nil {
		return nil, err
	}
	// What was copied under the template's own number must be the template again.
	again, err := s.issuePayload(id)
	if err != nil {
		return nil, err
	}
	var was, is tasks.Payload
	if err := errors.Join(json.Unmarshal(t.issuePayload, &was), json.Unmarshal(again, &is)); err != nil {
		return nil, err
	}
	if len(was.Document) != len(is.Document) || len(again) != len(t.issuePayload) {
		return nil, errors.New("a copied payload has another length than the product's")
	}
	was.Document, is.Document = "", ""
	if a, b := fmt.Sprintf("%+v", was), fmt.Sprintf("%+v", is); a != b {
		return nil, fmt.Errorf("a copied payload differs from the product's:\n%s\n%s", a, b)
	}
	return t, nil
}

func recordKey(id string) string { return fmt.Sprintf("issuance:{%s:%s}:order", p, id) }

// task is a queued task's message and payload.
func (s *site) task(ctx context.Context, lane tasks.Lane, id string) (msg, payload []byte, err error) {
	info, err := s.inspector.GetTaskInfo(tasks.Queue(p, lane), id)
	if err != nil {
		return nil, nil, err
	}
	msg, err = s.redis.RDB.HGet(ctx, taskKey(lane, id), "msg").Bytes()
	return msg, info.Payload, err
}

// issuePayload is what the client makes of an order.
func (s *site) issuePayload(id string) ([]byte, error) {
	req := request(id)
	d, bad := ecticketdoc.Parse("request", req, ecticketdoc.Options{})
	if bad != nil {
		return nil, bad
	}
	sealed, err := s.ring.Seal(req, key(id).SealContext("document"))
	if err != nil {
		return nil, err
	}
	shape, err := json.Marshal(d.Shape())
	if err != nil {
		return nil, err
	}
	return json.Marshal(tasks.Payload{Version: tasks.PayloadVersion, Provider: p, OrderID: id, Lane: tasks.Bulk, EnqueuedAt: clock(),
		Shape: shape, Fingerprint: s.ring.Fingerprint(d.Canonical()), Document: sealed})
}

// swap puts new in the place of old, which has the same length and stands there so many times.
func swap(msg, old, new []byte, times int) ([]byte, error) {
	if len(old) != len(new) || bytes.Count(msg, old) != times {
		return nil, errors.New("the queue's message is not what the benchmark takes it for")
	}
	return bytes.ReplaceAll(msg, old, new), nil
}

// batch is how many orders are written in one pipeline.
const batch = 500

// fill writes queued orders into the bulk queue, and accepted ones that wait for their polls.
func (s *site) fill(ctx context.Context, queued, accepted int, progress func(done int)) error {
	t, err := s.template(ctx)
	if err != nil {
		return err
	}
	at := time.Now().Add(-20 * time.Second)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * runtime.NumCPU())
	done := 0
	write := func(n int, one func(ctx context.Context, pipe redis.Pipeliner, id string) error) {
		for n > 0 {
			ids := s.take(min(n, batch))
			n -= len(ids)
			g.Go(func() error {
				pipe := s.redis.RDB.Pipeline()
				for _, id := range ids {
					if err := one(ctx, pipe, id); err != nil {
						return err
					}
				}
				_, err := pipe.Exec(ctx)
				return err
			})
			done += len(ids)
			progress(done)
		}
	}
	write(queued, func(ctx context.Context, pipe redis.Pipeliner, id string) error {
		return s.writeQueued(ctx, pipe, t, id)
	})
	write(accepted, func(ctx context.Context, pipe redis.Pipeliner, id string) error {
		return s.writeAccepted(ctx, pipe, t, id, at)
	})
	return g.Wait()
}

// writeQueued writes what Client.EnqueueOrder does.
func (s *site) writeQueued(ctx context.Context, pipe redis.Pipeliner, t *template, id string) error {
	payload, err := s.issuePayload(id)
	if err != nil {
		return err
	}
	msg, err := swap(t.issueMsg, t.issuePayload, payload, 1)
	if err != nil {
		return err
	}
	if msg, err = swap(msg, []byte(t.id), []byte(id), 1); err != nil {
		return err
	}
	taskID := tasks.IssueID(p, id)
	pipe.HSet(ctx, taskKey(tasks.Bulk, taskID), "msg", msg, "state", "pending", "pending_since", time.Now().UnixNano())
	pipe.LPush(ctx, queueKey(tasks.Bulk)+"pending", taskID)
	return nil
}

// writeAccepted writes what is there of an order that was accepted: its record, its place in the open
// set and in the sentinel's line, and its poll task.
func (s *site) writeAccepted(ctx context.Context, pipe redis.Pipeliner, t *template, id string, at time.Time) error {
	payload, err := s.issuePayload(id)
	if err != nil {
		return err
	}
	var issue tasks.Payload
	if err := json.Unmarshal(payload, &issue); err != nil {
		return err
	}
	record := maps.Clone(t.record)
	record["order_id"], record["fp"], record["doc"] = id, issue.Fingerprint, string(issue.Document)
	record["accepted_at"] = fmt.Sprint(at.UnixMilli())
	msg, err := swap(t.pollMsg, []byte(t.id), []byte(id), 2)
	if err != nil {
		return err
	}
	taskID := tasks.PollID(p, id)
	pipe.HSet(ctx, recordKey(id), record)
	pipe.ZAdd(ctx, "issuance:{open:"+string(p)+"}", redis.Z{Score: float64(time.Now().Add(time.Hour).UnixMilli()), Member: "o:" + id})
	pipe.HSet(ctx, taskKey(tasks.Poll, taskID), "msg", msg, "state", "scheduled")
	pipe.ZAdd(ctx, queueKey(tasks.Poll)+"scheduled", redis.Z{Score: float64(time.Now().Add(time.Hour).Unix()), Member: taskID})
	_, err = s.sentinel.Enter(ctx, id, at)
	return err
}
