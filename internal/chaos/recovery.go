package chaos

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/providers"
	"issuance/tasks/order"
)

// recovery is a time for which a record or a task had nobody to work on it: its worker was killed or
// stalled, or its task removed.
type recovery struct {
	what    string
	account providers.Account
	span
}

// took is how long it lasted, without the time for which Redis was away or the account held.
func (d *Disasters) took(r recovery) time.Duration {
	took := r.to.Sub(r.from)
	outages := slices.Concat(d.outages, d.holds[r.account])
	slices.SortFunc(outages, func(a, b span) int { return a.from.Compare(b.from) })
	counted := r.from
	for _, o := range outages {
		from, to := later(o.from, counted), o.to
		if to.IsZero() || to.After(r.to) {
			to = r.to
		}
		if to.After(from) {
			took, counted = took-to.Sub(from), to
		}
	}
	return took
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// watchWhatItHeld has the records and tasks of a process that does nothing any more watched until
// somebody else takes them up.
func (d *Disasters) watchWhatItHeld(ctx context.Context, pid int, what string) {
	l, at := d.rig.Ledger, time.Now()
	active := d.active(ctx)
	held, err := d.heldBy(ctx, pid)
	if err != nil {
		return // Redis is away: nobody knows what it held
	}
	d.rig.Log("%s, which held %d records (%d tasks were active)", what, len(held), len(active))
	for ref, was := range held {
		d.watchers.Go(func() {
			d.watch(ctx, ref.String(), ref.Account, at, func() bool {
				views, err := l.Views(ctx, []order.Ref{ref})
				return err == nil && (views[0] == nil || views[0].Fence != was.Fence || views[0].State.Final() || views[0].State == order.Accepted)
			})
		})
	}
	for _, task := range active {
		d.watchers.Go(func() {
			d.watch(ctx, "task "+task.id, accountOfQueue(task.queue), at, func() bool {
				lease, err := d.rdb.ZScore(ctx, keys.Queue(task.queue)+"lease", task.id).Result()
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

func (d *Disasters) active(ctx context.Context) (out []activeTask) {
	for _, name := range queueNames() {
		list, err := d.rdb.ZRangeWithScores(ctx, keys.Queue(name)+"lease", 0, -1).Result()
		if err != nil {
			continue // Redis is away
		}
		for _, z := range list {
			id, _ := z.Member.(string)
			out = append(out, activeTask{name, id, z.Score})
		}
	}
	return out
}

// watch measures how long something waits until it is taken up.
func (d *Disasters) watch(ctx context.Context, what string, account providers.Account, since time.Time, takenUp func() bool) {
	for d.watching(ctx, 150*time.Millisecond) {
		if !takenUp() {
			continue
		}
		now := time.Now()
		d.mu.Lock()
		d.recovered = append(d.recovered, recovery{what, account, span{since, now}})
		d.mu.Unlock()
		return
	}
	d.fail("%s: its worker died, and nobody took it up", what)
}

// watching is pause for watchers: it ends, too, when nothing can come any more.
func (d *Disasters) watching(ctx context.Context, long time.Duration) bool {
	select {
	case <-d.over:
		return false
	default:
		return pause(ctx, long)
	}
}

// endWatching waits for what is still watched, for as long as that may take, and then gives up on it; at once
// when the run's patience is at its end.
func (d *Disasters) endWatching(patient context.Context) {
	left := RemovalLimit
	if patient.Err() != nil {
		left = 0
	}
	giveUp := time.AfterFunc(left, func() { close(d.over) })
	d.watchers.Wait()
	giveUp.Stop()
}
