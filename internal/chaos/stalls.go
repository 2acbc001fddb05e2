package chaos

import (
	"context"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/tasks/order"
)

// stallFor is how long a worker is stopped: longer than its claims last (10 s), so that another takes its
// records over while it knows nothing of that; every other time longer than its tasks' leases (30 s), too.
func stallFor(n int, r *rand.Rand) time.Duration {
	if n%2 == 1 {
		return between(r, 33*time.Second, 38*time.Second)
	}
	return between(r, 12*time.Second, 17*time.Second)
}

// stallWorkers stops workers (SIGSTOP) at random times and lets them go on (SIGCONT).
func (d *Disasters) stallWorkers(ctx context.Context) {
	var stalls sync.WaitGroup
	for n := range d.plan.Stalls {
		r := dice(d.seed, "stalls", strconv.Itoa(n))
		stalls.Go(func() {
			if pause(ctx, between(r, 0, d.plan.Over)) {
				d.stall(ctx, r, stallFor(n, r))
			}
		})
	}
	stalls.Wait()
}

// stall stops a worker, if possible in the middle of a provider call.
func (d *Disasters) stall(ctx context.Context, r *rand.Rand, long time.Duration) {
	w := d.lock(ctx, r)
	if w == nil {
		return
	}
	defer w.stopped.Unlock()
	calling := d.awaitCall(ctx, w)
	p := w.current()
	if _, ok := w.running(); !ok || p.cmd.Process.Signal(syscall.SIGSTOP) != nil {
		return // it is down at the moment
	}
	d.rig.Log("stalling %s for %s (in the middle of a call: %v)", w.Name, long.Round(time.Second), calling)
	d.mu.Lock()
	n := len(d.stalled)
	d.stalled = append(d.stalled, span{from: time.Now()})
	d.mu.Unlock()
	d.watchWhatItHeld(ctx, p.cmd.Process.Pid, "stalled "+w.Name)
	pause(ctx, long)
	_ = p.cmd.Process.Signal(syscall.SIGCONT) // it may have been killed meanwhile
	d.mu.Lock()
	d.stalls++
	d.stalled[n].to = time.Now().Add(time.Second)
	d.mu.Unlock()
}

// lock takes a running worker that is neither stalled nor asked to end.
func (d *Disasters) lock(ctx context.Context, r *rand.Rand) *Worker {
	for pause(ctx, 50*time.Millisecond) {
		w := d.rig.Workers[r.IntN(len(d.rig.Workers))]
		if !w.stopped.TryLock() {
			continue
		}
		if _, ok := w.running(); ok {
			return w
		}
		w.stopped.Unlock()
	}
	return nil
}

// awaitCall waits until a worker has written an intent, so that its call is under way; not for ever, because
// there may be nothing to do.
func (d *Disasters) awaitCall(ctx context.Context, w *Worker) bool {
	for range 100 {
		pid, ok := w.running()
		if ok {
			held, err := d.heldBy(ctx, pid)
			for _, v := range held {
				if err == nil && v.State == order.Submitting {
					return true
				}
			}
		}
		if !pause(ctx, 40*time.Millisecond) {
			return false
		}
	}
	return false
}

// heldBy lists what the claims of a process are on.
func (d *Disasters) heldBy(ctx context.Context, pid int) (map[order.Ref]*ledger.View, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	mark := "/" + strconv.Itoa(pid) + "/"
	held := map[order.Ref]*ledger.View{}
	for _, a := range accounts() {
		members, err := d.rdb.ZRange(ctx, keys.Open(a), 0, -1).Result()
		if err != nil {
			return nil, err
		}
		var refs []order.Ref
		for _, m := range members {
			if r, ok := keys.ParseMember(a, m); ok {
				refs = append(refs, r)
			}
		}
		if len(refs) == 0 {
			continue
		}
		views, err := d.rig.Ledger.Views(ctx, refs)
		if err != nil {
			return nil, err
		}
		for i, v := range views {
			if v != nil && strings.Contains(v.Runner, mark) {
				held[refs[i]] = v
			}
		}
	}
	return held, nil
}
