package tasks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"issuance/internal/testredis"
)

// real is a bench over a redis-server; miniredis knows neither limits nor replicas.
func real(t *testing.T) *bench {
	s := testredis.Start(t)
	if s.Kind != testredis.Real {
		t.Skip("no redis-server")
	}
	return newBench(t, s, false)
}

// healed enqueues again what an error left open, and fails unless it is one order with a task then.
func (b *bench) healed(t testing.TB, id string) {
	t.Helper()
	if r := b.enqueue(t, orderDoc(id)); r.State != Queued {
		t.Errorf("%+v", r)
	}
	if !b.isOpen(t, ref(id)) || !b.willRun(t, ref(id)) {
		t.Errorf("%s has no task", id)
	}
}

// A Redis that is full takes neither a record nor a task, alone and in a batch, and says so; there is no half of
// an order. With memory again, enqueueing again makes it one.
func TestAFullRedisIsAnError(t *testing.T) {
	b := real(t)
	b.enqueue(t, orderDoc("WARM"), InLane(Bulk))
	b.enqueue(t, orderDoc("WARM2"))
	batch := prepared(t, b.Client, Bulk, orderDoc("O2"), orderDoc("O3"))
	before := b.dump()
	must(t, b.rdb.ConfigSet(b.ctx, "maxmemory", "1").Err())
	if _, err := b.Enqueue(b.ctx, orderDoc("O1")); err == nil || !strings.Contains(err.Error(), "OOM") {
		t.Errorf("%v", err)
	}
	for _, e := range b.EnqueuePrepared(b.ctx, batch) {
		if e.Err == nil {
			t.Errorf("%+v", e)
		}
	}
	if s, err := b.Status(b.ctx, shop, "WARM"); err != nil || s.State != Queued {
		t.Errorf("status of a full Redis: %+v, %v", s, err)
	}
	must(t, b.rdb.ConfigSet(b.ctx, "maxmemory", "0").Err())
	if after := b.dump(); after != before {
		t.Errorf("a full Redis changed\n%s\ninto\n%s", before, after)
	}
	for i := 1; i <= 3; i++ {
		b.healed(t, fmt.Sprintf("O%d", i))
	}
}

// Redis may be full, or free again, between any two exchanges of an order in a cluster.
func TestARedisThatIsFullForAMomentHeals(t *testing.T) {
	b := real(t)
	b.clustered = true
	b.Client = b.client(t, newKey)
	b.enqueue(t, orderDoc("WARM"))
	for at := range 4 {
		hook := &losing{}
		c := b.client(t, newKey, hook)
		must(t, c.Ready(b.ctx))
		began := hook.count()
		hook.broken = func(n int) bool {
			limit := "0"
			if n >= began+at {
				limit = "1"
			}
			must(t, b.rdb.ConfigSet(b.ctx, "maxmemory", limit).Err())
			return false
		}
		id := b.id()
		_, err := c.Enqueue(b.ctx, orderDoc(id))
		must(t, b.rdb.ConfigSet(b.ctx, "maxmemory", "0").Err())
		if err == nil && !b.willRun(t, ref(id)) && !b.isOpen(t, ref(id)) {
			t.Errorf("full from exchange %d on: a receipt that nobody looks after", at)
		}
		b.healed(t, id)
	}
}

// A replica that only reads, such as the master after a failover, refuses every order and answers questions.
func TestAReplicaThatOnlyReadsIsAnError(t *testing.T) {
	master, b := real(t), real(t)
	master.enqueue(t, orderDoc("O0"))
	host, port, _ := strings.Cut(master.server.Addr, ":")
	must(t, b.rdb.ReplicaOf(b.ctx, host, port).Err())
	eventually(t, "the replica has the order", func() bool {
		s, err := b.States(b.ctx, []Ref{ref("O0")})
		return err == nil && s[0] == Queued
	})
	if _, err := b.Enqueue(b.ctx, orderDoc("O1")); err == nil || !strings.Contains(err.Error(), "READONLY") {
		t.Errorf("%v", err)
	}
	if s, err := b.Status(b.ctx, shop, "O0"); err != nil || s.State != Queued {
		t.Errorf("%+v, %v", s, err)
	}
	must(t, b.rdb.ReplicaOf(b.ctx, "NO", "ONE").Err())
	b.healed(t, "O1")
}

// A Redis that hangs ends the call with its context.
func TestAHangingRedisEndsWithTheContext(t *testing.T) {
	b := real(t)
	b.enqueue(t, orderDoc("WARM"))
	b.server.Freeze()
	ctx, cancel := context.WithTimeout(b.ctx, 200e6)
	defer cancel()
	if _, err := b.Enqueue(ctx, orderDoc("O1")); err == nil || ctx.Err() == nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	b.server.Thaw()
	b.healed(t, "O1")
}
