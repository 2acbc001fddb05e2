package tasks

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"issuance/internal/keys"
	"issuance/internal/queue"
	"issuance/internal/seal"
)

// Enqueueing the same document again is one task, and the second receipt says so.
func TestEnqueueingTwiceIsOneTask(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for _, raw := range [][]byte{orderDoc("O1"), refundDoc("O1", "R1")} {
			first := b.enqueue(t, raw)
			if first.Duplicate || first.State != Queued || first.OrderID != "O1" || first.Account != shop || first.Provider != shop.Provider {
				t.Errorf("%+v", first)
			}
			again := b.enqueue(t, raw)
			if !again.Duplicate || again.State != Queued || again.Ref() != first.Ref() {
				t.Errorf("%+v", again)
			}
		}
		want := []string{"ecticket-checkout issue:ecticket:2000132:O1 pending", "ecticket-checkout refund:ecticket:2000132:O1:R1 pending"}
		if got := b.queued(t); !slices.Equal(got, want) {
			t.Errorf("queued %v", got)
		}
	})
}

// A task is what the workers' rules for the queue want: it is never given up, bounded in time, stays visible
// when it is finished, and names its record and nothing else. The web UI knows its queue.
func TestATaskIsNeverGivenUp(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
		b.enqueue(t, orderDoc("O1"), InLane(Bulk), WithTrace(trace))
		info, err := b.inspector.GetTaskInfo("ecticket-bulk", "issue:ecticket:2000132:O1")
		if err != nil {
			t.Fatal(err)
		}
		if info.Type != "issue:ecticket" || info.MaxRetry != queue.MaxRetry || info.Timeout != queue.DefaultTimeout ||
			info.Retention != queue.DefaultRetention || !info.Deadline.IsZero() {
			t.Errorf("%+v", info)
		}
		if want := `{"v":2,"ref":"ecticket:2000132/O1","trace":"` + trace + `"}`; string(info.Payload) != want {
			t.Errorf("payload %s", info.Payload)
		}
		rec, err := b.ledger.Load(b.ctx, ref("O1"))
		if err != nil || rec.Trace != trace || rec.Lane != Bulk {
			t.Errorf("%+v, %v", rec, err)
		}
		if queues, err := b.inspector.Queues(); err != nil || !slices.Equal(queues, []string{"ecticket-bulk"}) {
			t.Errorf("%v, %v", queues, err)
		}
	})
}

// What the options say of tasks is what tasks are made with.
func TestTheOptionsOfTasks(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		c := b.clientWith(t, Options{SealKeys: newKey, Rules: rules, Retention: time.Hour, TaskTimeout: 7 * time.Second})
		if _, err := c.Enqueue(b.ctx, orderDoc("O1")); err != nil {
			t.Fatal(err)
		}
		h := home(ref("O1"), Checkout)
		if info, err := b.inspector.GetTaskInfo(h.Queue, h.ID); err != nil || info.Retention != time.Hour || info.Timeout != 7*time.Second {
			t.Errorf("%+v, %v", info, err)
		}
	})
}

// Nothing of the customer's stands anywhere in Redis.
func TestRedisHoldsNoCustomersData(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, orderDoc("O1"))
		b.enqueue(t, refundDoc("O1", "R1"))
		b.reach(t, ref("O1"), Issued)
		b.begin(t, ref("O1").Refund("R1"))
		for name, text := range b.server.Dump(b.ctx) {
			noCanary(t, name, text)
		}
	})
}

// Another document under the same number is refused, and nothing is changed: neither what was there first nor
// a queue.
func TestAnotherDocumentUnderTheSameNumberIsAConflict(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		began := time.Now().Add(-time.Minute)
		b.enqueue(t, orderDoc("FIRST"), InLane(Bulk)) // both queues are there
		b.enqueue(t, orderDoc("O1"))
		b.enqueue(t, refundDoc("O1", "R1"))
		conflict := func(r Ref, state State, raw []byte, opts ...EnqueueOption) {
			t.Helper()
			before := b.dump()
			_, err := enqueue(b.ctx, b.Client, raw, opts...)
			var c *ConflictError
			if !errors.As(err, &c) || c.Ref != r || c.State != state || c.EnqueuedAt.Before(began) || c.EnqueuedAt.After(time.Now().Add(time.Minute)) {
				t.Errorf("%s: %+v", r, err)
			}
			if b.clustered && state.Final() {
				return // the open set may have it once more, from which the sweeper takes it
			}
			if after := b.dump(); after != before {
				t.Errorf("%s: a conflict changed\n%s\ninto\n%s", r, before, after)
			}
		}
		conflict(ref("O1"), Queued, otherDoc("O1"))
		conflict(ref("O1"), Queued, otherDoc("O1"), InLane(Bulk))
		conflict(ref("O1").Refund("R1"), Queued, otherRefundDoc("O1", "R1"))
		b.reach(t, ref("O1"), Failed)
		conflict(ref("O1"), Failed, otherDoc("O1"))
		b.drop(t, home(ref("O1"), Checkout))
		conflict(ref("O1"), Failed, otherDoc("O1"), InLane(Bulk))
	})
}

