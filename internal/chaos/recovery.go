package chaos

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks"
)

// recovery is how long a record or a task that was in a killed worker's hands waited for the next.
type recovery struct {
	what      string
	took      time.Duration
	disturbed bool // Redis was away, or the account banned, meanwhile
}

// watchWhatItHeld has the records and tasks of a process that does nothing any more watched until
// somebody else takes them up.
func (d *Disasters) watchWhatItHeld(ctx context.Context, pid int, what string) {
	l, at := d.rig.Ledger, time.Now()
	active := d.active(ctx)
	held, err := heldBy(ctx, l, pid)
	if err != nil {
		return // Redis is away: nobody knows what it held
	}
	d.rig.Log("%s, which held %d records (%d tasks were active)", what, len(held), len(active))
	for ref, fence := range held {
		d.watchers.Go(func() {
			d.watch(ctx, ref.String(), at, func() bool {
				v, err := l.View(ctx, ref)
				return err == nil && (v.Fence != fence || v.State.Final() || v.State == ledger.Accepted)
			})
		})
	}
	for _, task := range active {
		d.watchers.Go(func() {
			d.watch(ctx, "task "+task.id, at, func() bool {
				lease, err := d.rdb.ZScore(ctx, leaseKey(task.queue), task.id).Result()
				return err == nil && lease > task.lease || errors.Is(err, redis.Nil)
			})
		})
	}
}

// activeTask is a task that some worker has taken out of a queue. A living worker extends its lease
// every five seconds; so does the next one, when the former is dead.
type activeTask struct {
	queue, id string
	lease     float64
}

// leaseKey is asynq's own.
func leaseKey(queue string) string { return "asynq:{" + queue + "}:lease" }

func (d *Disasters) active(ctx context.Context) (out []activeTask) {
	for _, p := range providers.All() {
		for _, lane := range tasks.Lanes() {
			queue := tasks.Queue(p, lane)
			list, err := d.rdb.ZRangeWithScores(ctx, leaseKey(queue), 0, -1).Result()
			if err != nil {
				continue // Redis is away
			}
			for _, z := range list {
				id, _ := z.Member.(string)
				out = append(out, activeTask{queue, id, z.Score})
			}
		}
	}
	return out
}

// heldBy lists what the claims of a process are on, with their fences.
func heldBy(ctx context.Context, l *ledger.Ledger, pid int) (map[ledger.Ref]int, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	mark := fmt.Sprintf("/%d/", pid)
	held := map[ledger.Ref]int{}
	for _, p := range providers.All() {
		for _, s := range []ledger.State{ledger.Queued, ledger.Submitting} {
			refs, err := l.InState(ctx, p, s)
			if err != nil {
				return nil, err
			}
			for _, ref := range refs {
				v, err := l.View(ctx, ref)
				if err != nil {
					return nil, err
				}
				if strings.Contains(v.Runner, mark) {
					held[ref] = v.Fence
				}
			}
		}
	}
	return held, nil
}

// watch measures how long something waits until it is taken up.
func (d *Disasters) watch(ctx context.Context, what string, since time.Time, takenUp func() bool) {
	for pause(ctx, 150*time.Millisecond) {
		if !takenUp() {
			continue
		}
		now := time.Now()
		d.mu.Lock()
		d.recovered = append(d.recovered, recovery{what: what, took: now.Sub(since), disturbed: d.disturbed(span{since, now})})
		d.mu.Unlock()
		return
	}
	d.fail("%s: its worker died, and nobody took it up", what)
}
