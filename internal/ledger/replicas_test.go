package ledger

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/testredis"
	"issuance/tasks/order"
)

// With WaitReplicas an intent that no replica has is refused in about a second, and the error says
// that nothing was sent; the order is not lost, it is looked up or sent later.
func TestAnIntentThatNoReplicaHasIsAnError(t *testing.T) {
	s := replicable(t)
	if s == nil {
		return
	}
	b := newBench(s, newClock())
	l := New(b.rdb, Options{Now: b.clock.Now, WaitReplicas: 1})
	k, rk := b.order(), b.refund()
	f, rf := b.claim(t, k).Record.Fence, b.claim(t, rk).Record.Fence
	for what, try := range map[string]func() error{
		"submit": func() error { _, _, err := l.Submit(b.ctx, k, f, Intent{Lease: lease, Ticket: -1}); return err },
		"plan":   func() error { _, err := l.WritePlan(b.ctx, rk, rf, twoTickets); return err },
	} {
		began := time.Now()
		err := try()
		took := time.Since(began)
		if err == nil || !strings.Contains(err.Error(), "nothing was sent") || !strings.Contains(err.Error(), "0 of 1 replicas") {
			t.Errorf("%s: %v", what, err)
		}
		if took < 900*time.Millisecond || took > 2500*time.Millisecond {
			t.Errorf("%s took %s", what, took)
		}
	}
	// The intent stands on the master all the same: the next runner looks first.
	b.clock.pass(2 * lease)
	if c := b.claim(t, k); c.Verdict != MustLookUp {
		t.Errorf("%+v", c)
	}
}

// With a replica that follows, intents are written as without.
func TestAnIntentThatAReplicaHasIsWritten(t *testing.T) {
	s := replicable(t)
	if s == nil {
		return
	}
	replica := testredis.Start(t)
	b := newBench(s, newClock())
	must(t, b.rdb.ConfigSet(b.ctx, "repl-diskless-sync-delay", "0").Err()) // else five seconds
	follow(t, replica.Client(), s)
	for name, rdb := range map[string]redis.UniversalClient{
		"one server": b.rdb,
		// As sentinel and cluster clients do: the ledger finds the node by itself.
		"failover": redis.NewUniversalClient(&redis.UniversalOptions{Addrs: []string{s.Addr}}),
	} {
		t.Cleanup(func() { _ = rdb.Close() })
		l := New(rdb, Options{Now: b.clock.Now, WaitReplicas: 1})
		must(t, rdb.ScriptFlush(b.ctx).Err())
		k, rk := b.order(), b.refund()
		a, n, err := l.Submit(b.ctx, k, b.claim(t, k).Record.Fence, Intent{Lease: lease, Ticket: -1})
		applied(t, a, err)
		if n != 1 {
			t.Errorf("%s: attempt %d", name, n)
		}
		f := b.claim(t, rk).Record.Fence
		a, err = l.WritePlan(b.ctx, rk, f, twoTickets)
		applied(t, a, err)
		a, _, err = l.Submit(b.ctx, rk, f, Intent{Lease: lease, Ticket: 0})
		applied(t, a, err)
		state, err := replica.Client().HGet(b.ctx, keys.Record(k), "state").Result()
		if err != nil || order.State(state) != order.Submitting {
			t.Errorf("%s: the replica has %q, %v", name, state, err)
		}
		// A refusal is an answer here, too.
		if a, _, err := l.Submit(b.ctx, k, "99", Intent{Lease: lease, Ticket: -1}); err != nil || a.Applied || a.State != order.Submitting {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
}

// replicable is a server that can have replicas; nil where redis-server is not installed.
func replicable(t *testing.T) *testredis.Server {
	t.Helper()
	s := testredis.Start(t)
	if s.Kind != testredis.Real {
		t.Log("replicas need redis-server")
		return nil
	}
	return s
}

// follow makes a server another one's replica and waits until it follows, for the master too.
func follow(t *testing.T, replica *redis.Client, master *testredis.Server) {
	t.Helper()
	host, port, err := net.SplitHostPort(master.Addr)
	must(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	must(t, replica.Do(ctx, "REPLICAOF", host, port).Err())
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		info, err := replica.Info(ctx, "replication").Result()
		must(t, err)
		if strings.Contains(info, "master_link_status:up") {
			break
		}
		<-tick.C
	}
	for rdb := master.Client(); ; {
		info, err := rdb.Info(ctx, "replication").Result()
		must(t, err)
		if strings.Contains(info, "state=online") {
			return
		}
		<-tick.C
	}
}

// A client the ledger cannot find nodes of is refused before anything is written.
func TestReplicasNeedAKnownKindOfClient(t *testing.T) {
	s := testredis.Mini(t)
	b := newBench(s, newClock())
	k := b.order()
	f := b.claim(t, k).Record.Fence
	before := b.snapshot(t, k)
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"one": s.Addr}})
	t.Cleanup(func() { _ = ring.Close() })
	if _, _, err := New(ring, Options{WaitReplicas: 1}).Submit(b.ctx, k, f, Intent{Lease: lease, Ticket: -1}); err == nil || !strings.Contains(err.Error(), "REDIS_WAIT_REPLICAS") {
		t.Errorf("%v", err)
	}
	if b.snapshot(t, k) != before {
		t.Error("the record changed")
	}
}

// With WaitReplicas a record counts as made when a replica has it, whoever made it and on whatever connection.
func TestARecordWaitsForAReplica(t *testing.T) {
	s := replicable(t)
	if s == nil {
		return
	}
	b := newBench(s, newClock())
	l := New(b.rdb, Options{Now: b.clock.Now, WaitReplicas: 1})
	k := b.order()
	b.record(t, k)
	err := l.Replicated(b.ctx, []order.Ref{k})
	if err == nil || !strings.Contains(err.Error(), "0 of 1 replicas have the record") {
		t.Errorf("without a replica: %v", err)
	}
	must(t, New(b.rdb, Options{}).Replicated(b.ctx, []order.Ref{k})) // nobody asked to wait
	must(t, l.Replicated(b.ctx, nil))
	replica := testredis.Start(t)
	must(t, b.rdb.ConfigSet(b.ctx, "repl-diskless-sync-delay", "0").Err())
	follow(t, replica.Client(), s)
	must(t, l.Replicated(b.ctx, []order.Ref{k, b.order()}))
	if n := replica.Client().Exists(b.ctx, keys.Record(k)).Val(); n != 1 {
		t.Error("the replica has no record")
	}
}
