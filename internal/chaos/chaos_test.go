package chaos

import (
	"context"
	"flag"
	"testing"
	"time"
)

var (
	orders     = flag.Int("chaos.orders", 150, "orders of TestChaos")
	refunds    = flag.Int("chaos.refunds", 40, "refunds of TestChaos")
	seed       = flag.Uint64("chaos.seed", 1, "seed of TestChaos")
	workers    = flag.Int("chaos.workers", 3, "worker processes of TestChaos")
	killEvery  = flag.Duration("chaos.kill-every", 5*time.Second, "mean time between kills of a worker; 0 for none")
	kills      = flag.Int("chaos.kills", 2, "kills of a worker, at least")
	doors      = flag.Int("chaos.doors", 2, "front doors of TestChaos; 0 for producers that reach Redis only")
	doorKills  = flag.Int("chaos.door-kills", 3, "kills of a front door")
	doorHolds  = flag.Int("chaos.door-stalls", 1, "times that a front door is stopped for longer than a delivery is believed to be under way, and goes on then")
	stalls     = flag.Int("chaos.stalls", 2, "times that a worker is stopped for longer than its claims last (every other time: than its tasks' leases, too), and goes on then")
	removals   = flag.Int("chaos.removals", 15, "times that waiting tasks are deleted, archived, or left active without a lease, one or all of a queue")
	pauses     = flag.Int("chaos.pauses", 3, "times that an account or a lane of it is paused and resumed")
	replays    = flag.Int("chaos.replays", 30, "settled records that are deleted in the end and whose tasks are made again")
	restarts   = flag.Int("chaos.redis-restarts", 1, "times that Redis is killed and started again")
	freezes    = flag.Int("chaos.redis-freezes", 1, "times that Redis hangs")
	freezeFor  = flag.Duration("chaos.redis-freeze", 4*time.Second, "how long Redis hangs")
	bans       = flag.Int("chaos.bans", 1, "times that both providers answer 403 and ban the account")
	silent     = flag.Int("chaos.silences", 1, "times that both providers answer nothing for a while")
	spread     = flag.Duration("chaos.spread", 0, "time over which the load is enqueued (default: 60ms an order, at least 25s)")
	patience   = flag.Duration("chaos.patience", 4*time.Minute, "how long everything may take to become final after the last fault")
	lost       = flag.Float64("chaos.lost", DefaultOdds().Lost, "percent of calls whose answer is lost after the effect")
	http5xx    = flag.Float64("chaos.5xx", DefaultOdds().HTTP5xx, "percent of calls answered by HTTP 5xx, half of them after the effect")
	garbage    = flag.Float64("chaos.garbage", DefaultOdds().Garbage, "percent of calls answered by garbage")
	checksum   = flag.Float64("chaos.checksum", DefaultOdds().Checksum, "percent of calls answered with a wrong checksum (Pass2U: Oops!)")
	slow       = flag.Float64("chaos.slow", DefaultOdds().Slow, "percent of calls slower than the worker waits, half of them taking effect after it has given up")
	logs       = flag.String("chaos.logs", "", "directory that keeps the workers' logs")
	overtaken  = flag.Float64("chaos.overtaken", DefaultOdds().Overtaken, "percent of calls that arrive only when the next one for the same order is on its way")
	cut        = flag.Float64("chaos.cut", DefaultOdds().Cut, "percent of calls whose connection breaks before the effect")
	rejected   = flag.Float64("chaos.rejected", DefaultOdds().Rejected, "percent of calls that take effect and are answered by a rejection")
	busy       = flag.Float64("chaos.busy", DefaultOdds().Busy, "percent of look-ups that are answered by a rejection about no order")
	replayed   = flag.Float64("chaos.replayed", DefaultOdds().Replayed, "percent of refunds that are answered by an older confirmation, without effect")
	retryAfter = flag.Float64("chaos.throttled", DefaultOdds().Throttled, "percent of calls answered by HTTP 503 or 429 with Retry-After")
	oldLooks   = flag.Float64("chaos.old-looks", DefaultOdds().OldLooks, "percent of look-ups that are answered with what the same one was answered before")
	usedUp     = flag.Int("chaos.notices", 12, "tickets that are used up elsewhere in the end, of which front doors are sent notices")
)

// Whatever crashes, repeats or gets a wrong answer: nothing is issued or refunded twice, nothing is lost, every
// final status is true and published, and nobody's data or secret is left where others can read it.
func TestChaos(t *testing.T) {
	t.Parallel()
	over := *spread
	if over <= 0 {
		over = max(25*time.Second, time.Duration(*orders)*60*time.Millisecond)
	}
	odds := DefaultOdds()
	odds.Lost, odds.HTTP5xx, odds.Garbage, odds.Checksum, odds.Slow, odds.Cut, odds.Overtaken = *lost, *http5xx, *garbage, *checksum, *slow, *cut, *overtaken
	odds.Rejected, odds.Busy, odds.Replayed, odds.Throttled, odds.OldLooks = *rejected, *busy, *replayed, *retryAfter, *oldLooks
	config := RigConfig{Seed: *seed, Workers: *workers, Binary: theWorker(t), Doors: *doors, Log: t.Logf, LogDir: *logs, Odds: odds}
	if *doors > 0 {
		config.DoorBinary = theDoor(t)
	}
	rig := NewRig(t, config)
	run, err := Execute(t.Context(), rig, Plan{Seed: *seed, Mix: Mix{Orders: *orders, Refunds: *refunds}, Spread: over, Patience: *patience, ProducersDie: true, Notices: *usedUp,
		Disasters: DisasterPlan{KillEvery: *killEvery, Kills: *kills, Stops: true, DoorKills: *doorKills, DoorStalls: *doorHolds, Stalls: *stalls, Removals: *removals, Pauses: *pauses,
			Replays: *replays, Restarts: *restarts, Freezes: *freezes, FreezeFor: *freezeFor, Bans: *bans, Silences: *silent}})
	if err != nil {
		t.Fatalf("seed %d: %v", *seed, err)
	}
	t.Log(run)
	for _, n := range run.neverHappened() {
		t.Errorf("%s: this has proven nothing about it", n)
	}
	for _, p := range run.Problems() {
		t.Error(p)
	}
	t.Run("nothing hidden shows up", func(t *testing.T) {
		found, places, err := Exposed(t.Context(), run)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("searched: %s", counts(places))
		if places["details"] == 0 {
			t.Error("no record's details were searched")
		}
		for i, f := range found {
			if t.Error(f); i == 30 {
				t.Fatalf("and %d more", len(found)-i)
			}
		}
	})
	stopping, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	if err := rig.StopWorkers(stopping); err != nil {
		t.Errorf("a worker that is asked to end does not end well: %v", err)
	}
}
