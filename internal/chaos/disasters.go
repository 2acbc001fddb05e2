package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks"
)

// Disasters kill workers and Redis by seed.
type Disasters struct {
	rig       *Rig
	rdb       *redis.Client
	inspector *asynq.Inspector
	seed      uint64
	plan      DisasterPlan

	mu        sync.Mutex
	kills     int
	stops     int
	stalls    int
	restarts  int
	freezes   int
	bans      int
	removed   int
	outages   []span // of Redis, ban pauses included
	recovered []recovery
	crashed   int // workers that ended by themselves, as they may when Redis is away at their start
	failures  []string
	watchers  sync.WaitGroup
}

// DisasterPlan says how often what happens.
type DisasterPlan struct {
	KillEvery time.Duration // mean time between kills of a worker; 0: none
	Kills     int           // at least
	Stops     bool          // some workers are asked to end instead
	Stalls    int           // a worker stopped for longer than its claims last, and then going on
	Restarts  int           // Redis killed and started again
	Freezes   int           // Redis hangs
	FreezeFor time.Duration
	Bans      int // each of both providers
	Removals  int // tasks of begun orders deleted or archived, as in the web UI
	// Over is the time over which Redis' disasters and the bans are spread.
	Over time.Duration
}

type span struct{ from, to time.Time }

// Run strikes until over is closed and the plan is fulfilled. Afterwards Redis runs, and every
// worker serves.
func (d *Disasters) Run(ctx context.Context, over <-chan struct{}) {
	var strikes sync.WaitGroup
	strikes.Go(func() { d.killWorkers(ctx, over) })
	strikes.Go(func() { d.strikeRedis(ctx) })
	strikes.Wait()
	d.revive(ctx)
}

// supervise starts workers that are down, as an orchestrator does.
func (d *Disasters) supervise(ctx context.Context) {
	for pause(ctx, 700*time.Millisecond) {
		for _, w := range d.rig.Workers {
			if _, ok := w.running(); ok {
				continue
			}
			if err := w.unforeseen(); err != nil {
				d.mu.Lock()
				d.crashed++
				if now := time.Now(); !d.disturbed(span{now.Add(-20 * time.Second), now}) {
					d.failures = append(d.failures, fmt.Sprintf("%s ended by itself: %v\n%s", w.Name, err, tail(w.log, 3000)))
				}
				d.mu.Unlock()
			}
			if err := w.start(); err != nil && ctx.Err() == nil {
				d.fail("start %s: %v", w.Name, err)
			}
		}
	}
}

func (d *Disasters) fail(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failures = append(d.failures, fmt.Sprintf(format, args...))
}

// killWorkers kills one worker after the other, until over is closed and enough were killed.
func (d *Disasters) killWorkers(ctx context.Context, over <-chan struct{}) {
	if d.plan.KillEvery <= 0 {
		return
	}
	r := dice(d.seed, "kills")
	for n := 0; ; n++ {
		if !pause(ctx, between(r, d.plan.KillEvery/2, d.plan.KillEvery*3/2)) {
			return
		}
		select {
		case <-over:
			if n >= d.plan.Kills {
				return
			}
		default:
		}
		w := d.rig.Workers[r.IntN(len(d.rig.Workers))]
		if d.plan.Stops && r.IntN(4) == 0 {
			d.stop(ctx, w)
			continue
		}
		d.kill(ctx, w)
	}
}

// stop asks a worker to end in the middle of its work, as a new version's roll-out does.
func (d *Disasters) stop(ctx context.Context, w *Worker) {
	if _, ok := w.running(); !ok {
		return
	}
	d.rig.Log("asking %s to end", w.Name)
	began := time.Now()
	d.mu.Lock()
	d.stops++
	d.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 40*time.Second)
	defer cancel()
	if err := w.stop(ctx); err != nil {
		d.mu.Lock()
		if !d.disturbed(span{began, time.Now()}) {
			d.failures = append(d.failures, fmt.Sprintf("%s was asked to end: %v", w.Name, err))
		}
		d.mu.Unlock()
		w.kill()
	}
}

// stallFor is longer than a claim lasts, and shorter than claim and settleAfter together.
const stallFor = 15 * time.Second

// stall stops a worker for so long that others take its orders over, and lets it go on then.
func (d *Disasters) stall(ctx context.Context, r *rand.Rand) {
	w := d.rig.Workers[r.IntN(len(d.rig.Workers))]
	p := w.current()
	if _, ok := w.running(); !ok || p.cmd.Process.Signal(syscall.SIGSTOP) != nil {
		return
	}
	d.rig.Log("stalling %s for %s", w.Name, stallFor)
	d.watchWhatItHeld(ctx, p.cmd.Process.Pid, "stalled "+w.Name)
	pause(ctx, stallFor)
	_ = p.cmd.Process.Signal(syscall.SIGCONT) // it may have been killed meanwhile
	d.mu.Lock()
	d.stalls++
	d.mu.Unlock()
}