// A document is one document whichever lane it came by.
func TestTheOtherLaneCountsAsDuplicate(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, orderDoc("O1"), InLane(Bulk))
		if r := b.enqueue(t, orderDoc("O1")); !r.Duplicate {
			t.Errorf("%+v", r)
		}
		b.enqueue(t, orderDoc("O2"))
		if r := b.enqueue(t, orderDoc("O2"), InLane(Bulk)); !r.Duplicate {
			t.Errorf("%+v", r)
		}
		want := []string{"ecticket-bulk issue:ecticket:2000132:O1 pending", "ecticket-checkout issue:ecticket:2000132:O2 pending"}
		if got := b.queued(t); !slices.Equal(got, want) {
			t.Errorf("queued %v", got)
		}
	})
}

// A lane no worker serves is refused: an order there would wait for ever.
func TestALaneWithoutWorkersIsRefused(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for _, l := range []Lane{"poll", "", "fast"} {
			if r, err := b.Enqueue(b.ctx, orderDoc("O1"), InLane(l)); err == nil {
				t.Errorf("lane %q: %+v", l, r)
			}
			if p, err := b.Prepare(b.ctx, parsed(t, orderDoc("O1")), l); err == nil {
				t.Errorf("lane %q: %+v", l, p)
			}
		}
		if dump := b.server.Dump(b.ctx); len(dump) != 0 {
			t.Errorf("Redis holds %v", dump)
		}
	})
}

// Enqueued again later, a document answers what has become of the first, also when the queue has
// long forgotten it.
func TestEnqueueingLaterAnswersTheState(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, orderDoc("O1"))
		b.reach(t, ref("O1"), Submitting)
		if r := b.enqueue(t, orderDoc("O1")); !r.Duplicate || r.State != Submitting {
			t.Errorf("%+v", r)
		}
		b.enqueue(t, orderDoc("O2"))
		b.reach(t, ref("O2"), Issued)
		b.drop(t, home(ref("O2"), Checkout))
		if r := b.enqueue(t, orderDoc("O2")); !r.Duplicate || r.State != Issued {
			t.Errorf("%+v", r)
		}
		if got := b.queued(t); len(got) != 1 {
			t.Errorf("a finished order is queued again: %v", got)
		}
	})
}

// Many callers at once: one task, one receipt that is no duplicate.
func TestManyCallersEnqueueOneTask(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		elsewhere := b.client(t, newKey)
		for round := range 5 {
			id := fmt.Sprintf("O%d", round)
			receipts := make([]Receipt, 20)
			errs := make([]error, 20)
			start := make(chan struct{})
			var wg sync.WaitGroup
			for i := range receipts {
				wg.Go(func() {
					<-start
					c := b.Client
					if i%4 == 3 { // another program
						c = elsewhere
					}
					receipts[i], errs[i] = c.Enqueue(b.ctx, orderDoc(id))
				})
			}
			close(start)
			wg.Wait()
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			fresh := 0
			for _, r := range receipts {
				if !r.Duplicate {
					fresh++
				}
			}
			if got := b.queued(t); fresh != 1 || len(got) != round+1 {
				t.Errorf("%d fresh receipts, queued %v", fresh, got)
			}
		}
	})
}

// An invalid document enqueues nothing and names every rule.
func TestAnInvalidDocumentEnqueuesNothing(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		_, err := b.Enqueue(b.ctx, []byte(`{"provider":"ecticket","request":{}}`))
		invalid(t, err)
		_, err = b.EnqueueRefund(b.ctx, []byte(`{"provider":"ecticket","request":{}}`))
		invalid(t, err)
		if dump := b.server.Dump(b.ctx); len(dump) != 0 {
			t.Errorf("Redis holds %v", dump)
		}
	})
}

