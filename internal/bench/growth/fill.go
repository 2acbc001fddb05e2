package growth

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"issuance/internal/keys"
	"issuance/internal/queue"
	"issuance/internal/vault"
	"issuance/providers"
	"issuance/tasks"
)

// template is one order that the product itself has taken to accepted; the other accepted orders are
// copies of it under numbers of the same length, sealed anew.
type template struct {
	id      string
	record  map[string]string
	pollMsg string
}

// template has the product take one order to accepted, and reads what it has written.
func (s *site) template(ctx context.Context) (*template, error) {
	t := &template{id: s.take(1)[0]}
	o, err := parsed(t.id)
	if err != nil {
		return nil, err
	}
	if _, err := s.client.EnqueueOrder(ctx, o, tasks.InLane(tasks.Bulk)); err != nil {
		return nil, err
	}
	if err := s.issues.ProcessTask(ctx, asynq.NewTask(queue.IssueType(account.Provider), queue.Encode(ref(t.id), ""))); err != nil {
		return nil, err
	}
	if t.pollMsg, err = s.redis.RDB.HGet(ctx, keys.Task(pollQueue, queue.PollHome(ref(t.id)).ID), "msg").Result(); err != nil {
		return nil, err
	}
	if t.record, err = s.redis.RDB.HGetAll(ctx, keys.Record(ref(t.id))).Result(); err != nil {
		return nil, err
	}
	return t, t.checked(s)
}

// checked compares a copy under the template's own number with the template.
func (t *template) checked(s *site) error {
	again, err := t.recordOf(s, t.id)
	if err != nil {
		return err
	}
	if len(again["doc"]) != len(t.record["doc"]) {
		return errors.New("a copied document has another length than the product's")
	}
	if again["doc"] = t.record["doc"]; !maps.Equal(again, t.record) {
		return fmt.Errorf("a copied record differs from the product's:\n%v\n%v", again, t.record)
	}
	if n := strings.Count(t.pollMsg, t.id); n != 2 { // in the task's id and in its payload
		return fmt.Errorf("the poll task names its order %d times, want 2", n)
	}
	return nil
}

// recordOf is the template's record under another number.
func (t *template) recordOf(s *site, id string) (map[string]string, error) {
	codec, _ := providers.CodecOf(account.Provider)
	d, invalid := codec.ParseOrder("request", request(id), providers.Rules{WellFormed: true})
	if invalid != nil {
		return nil, invalid
	}
	sealed, err := vault.SealDocument(s.ring, ref(id), request(id))
	if err != nil {
		return nil, err
	}
	record := maps.Clone(t.record)
	record["fp"], record["stub"], record["doc"] = s.ring.Fingerprint(d.Canonical), string(d.Stub), string(sealed)
	return record, nil
}

// fill enqueues orders into the bulk queue, and writes accepted ones that wait for their polls. None of
// them is due for the sweeper.
func (s *site) fill(ctx context.Context, queued, accepted int, progress func(done int)) error {
	t, err := s.template(ctx)
	if err != nil {
		return err
	}
	at := time.Now().Add(-20 * time.Second)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * runtime.NumCPU())
	done := 0
	write := func(n int, some func(ctx context.Context, ids []string) error) {
		for n > 0 {
			ids := s.take(min(n, batch))
			n -= len(ids)
			g.Go(func() error { return some(ctx, ids) })
			done += len(ids)
			progress(done)
		}
	}
	write(queued, func(ctx context.Context, ids []string) error {
		if err := s.enqueue(ctx, ids); err != nil {
			return err
		}
		var later []redis.Z
		for _, id := range ids {
			later = append(later, redis.Z{Score: float64(time.Now().Add(time.Hour).UnixMilli()), Member: keys.Member(ref(id))})
		}
		return s.redis.RDB.ZAddXX(ctx, keys.Open(account), later...).Err()
	})
	write(accepted, func(ctx context.Context, ids []string) error {
		pipe := s.redis.RDB.Pipeline()
		for _, id := range ids {
			if err := s.writeAccepted(ctx, pipe, t, id, at); err != nil {
				return err
			}
		}
		_, err := pipe.Exec(ctx)
		return err
	})
	return g.Wait()
}

// writeAccepted writes what is there of an order that was accepted: its record, its place in the open
// set and in the sentinel's list, and its poll task.
func (s *site) writeAccepted(ctx context.Context, pipe redis.Pipeliner, t *template, id string, at time.Time) error {
	record, err := t.recordOf(s, id)
	if err != nil {
		return err
	}
	record["accepted_at"] = fmt.Sprint(at.UnixMilli())
	taskID := queue.PollHome(ref(id)).ID
	later := time.Now().Add(time.Hour)
	pipe.HSet(ctx, keys.Record(ref(id)), record)
	pipe.ZAdd(ctx, keys.Open(account), redis.Z{Score: float64(later.UnixMilli()), Member: keys.Member(ref(id))})
	pipe.HSet(ctx, keys.Task(pollQueue, taskID), "msg", strings.ReplaceAll(t.pollMsg, t.id, id), "state", "scheduled")
	pipe.ZAdd(ctx, keys.Queue(pollQueue)+"scheduled", redis.Z{Score: float64(later.Unix()), Member: taskID})
	_, err = s.sentinel.Enter(ctx, id, at)
	return err
}
