package chaos

import (
	"context"
	"math/rand/v2"
	"syscall"
	"time"
)

// strikeDoors kills and stalls front doors, early enough for others to take over what they were delivering: asynq lets
// go of a dead one's tasks after half a minute.
func (d *Disasters) strikeDoors(ctx context.Context) {
	if d.rig.Front == nil {
		return
	}
	var strikes []func(context.Context, *rand.Rand)
	for range d.plan.DoorKills {
		strikes = append(strikes, d.killDoor)
	}
	for range d.plan.DoorStalls {
		strikes = append(strikes, d.stallDoor)
	}
	d.spread(ctx, dice(d.seed, "doors"), d.plan.Over*3/4, strikes)
}

// aDoor is one of the front doors.
func (d *Disasters) aDoor(r *rand.Rand) *Worker {
	doors := d.rig.Front.processes()
	return doors[r.IntN(len(doors))]
}

// killDoor kills a front door; some are asked to end instead.
func (d *Disasters) killDoor(ctx context.Context, r *rand.Rand) {
	w := d.aDoor(r)
	if d.plan.Stops && r.IntN(4) == 0 {
		d.stop(ctx, w)
		return
	}
	if w.kill() == 0 {
		return // it did not get up in time, as when Redis was away
	}
	d.rig.Log("killed %s", w.Name)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.doors++
}

// stallDoor stops a front door (SIGSTOP) for longer than a delivery is believed to be under way, so that another
// makes it again, and then the first goes on.
func (d *Disasters) stallDoor(ctx context.Context, r *rand.Rand) {
	w := d.aDoor(r)
	p := w.current()
	if _, ok := w.running(); !ok || p.cmd.Process.Signal(syscall.SIGSTOP) != nil {
		return
	}
	long := between(r, 9*time.Second, 14*time.Second)
	d.rig.Log("stalling %s for %s", w.Name, long.Round(time.Second))
	pause(ctx, long)
	_ = p.cmd.Process.Signal(syscall.SIGCONT) // it may have been killed meanwhile
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held++
}
