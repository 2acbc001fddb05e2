package testredis

import (
	"context"
	"fmt"
	"testing"
)

// Slots are computed as the cluster's specification says.
func TestSlotsAreRedisOwn(t *testing.T) {
	if Slot("123456789") != 12739 || Slot("{user1000}.following") != Slot("{user1000}.followers") || Slot("foo{{bar}}zap") != Slot("{bar") || Slot("foo{}{bar}") == Slot("bar") {
		t.Fatal("slots are computed otherwise than by Redis")
	}
}

// While slots move, every key can be read and written, and each ends at the node that its slot was moved to.
func TestKeysMoveWithTheirSlots(t *testing.T) {
	t.Parallel()
	c := StartCluster(t, 3, true)
	rdb, ctx := c.Client(), t.Context()
	moving, stop := context.WithCancel(ctx)
	done := make(chan error)
	go func() { done <- c.MoveSlots(moving) }()
	const n = 300
	for round := range 3 {
		for i := range n {
			must(t, rdb.Set(ctx, fmt.Sprint("key", i), round, 0).Err())
		}
	}
	stop()
	must(t, <-done)
	if c.Moved() == 0 {
		t.Fatal("no slot was moved")
	}
	held := 0
	for place, m := range c.Masters {
		names, err := m.admin().Keys(ctx, "*").Result()
		must(t, err)
		held += len(names)
		for _, name := range names {
			if c.Holder(name) != place {
				t.Errorf("%s is at node %d, its slot at %d", name, place, c.Holder(name))
			}
			if v := rdb.Get(ctx, name).Val(); v != "2" {
				t.Errorf("%s is %q", name, v)
			}
		}
	}
	if held != n {
		t.Errorf("%d keys, %d were written", held, n)
	}
	c.AwaitWhole()
}

// A node that is killed takes the cluster down, and is back with what it had.
func TestANodeIsKilledAndComesBack(t *testing.T) {
	t.Parallel()
	c := StartCluster(t, 3, false)
	rdb, ctx := c.Client(), t.Context()
	must(t, rdb.Set(ctx, "k", "v", 0).Err())
	node := c.Masters[c.Holder("k")]
	node.Kill()
	c.AwaitFailed(node)
	if err := rdb.Set(ctx, "k", "w", 0).Err(); err == nil {
		t.Fatal("a dead node has answered")
	}
	node.Restart()
	c.AwaitWhole()
	if v, err := rdb.Get(ctx, "k").Result(); v != "v" {
		t.Fatalf("%q %v", v, err)
	}
}

// A master that is killed is replaced by a replica that has what was waited for, and follows when it is back.
func TestTheMasterIsReplaced(t *testing.T) {
	t.Parallel()
	s := StartSentinel(t)
	rdb, ctx := s.Client(), t.Context()
	conn := rdb.Conn()
	must(t, conn.Set(ctx, "k", "v", 0).Err())
	if n, err := conn.Wait(ctx, 2, 0).Result(); n != 2 || err != nil {
		t.Fatalf("%d replicas, %v", n, err)
	}
	must(t, conn.Close())
	dead := s.KillMaster()
	if s.Master() == dead {
		t.Fatal("the dead server is still the master")
	}
	if v, err := rdb.Get(ctx, "k").Result(); v != "v" {
		t.Fatalf("%q %v", v, err)
	}
	dead.Restart()
	s.AwaitWhole()
	if v, err := s.Master().admin().Get(ctx, "k").Result(); v != "v" {
		t.Fatalf("%q %v", v, err)
	}
}

// A master of a cluster that is killed is replaced by its replica, which has what was waited for, and follows it when it is back.
func TestAMasterOfAClusterIsReplaced(t *testing.T) {
	t.Parallel()
	c := StartCluster(t, 3, true)
	rdb, ctx := c.Client(), t.Context()
	for round, want := range []string{"v", "w"} {
		must(t, rdb.Set(ctx, "k", want, 0).Err())
		place := c.Holder("k")
		dead := c.KillMaster(place)
		if c.Masters[place] == dead {
			t.Fatal("the dead server is still the master")
		}
		await := func() error {
			if v, err := rdb.Get(ctx, "k").Result(); v != want {
				return fmt.Errorf("round %d: %q %w", round, v, err)
			}
			return nil
		}
		until(t, startLimit, await) // the client has to notice it
		dead.Restart()
		c.AwaitWhole()
		if err := dead.leads(); err == nil {
			t.Fatal("the server that is back is a master too")
		}
	}
}