// A client's keys and its Redis belong to the same world: real orders never enter a sandbox, nor
// the sandbox's key production.
func TestSandboxAndProductionAreKeptApart(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for i, c := range []struct {
			mode, keys, refusal string
		}{
			{"production", newKey, ""}, {"sandbox", seal.SandboxKey(), ""},
			{"sandbox", newKey, "belongs to a sandbox"}, {"production", seal.SandboxKey(), "belongs to production"},
			{"production", newKey + "," + seal.SandboxKey(), "belongs to production"}, {"other", newKey, "another program"},
		} {
			must(t, b.rdb.Set(b.ctx, keys.Mode, c.mode, 0).Err())
			before := len(b.queued(t))
			cl := b.client(t, c.keys)
			doc := orderDoc(fmt.Sprintf("O%d", i))
			_, one := cl.Enqueue(b.ctx, doc)
			_, many := cl.Prepare(b.ctx, parsed(t, doc), Checkout)
			for what, err := range map[string]error{"one": one, "many": many, "ready": cl.Ready(b.ctx)} {
				if refused := err != nil; refused != (c.refusal != "") || refused && !strings.Contains(err.Error(), c.refusal) {
					t.Errorf("%s with keys %d, %s: %v", c.mode, i, what, err)
				}
				if strings.Contains(c.refusal, "belongs to") && c.mode != "other" && !errors.Is(err, ErrWrongKeys) {
					t.Errorf("%s with keys %d, %s: %v", c.mode, i, what, err)
				}
			}
			if queued := len(b.queued(t)) > before; queued != (c.refusal == "") {
				t.Errorf("%s with keys %d: queued %t", c.mode, i, queued)
			}
		}
		// The first worker marks the Redis; a producer may come before it, and is held to the mark when it
		// next looks, which is soon.
		must(t, b.rdb.Del(b.ctx, keys.Mode).Err())
		b.enqueue(t, orderDoc("O10"))
		must(t, b.rdb.Set(b.ctx, keys.Mode, "sandbox", 0).Err())
		b.age(fresh)
		if _, err := b.Enqueue(b.ctx, orderDoc("O11")); !errors.Is(err, ErrWrongKeys) {
			t.Errorf("the mark of a sandbox came too late for this client: %v", err)
		}
	})
}

// age makes what the client knows of the workers so much older.
func (b *bench) age(d time.Duration) {
	<-b.near.turn
	b.near.readAt = b.near.readAt.Add(-d)
	b.near.turn <- struct{}{}
}

// While keys rotate, a document is recognised whichever key made its fingerprint; without the old
// key the client says what is missing, and enqueues nothing.
func TestDuplicatesAreRecognisedAcrossARotation(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		if _, err := b.client(t, oldKey).Enqueue(b.ctx, orderDoc("O1")); err != nil {
			t.Fatal(err)
		}
		rotating := b.client(t, newKey+","+oldKey)
		for _, s := range []State{Queued, Submitting} {
			b.reach(t, ref("O1"), s)
			if r, err := rotating.Enqueue(b.ctx, orderDoc("O1")); err != nil || !r.Duplicate {
				t.Errorf("%s: %+v, %v", s, r, err)
			}
			if _, err := rotating.Enqueue(b.ctx, otherDoc("O1")); !isConflict(err) {
				t.Errorf("%s: %v", s, err)
			}
			if _, err := b.Enqueue(b.ctx, orderDoc("O1")); !errors.Is(err, ErrWrongKeys) || isConflict(err) {
				t.Errorf("%s, without the old key: %v", s, err)
			}
			if got := b.queued(t); len(got) != 1 {
				t.Errorf("%s: queued %v", s, got)
			}
		}
	})
}

// A document that was enqueued long ago is still recognised when its details have gone.
func TestADuplicateIsRecognisedAfterItsDetailsHaveGone(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, orderDoc("O1"))
		b.reach(t, ref("O1"), Issued)
		must(t, b.rdb.Del(b.ctx, keys.Details(ref("O1"))).Err())
		if r := b.enqueue(t, orderDoc("O1")); !r.Duplicate || r.State != Issued {
			t.Errorf("%+v", r)
		}
		if _, err := b.Enqueue(b.ctx, otherDoc("O1")); !isConflict(err) {
			t.Errorf("%v", err)
		}
		if rec, err := b.ledger.Load(b.ctx, ref("O1")); err != nil || rec.Document != "" || rec.State != Issued || rec.Ref != ref("O1") {
			t.Errorf("%+v, %v", rec, err)
		}
	})
}

// Keys that are none are named by the option, and never printed.
func TestAClientNeedsItsKeys(t *testing.T) {
	for _, keys := range []string{"", "c2VjcmV0LWtleQ==", "secret key"} {
		if _, err := NewClient(nil, Options{SealKeys: keys}); err == nil || !strings.Contains(err.Error(), "SealKeys") || keys != "" && strings.Contains(err.Error(), keys) {
			t.Errorf("%q: %v", keys, err)
		}
	}
}
