package chaos

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/redisconn"
	"issuance/internal/testredis"
	"issuance/providers"
)

// clusterPlace is a cluster as an installation's Redis.
func clusterPlace(c *testredis.Cluster) *Place {
	return &Place{Source: redisconn.Source{ClusterAddrs: c.Addrs()}, Connect: func() redis.UniversalClient { return c.Client() }}
}

// struck runs an installation with two workers and a front door under a load of orders and refunds of two accounts, with
// providers that answer well, while something happens to its Redis. Everything has to come to its one true end.
func struck(t *testing.T, place *Place, env []string, meanwhile func(context.Context) error) *Run {
	t.Helper()
	well := func(string, int) string { return taken }
	rig := NewRig(t, RigConfig{Seed: 12, Workers: 2, Binary: theWorker(t), Doors: 1, DoorBinary: theDoor(t), Log: t.Logf, LogDir: *logs, Place: place, Env: env, Answers: well})
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	run, err := Execute(ctx, rig, Plan{Seed: 12, Mix: Mix{Orders: 150, Refunds: 60, Plain: true}, Spread: 8 * time.Second, Patience: 90 * time.Second, Meanwhile: meanwhile})
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
	struck(t, clusterPlace(c), nil, c.MoveSlots)
	t.Logf("%d slots were moved", c.Moved())
	if c.Moved() < 200 {
		t.Error("so few slots have proven little")
	}
}

// ended waits until so many orders and refunds have come to their end, which means that others are being worked on.
func ended(ctx context.Context, rdb redis.UniversalClient, n int64) bool {
	for {
		if have, err := rdb.XLen(ctx, keys.Events).Result(); err == nil && have >= n {
			return true
		}
		if !pause(ctx, 50*time.Millisecond) {
			return false
		}
	}
}

// A node that is killed while it holds queues, and one that is killed while it holds the events, take the cluster down until
// they are back. What was on its way comes to its one true end all the same.
func TestOrdersInAClusterWhoseNodesDie(t *testing.T) {
	t.Parallel()
	c := testredis.StartCluster(t, 3, false)
	rdb, deaths := c.Client(), 0
	run := struck(t, clusterPlace(c), nil, func(ctx context.Context) error {
		for _, key := range []string{keys.Queue("ecticket-checkout"), keys.Events} {
			if !ended(ctx, rdb, int64(10+30*deaths)) {
				return ctx.Err()
			}
			node := c.Masters[c.Holder(key)]
			node.Kill()
			c.AwaitFailed(node)
			node.Restart()
			c.AwaitWhole()
			deaths++
		}
		return nil
	})
	if deaths != 2 {
		t.Errorf("%d nodes were killed: this has proven little", deaths)
	}
	operate(t, run)
}

// operate has the command line do on the run's Redis what producers and operators do.
func operate(t *testing.T, run *Run) {
	t.Helper()
	rig, first := run.Rig, run.Load.Orders[0].Ref()
	file := filepath.Join(t.TempDir(), "orders.ndjson")
	if err := os.WriteFile(file, slices.Concat(paper(1), []byte("\n"), paper(2)), 0o600); err != nil {
		t.Fatal(err)
	}
	account := accountOf(providers.ECTicket).String()
	for _, c := range []struct {
		want string
		args []string
	}{
		{"2 enqueued", []string{"bulk", file}},
		{"queued", []string{"status", account, "LIMIT1"}},
		{"queued", []string{"history", account, "LIMIT1"}},
		{"cancelled", []string{"cancel", account, "LIMIT2", "--by", "me", "--reason", "a test"}},
		{"issued", []string{"status", first.Account.String(), first.OrderID}},
		{first.OrderID, []string{"list", "--state", "issued"}},
		{"review", []string{"review"}},
		{"calls: checkout", []string{"budget"}},
		{account, []string{"accounts"}},
		{"paused by me", []string{"pause", account, "--by", "me", "--reason", "a test"}},
		{account, []string{"resume", account, "--by", "me"}},
		{"shaky", []string{"webhooks", "list"}},
		{"workers hold the first key", []string{"doctor"}},
	} {
		cmd := exec.CommandContext(t.Context(), rig.DoorBinary, c.args...)
		cmd.Env = rig.environment()
		out, err := cmd.CombinedOutput()
		if c.args[0] == "doctor" { // no worker runs any more, which is wrong
			err = nil
		}
		if err != nil || !strings.Contains(string(out), c.want) {
			t.Errorf("enqueue %v: %v\n%s", c.args, err, out)
		}
	}
}

// A master that is killed and replaced by a replica takes nothing with it, where receipts and intents wait for a replica.
func TestOrdersOutliveTheMaster(t *testing.T) {
	t.Parallel()
	s := testredis.StartSentinel(t)
	place := &Place{redisconn.Source{URL: s.URL()}, func() redis.UniversalClient { return s.Client() }, true}
	rdb, replaced := s.Client(), false
	struck(t, place, []string{waitForOne}, func(ctx context.Context) error {
		if !ended(ctx, rdb, 20) {
			return ctx.Err()
		}
		dead := s.KillMaster()
		replaced = true
		if !ended(ctx, rdb, 60) {
			return ctx.Err()
		}
		dead.Restart()
		s.AwaitWhole()
		return nil
	})
	if !replaced {
		t.Error("no master was replaced: this has proven nothing")
	}
}

// The same in a cluster: the node that holds a queue and the one that holds the events are killed and replaced by their replicas.
func TestOrdersOutliveMastersOfACluster(t *testing.T) {
	t.Parallel()
	c := testredis.StartCluster(t, 3, true)
	place := clusterPlace(c)
	place.Replaced = true
	rdb, replaced := c.Client(), 0
	struck(t, place, []string{waitForOne}, func(ctx context.Context) error {
		for _, key := range []string{keys.Queue("ecticket-checkout"), keys.Events} {
			if !ended(ctx, rdb, int64(20+50*replaced)) {
				return ctx.Err()
			}
			dead := c.KillMaster(c.Holder(key))
			replaced++
			dead.Restart() // the new master has no replica that could be waited for: for what it holds nothing is receipted or sent
			c.AwaitWhole()
		}
		return nil
	})
	if replaced != 2 {
		t.Errorf("%d masters were replaced: this has proven little", replaced)
	}
}
