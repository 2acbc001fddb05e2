package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/tasks/order"
)

// RemovalLimit is how long a record may be without a task that will run.
const RemovalLimit = 30 * time.Second

// removal is something that a person in the web UI, or a bug of asynq, does to tasks of a queue.
type removal struct {
	name string
	list func(queue string, opts ...asynq.ListOption) ([]*asynq.TaskInfo, error) // the tasks it is about
	all  func(queue string) (int, error)                                         // of all of them at once; or
	one  func(ctx context.Context, queue, id string) error                       // of one
}

// removals are everything that can happen to tasks, in every state in which they wait.
func (d *Disasters) removals() []removal {
	i := d.inspector
	del := func(_ context.Context, queue, id string) error { return i.DeleteTask(queue, id) }
	archive := func(_ context.Context, queue, id string) error { return i.ArchiveTask(queue, id) }
	return []removal{
		{name: "all pending deleted", list: i.ListPendingTasks, all: i.DeleteAllPendingTasks},
		{name: "all pending archived", list: i.ListPendingTasks, all: i.ArchiveAllPendingTasks},
		{name: "pending deleted", list: i.ListPendingTasks, one: del},
		{name: "pending archived", list: i.ListPendingTasks, one: archive},
		{name: "pending made active", list: i.ListPendingTasks, one: d.orphan},
		{name: "all retry deleted", list: i.ListRetryTasks, all: i.DeleteAllRetryTasks},
		{name: "all retry archived", list: i.ListRetryTasks, all: i.ArchiveAllRetryTasks},
		{name: "retry deleted", list: i.ListRetryTasks, one: del},
		{name: "retry archived", list: i.ListRetryTasks, one: archive},
		{name: "retry made active", list: i.ListRetryTasks, one: d.orphan},
		{name: "all scheduled deleted", list: i.ListScheduledTasks, all: i.DeleteAllScheduledTasks},
		{name: "all scheduled archived", list: i.ListScheduledTasks, all: i.ArchiveAllScheduledTasks},
		{name: "scheduled deleted", list: i.ListScheduledTasks, one: del},
		{name: "scheduled archived", list: i.ListScheduledTasks, one: archive},
		{name: "scheduled made active", list: i.ListScheduledTasks, one: d.orphan},
	}
}

// orphanScript moves a waiting task among the active ones without a lease, as asynq's own bugs do
// (hibiken/asynq#1144).
//
//	KEYS[1] pending, KEYS[2] retry, KEYS[3] scheduled, KEYS[4] active, KEYS[5] the task  ARGV[1] id
//	result  1 when it was waiting
var orphanScript = redis.NewScript(`
if redis.call('LREM', KEYS[1], 0, ARGV[1]) + redis.call('ZREM', KEYS[2], ARGV[1]) + redis.call('ZREM', KEYS[3], ARGV[1]) == 0 then return 0 end
redis.call('LPUSH', KEYS[4], ARGV[1])
redis.call('HSET', KEYS[5], 'state', 'active')
return 1
`)

func (d *Disasters) orphan(ctx context.Context, name, id string) error {
	at := keys.Queue(name)
	n, err := orphanScript.Run(ctx, d.rdb, []string{at + "pending", at + "retry", at + "scheduled", at + "active", keys.Task(name, id)}, id).Int()
	if err == nil && n == 0 {
		err = asynq.ErrTaskNotFound
	}
	return err
}

// removeTasks strikes tasks of every lane and state.
func (d *Disasters) removeTasks(ctx context.Context) {
	r := dice(d.seed, "removals")
	kinds := d.removals()
	if only := d.plan.OnlyRemoval; only != "" {
		kinds = slices.DeleteFunc(kinds, func(k removal) bool { return k.name != only })
	}
	r.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	var strikes []func(context.Context, *rand.Rand)
	for n := range d.plan.Removals {
		strikes = append(strikes, func(ctx context.Context, r *rand.Rand) { d.remove(ctx, r, kinds[n%len(kinds)]) })
	}
	d.spread(ctx, r, d.plan.Over, strikes)
}

// remove strikes the first queue, in a random order, that has tasks for it. Workers are so fast that few
// tasks wait, so the queues are paused for a moment before.
func (d *Disasters) remove(ctx context.Context, r *rand.Rand, kind removal) {
	queues := queueNames()
	r.Shuffle(len(queues), func(i, j int) { queues[i], queues[j] = queues[j], queues[i] })
	var paused []string
	for _, q := range queues {
		if !d.isPaused(ctx, q) { // as it may be already, for a ban
			_ = d.inspector.PauseQueue(q) // when Redis is killed, the answer may be lost and the pause be in force
			paused = append(paused, q)
		}
	}
	pause(ctx, between(r, 300*time.Millisecond, 1500*time.Millisecond))
	for _, q := range queues {
		if d.removeFrom(ctx, r, q, kind) {
			break
		}
	}
	for _, q := range paused {
		for d.inspector.UnpauseQueue(q) != nil && d.isPaused(ctx, q) && pause(ctx, 100*time.Millisecond) {
		}
	}
}