// remove deletes or archives the waiting task of an order that has been begun, as an operator
// could do in the web UI.
func (d *Disasters) remove(ctx context.Context, r *rand.Rand) {
	p := providers.All()[r.IntN(2)]
	queue := tasks.Queue(p, tasks.Lanes()[r.IntN(3)])
	list, err := d.inspector.ListRetryTasks(queue, asynq.PageSize(50))
	if err != nil || len(list) == 0 {
		return
	}
	info := list[r.IntN(len(list))]
	payload, err := tasks.DecodePayload(info.Payload)
	if err != nil {
		d.fail("task %s: %v", info.ID, err)
		return
	}
	// A task whose order the ledger does not know yet would be the producer's to enqueue again.
	ref := ledger.Ref(payload.RefundKey())
	if _, err := d.rig.Ledger.View(ctx, ref); err != nil {
		return
	}
	if r.IntN(2) == 0 {
		err = d.inspector.DeleteTask(queue, info.ID)
	} else {
		err = d.inspector.ArchiveTask(queue, info.ID)
	}
	if err == nil {
		d.mu.Lock()
		d.removed++
		d.mu.Unlock()
	}
}

// kill kills a worker, if possible one that is at work, and has what it held watched until somebody
// else takes it up.
func (d *Disasters) kill(ctx context.Context, w *Worker) {
	l := d.rig.Ledger
	for range 10 {
		pid, ok := w.running()
		if !ok {
			return // it did not get up in time, as when Redis was away
		}
		if held, err := heldBy(ctx, l, pid); err != nil || len(held) > 0 || !pause(ctx, 100*time.Millisecond) {
			break
		}
	}
	pid := w.kill()
	if pid == 0 {
		return
	}
	d.mu.Lock()
	d.kills++
	d.mu.Unlock()
	d.watchWhatItHeld(ctx, pid, "killed "+w.Name)
}

func (d *Disasters) disturbed(s span) bool {
	for _, o := range d.outages {
		if o.from.Before(s.to) && (o.to.IsZero() || o.to.After(s.from)) {
			return true
		}
	}
	return false
}

// strikeRedis kills and freezes Redis, and bans accounts, at random moments.
func (d *Disasters) strikeRedis(ctx context.Context) {
	r := dice(d.seed, "strikes")
	var strikes []func(context.Context, *rand.Rand)
	for range d.plan.Restarts {
		strikes = append(strikes, d.restart)
	}
	for range d.plan.Freezes {
		strikes = append(strikes, d.freeze)
	}
	for range d.plan.Bans {
		strikes = append(strikes, d.ban)
	}
	for range d.plan.Stalls {
		strikes = append(strikes, d.stall)
	}
	for range d.plan.Removals {
		strikes = append(strikes, d.remove)
	}
	r.Shuffle(len(strikes), func(i, j int) { strikes[i], strikes[j] = strikes[j], strikes[i] })
	for _, strike := range strikes {
		each := d.plan.Over / time.Duration(len(strikes))
		if !pause(ctx, between(r, each/2, each)) {
			return
		}
		strike(ctx, r)
	}
}

// outage runs f and remembers when.
func (d *Disasters) outage(f func()) {
	d.mu.Lock()
	at := len(d.outages)
	d.outages = append(d.outages, span{from: time.Now()})
	d.mu.Unlock()
	f()
	d.mu.Lock()
	// Workers need a moment to notice that it is back.
	d.outages[at].to = time.Now().Add(3 * time.Second)
	d.mu.Unlock()
}

func (d *Disasters) restart(ctx context.Context, r *rand.Rand) {
	d.outage(func() {
		d.rig.Log("killing Redis")
		d.rig.Redis.Kill()
		pause(ctx, between(r, 200*time.Millisecond, 3*time.Second))
		d.rig.Redis.Restart()
		d.rig.letIn(ctx)
	})
	d.mu.Lock()
	d.restarts++
	d.mu.Unlock()
}

func (d *Disasters) freeze(ctx context.Context, _ *rand.Rand) {
	d.outage(func() {
		d.rig.Log("freezing Redis for %s", d.plan.FreezeFor)
		d.rig.Redis.Freeze()
		pause(ctx, d.plan.FreezeFor)
		d.rig.Redis.Thaw()
	})
	d.mu.Lock()
	d.freezes++
	d.mu.Unlock()
}

func (d *Disasters) ban(ctx context.Context, _ *rand.Rand) {
	d.outage(func() {
		d.rig.Log("both providers answer 403 to the next call")
		for _, p := range providers.All() {
			d.rig.Weather.Ban(p)
		}
		pause(ctx, banFor)
	})
	d.mu.Lock()
	d.bans++
	d.mu.Unlock()
}

// revive waits until every worker serves.
func (d *Disasters) revive(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for _, w := range d.rig.Workers {
		for pause(ctx, 100*time.Millisecond) {
			if _, ok := w.running(); !ok {
				continue // the supervisor starts it
			}
			if _, err := w.ready(ctx); err == nil {
				break
			}
		}
		if ctx.Err() != nil {
			d.fail("%s does not serve:\n%s", w.Name, tail(w.log, 2000))
		}
	}
}
