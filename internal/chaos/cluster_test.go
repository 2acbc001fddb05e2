package chaos

import (
	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/redisconn"
	"issuance/internal/testredis"
)

// clusterPlace is a cluster as an installation's Redis.
func clusterPlace(c *testredis.Cluster) *Place {
	return &Place{redisconn.Source{ClusterAddrs: c.Addrs()}, func() redis.UniversalClient { return c.Client() }}
}

// struck runs an installation with two workers and a front door under a load of orders and refunds of two accounts, with
// providers that answer well, while something happens to its Redis. Everything has to come to its one true end.
func struck(t *testing.T, place *Place, env []string, meanwhile func(context.Context) error) *Run {
	t.Helper()
	well := func(string, int) string { return taken }
	rig := NewRig(t, RigConfig{Seed: 12, Workers: 2, Binary: theWorker(t), Doors: 1, DoorBinary: theDoor(t), Log: t.Logf, LogDir: *logs, Place: place, Env: env, Answers: well})
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	run, err := Execute(ctx, rig, Plan{Seed: 12, Mix: Mix{Orders: 180, Refunds: 60, Plain: true}, Spread: 10 * time.Second, Patience: 90 * time.Second, Meanwhile: meanwhile})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(run)
	for _, p := range run.Problems() {
		t.Error(p)
	}
	if rig.Intents.checked == 0 || run.Producers.byHTTP == 0 {
		t.Errorf("%d intents were looked for, %d documents came by HTTP: this has proven little", rig.Intents.checked, run.Producers.byHTTP)
	}
	stopping, stopped := context.WithTimeout(t.Context(), 40*time.Second)
	defer stopped()
	if err := rig.StopWorkers(stopping); err != nil {
		t.Errorf("a worker that is asked to end does not end well: %v", err)
	}
	return run
}

// In a cluster whose slots move all the time, of records, queues, budgets and events alike, every order and refund comes to
// its one true end, and nothing is issued or refunded twice.
func TestOrdersInAClusterWhoseSlotsMove(t *testing.T) {
	t.Parallel()
	c := testredis.StartCluster(t, 3, false)
	moved := 0
	struck(t, clusterPlace(c), nil, func(ctx context.Context) (err error) {
		moved, err = c.MoveSlots(ctx)
		return err
	})
	t.Logf("%d slots were moved", moved)
	if moved < 500 {
		t.Errorf("only %d slots were moved: this has proven little", moved)
	}
}
