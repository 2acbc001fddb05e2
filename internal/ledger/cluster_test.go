package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"issuance/internal/keys"
	"issuance/internal/redisconn"
	"issuance/internal/testredis"
	"issuance/tasks/order"
)

// clustered is a ledger on a real cluster, with the product's client.
func clustered(t *testing.T, c *testredis.Cluster, opt Options) *Ledger {
	t.Helper()
	where, err := redisconn.Parse(redisconn.Source{ClusterAddrs: c.Addrs()})
	must(t, err)
	rdb := where.New()
	t.Cleanup(func() { _ = rdb.Close() })
	return New(rdb, opt)
}

// taken makes a record and claims it.
func taken(t *testing.T, l *Ledger, id string) (ref order.Ref, fence string) {
	t.Helper()
	ref = order.Ref{Account: shop, OrderID: id}
	_, err := l.Record(t.Context(), Intake{Ref: ref, Lane: order.Checkout, Fingerprint: "fp"})
	must(t, err)
	c, err := l.Claim(t.Context(), ref, "runner", lease)
	must(t, err)
	return ref, c.Record.Fence
}

// With WaitReplicas an intent is written while the slots of records move from node to node, and the replica of the node that
// has the record then has it, too.
func TestIntentsAreWrittenWhileSlotsMove(t *testing.T) {
	t.Parallel()
	c := testredis.StartCluster(t, 3, true)
	l := clustered(t, c, Options{WaitReplicas: 1})
	moving, stop := context.WithCancel(t.Context())
	moved := make(chan error, 1)
	go func() { moved <- c.MoveSlots(moving) }()
	n := 0
	for ; c.Moved() < 100; n++ {
		ref, f := taken(t, l, fmt.Sprint("A", n))
		a, attempt, err := l.Submit(t.Context(), ref, f, Intent{Lease: lease, Ticket: -1})
		applied(t, a, err)
		if attempt != 1 {
			t.Errorf("%s: attempt %d", ref, attempt)
		}
	}
	stop()
	must(t, <-moved)
	for i := range n {
		rec, err := l.Load(t.Context(), order.Ref{Account: shop, OrderID: fmt.Sprint("A", i)})
		must(t, err)
		if rec.State != order.Submitting || rec.Attempts != 1 {
			t.Errorf("A%d is %s after %d attempts", i, rec.State, rec.Attempts)
		}
	}
}

// A slot that another program has moved is found by the first try.
func TestAnIntentFindsASlotThatHasMoved(t *testing.T) {
	t.Parallel()
	c := testredis.StartCluster(t, 2, true)
	l := clustered(t, c, Options{WaitReplicas: 1})
	ref, f := taken(t, l, "A1")
	key := keys.Record(ref)
	must(t, c.Move(t.Context(), c.Holder(key), 1-c.Holder(key), testredis.Slot(key)))
	a, _, err := l.Submit(t.Context(), ref, f, Intent{Lease: lease, Ticket: -1})
	applied(t, a, err)
	replica := c.Replicas[c.Holder(key)].Client().Conn()
	defer replica.Close()
	must(t, replica.ReadOnly(t.Context()).Err())
	if state, err := replica.HGet(t.Context(), key, "state").Result(); err != nil || order.State(state) != order.Submitting {
		t.Errorf("the replica has %q, %v", state, err)
	}
}

// Without its replica a master's intents are refused, and nothing is sent.
func TestAnIntentWithoutItsNodesReplicaIsAnError(t *testing.T) {
	t.Parallel()
	c := testredis.StartCluster(t, 2, true)
	l := clustered(t, c, Options{WaitReplicas: 1})
	ref, f := taken(t, l, "A1")
	c.Replicas[c.Holder(keys.Record(ref))].Kill()
	if _, _, err := l.Submit(t.Context(), ref, f, Intent{Lease: lease, Ticket: -1}); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// Records of a batch stand on several nodes, and each node's replica has to have its own.
func TestRecordsOfSeveralNodesWaitForTheirReplicas(t *testing.T) {
	t.Parallel()
	c := testredis.StartCluster(t, 2, true)
	l := clustered(t, c, Options{WaitReplicas: 1})
	on := map[int][]order.Ref{}
	for i := 0; len(on[0]) < 3 || len(on[1]) < 3; i++ {
		ref, _ := taken(t, l, fmt.Sprint("A", i))
		at := c.Holder(keys.Record(ref))
		on[at] = append(on[at], ref)
	}
	must(t, l.Replicated(t.Context(), append(slices.Clone(on[0]), on[1]...)))
	for node, refs := range on {
		replica := c.Replicas[node].Client().Conn()
		must(t, replica.ReadOnly(t.Context()).Err())
		for _, r := range refs {
			if n, err := replica.Exists(t.Context(), keys.Record(r)).Result(); n != 1 {
				t.Errorf("the replica does not have %s: %v", r, err)
			}
		}
		must(t, replica.Close())
	}
	c.Replicas[1].Kill()
	must(t, l.Replicated(t.Context(), on[0]))
	if err := l.Replicated(t.Context(), append(slices.Clone(on[0]), on[1]...)); err == nil {
		t.Error("records count as replicated although one node has no replica")
	}
}
