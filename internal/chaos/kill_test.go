package chaos

import (
	"testing"
	"time"
)

// The only worker dies in the middle of a load and is started again: nothing is lost, nothing is
// done twice, and its orders are taken up within RecoveryLimit.
func TestKillingTheOnlyWorkerLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	rig := NewRig(t, RigConfig{Seed: 2, Workers: 1, Binary: theWorker(t), Log: t.Logf})
	run, err := Execute(t.Context(), rig, Plan{Seed: 2, Mix: Mix{Orders: 80, Refunds: 30, Plain: true}, Spread: 6 * time.Second,
		Patience: 2 * time.Minute, Disasters: DisasterPlan{KillEvery: 4 * time.Second, Kills: 1}})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(run)
	for _, p := range run.Problems() {
		t.Error(p)
	}
	if len(run.Disasters.recovered) == 0 {
		t.Error("nothing was under way when the worker was killed: this has proven nothing")
	}
}
