package tasks

import (
	"net"
	"strings"
	"testing"
	"time"

	"issuance/internal/testredis"
)

// With WaitReplicas no receipt is given for a record that no replica has. The order is there all the same, so that repeating
// the document gets the receipt once a replica follows.
func TestAReceiptWaitsForAReplica(t *testing.T) {
	t.Parallel()
	s := testredis.Start(t)
	if s.Kind != testredis.Real {
		t.Log("replicas need redis-server")
		return
	}
	b := newBench(t, s, false)
	c := b.clientWith(t, Options{SealKeys: newKey, Rules: rules, WaitReplicas: 1})
	doc := orderDoc("A1")
	_, err := c.Enqueue(b.ctx, doc)
	if err == nil || !strings.Contains(err.Error(), "0 of 1 replicas have the record") || !strings.Contains(err.Error(), "enqueue it again") {
		t.Fatalf("without a replica: %v", err)
	}
	if r, err := b.Enqueue(b.ctx, doc); err != nil || !r.Duplicate {
		t.Fatalf("somebody who does not wait: %+v, %v", r, err)
	}
	host, port, err := net.SplitHostPort(s.Addr)
	must(t, err)
	must(t, b.rdb.ConfigSet(b.ctx, "repl-diskless-sync-delay", "0").Err())
	must(t, testredis.Start(t).Client().Do(b.ctx, "REPLICAOF", host, port).Err())
	must(t, b.rdb.Wait(b.ctx, 1, 20*time.Second).Err())
	if r, err := c.Enqueue(b.ctx, doc); err != nil || !r.Duplicate || r.State != Queued {
		t.Errorf("with a replica: %+v, %v", r, err)
	}
}
