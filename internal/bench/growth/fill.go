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
	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/internal/vault"
	"issuance/providers"
	"issuance/tasks"
	"issuance/tasks/order"
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
	return t, t.checked(ctx, s)
}

// checked compares one copy with the template.
func (t *template) checked(ctx context.Context, s *site) error {
	id := s.take(1)[0]
	if err := s.writeAccepted(ctx, t, []string{id}, time.Now()); err != nil {
		return err
	}
	copied, err := s.redis.RDB.HGetAll(ctx, keys.Record(ref(id))).Result()
	if err != nil {
		return err
	}
	if len(copied["doc"]) != len(t.record["doc"]) || len(copied["fp"]) != len(t.record["fp"]) || copied["doc"] == t.record["doc"] {
		return errors.New("a copied document is not as the product seals it")
	}
	for _, own := range []string{"doc", "fp", "created", "accepted"} {
		copied[own] = t.record[own]
	}
	if !maps.Equal(copied, t.renamed(id)) {
		return fmt.Errorf("a copied record differs from the product's:\n%q\n%q", copied, t.renamed(id))
	}
	if n := strings.Count(t.pollMsg, t.id); n != 2 { // in the task's id and in its payload
		return fmt.Errorf("the poll task names its order %d times, want 2", n)
	}
	return nil
}

// renamed is the template's record under another number.
func (t *template) renamed(id string) map[string]string {
	record := maps.Clone(t.record)
	record["stub"] = strings.ReplaceAll(t.record["stub"], t.id, id)
	return record
}

// intake is what the product would record of an order.
func (s *site) intake(id string) (ledger.Intake, error) {
	codec, _ := providers.CodecOf(account.Provider)
	d, invalid := codec.ParseOrder("request", request(id), providers.Rules{WellFormed: true})
	if invalid != nil {
		return ledger.Intake{}, invalid
	}
	sealed, err := vault.SealDocument(s.ring, ref(id), request(id))
	return ledger.Intake{Ref: ref(id), Lane: order.Bulk, Fingerprint: s.ring.Fingerprint(d.Canonical), Shape: d.Shape, Document: sealed}, err
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
		return s.writeAccepted(ctx, t, ids, at)
	})
	return g.Wait()
}

// writeAccepted writes what is there of orders that were accepted: their records, their places in the open
// set and in the sentinel's list, and their poll tasks.
func (s *site) writeAccepted(ctx context.Context, t *template, ids []string, at time.Time) error {
	later := time.Now().Add(time.Hour)
	pipe := s.redis.RDB.Pipeline()
	records := s.ledger.Intakes(pipe)
	for _, id := range ids {
		in, err := s.intake(id)
		if err != nil {
			return err
		}
		records.Add(ctx, in)
		rest := t.renamed(id)
		for _, own := range []string{"doc", "fp", "created"} {
			delete(rest, own)
		}
		rest["accepted"] = fmt.Sprint(at.UnixMilli())
		taskID := queue.PollHome(ref(id)).ID
		pipe.HSet(ctx, keys.Record(ref(id)), rest)
		pipe.ZAdd(ctx, keys.Open(account), redis.Z{Score: float64(later.UnixMilli()), Member: keys.Member(ref(id))})
		pipe.HSet(ctx, keys.Task(pollQueue, taskID), "msg", strings.ReplaceAll(t.pollMsg, t.id, id), "state", "scheduled")
		pipe.ZAdd(ctx, keys.Queue(pollQueue)+"scheduled", redis.Z{Score: float64(later.Unix()), Member: taskID})
		if _, err := s.sentinel.Enter(ctx, id, at); err != nil {
			return err
		}
	}
	if err := s.ledger.LoadIntake(ctx); err != nil {
		return err
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return err
	}
	for i := range ids {
		switch k, err := records.Result(i); {
		case err != nil:
			return err
		case !k.New:
			return fmt.Errorf("there was a record of %s already", ids[i])
		}
	}
	return nil
}
