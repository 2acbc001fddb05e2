package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/queue"
	"issuance/providers"
)

// Disasters strike workers, Redis, accounts and tasks, by seed.
type Disasters struct {
	rig       *Rig
	rdb       redis.UniversalClient
	inspector *asynq.Inspector
	queue     *queue.Client
	seed      uint64
	plan      DisasterPlan

	mu       sync.Mutex
	kills    int
	doors    int // front doors killed
	held     int // and stopped for a while
	stops    int
	stalls   int
	restarts int
	freezes  int
	bans     int
	silences int
	// unanswered are the calls that met a silence.
	unanswered int
	removed    map[string]int               // tasks, by what was done to them
	begun      int                          // of these, tasks of records that somebody had worked on
	outages    []span                       // of Redis; bans, pauses and silences are among them
	holds      map[providers.Account][]span // of all of an account's calls; the last one may not be over
	stalled    []span
	paused     int
	pauses     []pauseSpan // of all lanes
	recovered  []recovery
	returned   []recovery // tasks that were removed
	crashed    int        // workers that ended by themselves, as they may when Redis is away at their start
	failures   []string
	watchers   sync.WaitGroup
	over       chan struct{} // closed when watchers are to give up
}

// DisasterPlan says how often what happens.
type DisasterPlan struct {
	KillEvery  time.Duration // mean time between kills of a worker; 0: none
	Kills      int           // at least
	Stops      bool          // some workers are asked to end instead
	DoorKills  int           // of a front door
	DoorStalls int           // a front door stopped and going on later
	Stalls     int           // a worker stopped in the middle of its work and going on later; see stallFor
	Restarts   int           // Redis killed and started again
	Freezes    int           // Redis hangs
	FreezeFor  time.Duration
	Bans       int // each of both providers
	Pauses     int // of an account or a lane of it, and its resumption
	Silences   int // outages of both providers
	Removals   int // times that tasks are deleted, archived or left active without a lease; see removal
	// OnlyRemoval, when set, is the only removal that strikes. Default: every one in turn.
	OnlyRemoval string
	// Replays are settled records that are deleted in the end and whose tasks are made again.
	Replays int
	// Over is the time over which they are spread.
	Over time.Duration
}

type span struct{ from, to time.Time }

// Run strikes until over is closed and the plan is fulfilled. Afterwards Redis runs, and every
// worker serves.
func (d *Disasters) Run(ctx context.Context, over <-chan struct{}) {
	var strikes sync.WaitGroup
	strikes.Go(func() { d.killWorkers(ctx, over) })
	strikes.Go(func() { d.strikeRedis(ctx) })
	strikes.Go(func() { d.stallWorkers(ctx) })
	strikes.Go(func() { d.removeTasks(ctx) })
	strikes.Go(func() { d.strikeDoors(ctx) })
	strikes.Wait()
	d.revive(ctx)
}

// supervise starts workers and front doors that are down, as an orchestrator does.
func (d *Disasters) supervise(ctx context.Context) {
	for pause(ctx, 700*time.Millisecond) {
		for _, w := range d.rig.processes() {
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
	if !w.stopped.TryLock() {
		return // it is stalled
	}
	defer w.stopped.Unlock()
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

// kill kills a worker, if possible one that is at work, and has what it held watched until somebody
// else takes it up.
func (d *Disasters) kill(ctx context.Context, w *Worker) {
	for range 10 {
		pid, ok := w.running()
		if !ok {
			return // it did not get up in time, as when Redis was away
		}
		if held, err := d.heldBy(ctx, pid); err != nil || len(held) > 0 || !pause(ctx, 100*time.Millisecond) {
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

func (d *Disasters) disturbed(s span) bool { return overlaps(d.outages, s) }

// spread strikes the given strikes in a random order, over a time.
func (d *Disasters) spread(ctx context.Context, r *rand.Rand, over time.Duration, strikes []func(context.Context, *rand.Rand)) {
	r.Shuffle(len(strikes), func(i, j int) { strikes[i], strikes[j] = strikes[j], strikes[i] })
	for _, strike := range strikes {
		each := over / time.Duration(len(strikes))
		if !pause(ctx, between(r, each/2, each)) {
			return
		}
		strike(ctx, r)
	}
}

// strikeRedis kills and freezes Redis, bans and pauses accounts, and silences providers, at random moments.
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
	for range d.plan.Silences {
		strikes = append(strikes, d.silence)
	}
	for range d.plan.Pauses {
		strikes = append(strikes, d.pauseAccount)
	}
	d.spread(ctx, r, d.plan.Over, strikes)
}

// outage runs f and remembers when. Workers need the time of after to notice that it is over.
func (d *Disasters) outage(after time.Duration, f func()) {
	d.mu.Lock()
	at := len(d.outages)
	d.outages = append(d.outages, span{from: time.Now()})
	d.mu.Unlock()
	f()
	d.mu.Lock()
	d.outages[at].to = time.Now().Add(after)
	d.mu.Unlock()
}

func (d *Disasters) restart(ctx context.Context, r *rand.Rand) {
	d.outage(3*time.Second, func() {
		d.rig.Log("killing Redis")
		d.rig.Redis.Kill()
		pause(ctx, between(r, 200*time.Millisecond, 3*time.Second))
		d.rig.Redis.Restart()
		d.rig.letIn(ctx)
		d.rig.Log("Redis runs again")
	})
	d.mu.Lock()
	d.restarts++
	d.mu.Unlock()
}

func (d *Disasters) freeze(ctx context.Context, _ *rand.Rand) {
	d.outage(3*time.Second, func() {
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
	d.outage(time.Second, func() {
		d.rig.Log("both providers answer 403 to the next call")
		for _, a := range accounts() {
			d.rig.Weather.Ban(a.Provider)
		}
		pause(ctx, banFor)
	})
	d.mu.Lock()
	d.bans++
	d.mu.Unlock()
}

// revive waits until every worker and front door serves.
func (d *Disasters) revive(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for _, w := range d.rig.processes() {
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