// isPaused reports whether a queue is paused, or may be: Redis may be away.
func (d *Disasters) isPaused(ctx context.Context, name string) bool {
	n, err := d.rdb.Exists(ctx, keys.Queue(name)+"paused").Result()
	return err != nil || n > 0
}

// removeFrom strikes a queue, and has the records watched until they have tasks again. It reports whether
// there was anything to strike.
func (d *Disasters) removeFrom(ctx context.Context, r *rand.Rand, name string, kind removal) bool {
	list, err := kind.list(name, asynq.PageSize(2000))
	if err != nil || len(list) == 0 {
		return false
	}
	if kind.one != nil {
		list = list[:1]
	}
	var refs []order.Ref
	for _, info := range list {
		ref, _, err := queue.Decode(info.Payload)
		if err != nil {
			d.fail("task %s: %v", info.ID, err)
			return true
		}
		refs = append(refs, ref)
	}
	before, err := d.rig.Ledger.Views(ctx, refs)
	if err != nil {
		return false // Redis is away
	}
	at := time.Now()
	if kind.one != nil {
		err = kind.one(ctx, name, list[0].ID)
	} else {
		_, err = kind.all(name)
	}
	if err != nil && !errors.Is(err, asynq.ErrTaskNotFound) {
		return true // Redis is away, or a worker was faster: nothing is known of it
	}
	d.mu.Lock()
	d.removed[kind.name] += len(refs)
	for _, v := range before {
		if v != nil && v.Fence > 0 {
			d.begun++
		}
	}
	d.mu.Unlock()
	d.rig.Log("%s: %d of %s", kind.name, len(refs), name)
	d.watchers.Go(func() { d.watchRemoved(ctx, kind.name, at, refs, before) })
	return true
}

// watchAbandoned has a record watched whose producer died, perhaps before it made the task. Nothing is
// recorded when the producer died sooner than that.
func (d *Disasters) watchAbandoned(ctx context.Context, ref order.Ref) {
	views, err := d.rig.Ledger.Views(ctx, []order.Ref{ref})
	if err != nil || views[0] == nil {
		return
	}
	at := time.Now()
	d.watchers.Go(func() { d.watchRemoved(ctx, "its producer died", at, []order.Ref{ref}, views) })
}

// watchRemoved measures how long each record whose task was removed is without one.
func (d *Disasters) watchRemoved(ctx context.Context, what string, since time.Time, refs []order.Ref, before []*ledger.View) {
	left := map[order.Ref]*ledger.View{}
	for i, ref := range refs {
		if before[i] == nil {
			d.fail("%s had a task and no record", ref)
			continue
		}
		left[ref] = before[i]
	}
	for len(left) > 0 && d.watching(ctx, 250*time.Millisecond) {
		for ref := range d.back(ctx, left) {
			now := time.Now()
			d.mu.Lock()
			d.returned = append(d.returned, recovery{fmt.Sprintf("%s (%s)", ref, what), ref.Account, span{since, now}})
			d.mu.Unlock()
			delete(left, ref)
		}
	}
	for ref := range left {
		d.fail("%s: it has no task (%s), and nobody has made one", ref, what)
	}
}

// back finds the records that have a task that will run, or have got on since.
func (d *Disasters) back(ctx context.Context, left map[order.Ref]*ledger.View) map[order.Ref]bool {
	var refs []order.Ref
	for ref := range left {
		refs = append(refs, ref)
	}
	views, err := d.rig.Ledger.Views(ctx, refs)
	if err != nil {
		return nil // Redis is away
	}
	homes := make([]queue.Home, len(refs))
	for i, v := range views {
		if v != nil {
			homes[i] = queue.HomeOf(refs[i], v.State, v.Lane)
		}
	}
	found, err := d.queue.Find(ctx, homes)
	if err != nil {
		return nil
	}
	is := map[order.Ref]bool{}
	for i, v := range views {
		was := left[refs[i]]
		if v == nil || v.State.Final() || v.State != was.State || v.Fence != was.Fence || v.Live() || found[i].Runs(v) {
			is[refs[i]] = true
		}
	}
	return is
}

// queueNames are all queues of the installation.
func queueNames() (names []string) {
	for _, a := range accounts() {
		for _, lane := range order.Lanes() {
			names = append(names, queue.Name(a.Provider, lane))
		}
	}
	return names
}
