package tasks

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/ledger"
	"issuance/internal/seal"
	"issuance/internal/testredis"
	"issuance/providers"
)

// Enqueueing the same document again is one task, and the second caller is told.
func TestEnqueueingTwiceIsOneTask(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for _, raw := range [][]byte{order("O1"), refund("O1", "R1")} {
			first := b.enqueue(t, raw)
			if first.Duplicate || first.State != ledger.Queued || first.OrderID != "O1" || first.Provider != providers.ECTicket {
				t.Errorf("%+v", first)
			}
			again := b.enqueue(t, raw)
			if !again.Duplicate || again.State != ledger.Queued || again.OrderID != "O1" || again.RefundID != first.RefundID {
				t.Errorf("%+v", again)
			}
		}
		want := []string{"ecticket-checkout issue:ecticket:O1", "ecticket-checkout refund:ecticket:O1:R1"}
		if got := b.queued(t); !slices.Equal(got, want) {
			t.Errorf("queued %v", got)
		}
	})
}

// A task is what the workers' rules for the queue want: it is never given up, bounded in time, and
// stays visible when it is finished.
func TestATaskIsNeverGivenUp(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, order("O1"), InLane(Bulk))
		info, err := b.inspector.GetTaskInfo("ecticket-bulk", "issue:ecticket:O1")
		if err != nil {
			t.Fatal(err)
		}
		if info.Type != "issue:ecticket" || info.MaxRetry != MaxRetry || info.Timeout != DefaultTimeout || info.Retention != DefaultRetention || !info.Deadline.IsZero() {
			t.Errorf("%+v", info)
		}
		if n := b.rdb.Exists(b.ctx, taskKey("ecticket-bulk", "issue:ecticket:O1")).Val(); n != 1 {
			t.Error("asynq keeps the task under another key than the client looks at")
		}
	})
}

// Nothing of the customer's stands anywhere in Redis.
func TestRedisHoldsNoCustomersData(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, order("O1"))
		b.enqueue(t, refund("O1", "R1"))
		b.finish(t, "O1", ledger.Ending{State: ledger.Issued})
		b.begin(t, b.task(t, Checkout, "refund:ecticket:O1:R1"))
		for name, text := range b.server.Dump(b.ctx) {
			noCanary(t, name, text)
		}
	})
}

// Another document under the same number is refused, and what was there first stays as it is.
func TestAnotherDocumentUnderTheSameNumberIsAConflict(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, order("O1"))
		b.enqueue(t, refund("O1", "R1"))
		conflict := func(what string, state ledger.State, try func() (Receipt, error)) {
			t.Helper()
			before := fmt.Sprint(b.server.Dump(b.ctx))
			_, err := try()
			var c *ConflictError
			if !errors.As(err, &c) || c.What != what || c.State != state {
				t.Errorf("%s: %v", what, err)
			}
			if after := fmt.Sprint(b.server.Dump(b.ctx)); after != before {
				t.Errorf("%s: a conflict changed\n%s\ninto\n%s", what, before, after)
			}
		}
		otherOrder := func(opts ...EnqueueOption) func() (Receipt, error) {
			return func() (Receipt, error) { return b.Enqueue(b.ctx, other("O1"), opts...) }
		}
		conflict("ecticket/O1", ledger.Queued, otherOrder())
		conflict("ecticket/O1", ledger.Queued, otherOrder(InLane(Bulk)))
		conflict("ecticket/O1/R1", ledger.Queued, func() (Receipt, error) {
			return b.EnqueueRefund(b.ctx, []byte(`{"provider":"ecticket","refund_id":"R1","request":{"MerchantTradeNo":"O1","all":true}}`))
		})
		b.finish(t, "O1", ledger.Ending{State: ledger.Failed, Reason: ledger.Reason{Code: "E"}})
		conflict("ecticket/O1", ledger.Failed, otherOrder())
		b.drop(t, Checkout, "issue:ecticket:O1")
		conflict("ecticket/O1", ledger.Failed, otherOrder(InLane(Bulk)))
	})
}

// A document is one document whichever lane it came by.
func TestTheOtherLaneCountsAsDuplicate(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, order("O1"), InLane(Bulk))
		if r := b.enqueue(t, order("O1")); !r.Duplicate {
			t.Errorf("%+v", r)
		}
		b.enqueue(t, order("O2"))
		if r := b.enqueue(t, order("O2"), InLane(Bulk)); !r.Duplicate {
			t.Errorf("%+v", r)
		}
		if got := b.queued(t); !slices.Equal(got, []string{"ecticket-bulk issue:ecticket:O1", "ecticket-checkout issue:ecticket:O2"}) {
			t.Errorf("queued %v", got)
		}
	})
}

// A lane no worker serves is refused: an order there would wait for ever.
func TestALaneWithoutWorkersIsRefused(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for _, l := range []Lane{Poll, "", "fast"} {
			if r, err := b.Enqueue(b.ctx, order("O1"), InLane(l)); err == nil {
				t.Errorf("lane %q: %+v", l, r)
			}
			if out := b.EnqueueOrders(b.ctx, []*Order{parsed(t, order("O1"))}, l, 1); out[0].Err == nil {
				t.Errorf("lane %q: %+v", l, out)
			}
		}
		if got := b.queued(t); len(got) != 0 {
			t.Errorf("queued %v", got)
		}
	})
}

// Enqueued again later, a document answers what has become of the first, also when the queue has
// long forgotten it.
func TestEnqueueingLaterTellsTheState(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, order("O1"))
		fence := b.begin(t, b.task(t, Checkout, "issue:ecticket:O1"))
		if _, _, err := b.ledger.Submit(b.ctx, key("O1"), fence, time.Minute); err != nil {
			t.Fatal(err)
		}
		if r := b.enqueue(t, order("O1")); !r.Duplicate || r.State != ledger.Submitting {
			t.Errorf("%+v", r)
		}
		if _, err := b.ledger.Finish(b.ctx, key("O1"), fence, ledger.Ending{State: ledger.Issued}); err != nil {
			t.Fatal(err)
		}
		b.drop(t, Checkout, "issue:ecticket:O1")
		if r := b.enqueue(t, order("O1")); !r.Duplicate || r.State != ledger.Issued {
			t.Errorf("%+v", r)
		}
		if got := b.queued(t); len(got) != 0 {
			t.Errorf("a finished order is queued again: %v", got)
		}
	})
}

// Many callers at once: one task, one receipt that is no duplicate.
func TestManyCallersEnqueueOneTask(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for round := range 5 {
			id := fmt.Sprintf("O%d", round)
			receipts := make([]Receipt, 20)
			errs := make([]error, 20)
			start := make(chan struct{})
			var wg sync.WaitGroup
			for i := range receipts {
				wg.Go(func() {
					<-start
					if i%4 == 3 { // another program
						c, err := NewClient(b.rdb, Options{SealKeys: newKey, Rules: rules})
						if err != nil {
							errs[i] = err
							return
						}
						receipts[i], errs[i] = c.Enqueue(b.ctx, order(id))
						return
					}
					receipts[i], errs[i] = b.Enqueue(b.ctx, order(id))
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
// toy keys production.
func TestSandboxAndProductionAreKeptApart(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		rdb := s.Client()
		b := &bench{Client: client(t, rdb, newKey), ctx: t.Context(), server: s, rdb: rdb, ledger: ledger.New(rdb, ledger.Options{})}
		for i, c := range []struct {
			mode, keys, refusal string
		}{
			{"production", newKey, ""}, {"sandbox", seal.SandboxKey(), ""},
			{"sandbox", newKey, "belongs to a sandbox"}, {"production", seal.SandboxKey(), "belongs to production"},
			{"production", newKey + "," + seal.SandboxKey(), "belongs to production"},
		} {
			if err := rdb.Set(b.ctx, modeKey, c.mode, 0).Err(); err != nil {
				t.Fatal(err)
			}
			before := len(b.queued(t))
			cl := client(t, rdb, c.keys)
			doc := order(fmt.Sprintf("O%d", i))
			_, err := cl.Enqueue(b.ctx, doc)
			batch := cl.EnqueueOrders(b.ctx, []*Order{parsed(t, doc)}, Checkout, 1)
			for _, err := range []error{err, batch[0].Err} {
				if refused := err != nil; refused != (c.refusal != "") || refused && !strings.Contains(err.Error(), c.refusal) {
					t.Errorf("%s with keys %d: %v", c.mode, i, err)
				}
			}
			if queued := len(b.queued(t)) > before; queued != (c.refusal == "") {
				t.Errorf("%s with keys %d: queued %t", c.mode, i, queued)
			}
		}
		// The first worker marks the Redis; a producer may come before it, and is held to the mark later.
		if err := rdb.Del(b.ctx, modeKey).Err(); err != nil {
			t.Fatal(err)
		}
		b.enqueue(t, order("O10"))
		if err := rdb.Set(b.ctx, modeKey, "sandbox", 0).Err(); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Enqueue(b.ctx, order("O11")); err == nil {
			t.Error("the mark of a sandbox came too late for this client")
		}
	})
}

// While keys rotate, a document is recognised whichever key made its fingerprint; without the old
// key the client says what to do, and enqueues nothing.
func TestDuplicatesAreRecognisedAcrossARotation(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		if _, err := client(t, b.rdb, oldKey).Enqueue(b.ctx, order("O1")); err != nil {
			t.Fatal(err)
		}
		rotating := client(t, b.rdb, newKey+","+oldKey)
		check := func(where string) {
			t.Helper()
			if r, err := rotating.Enqueue(b.ctx, order("O1")); err != nil || !r.Duplicate {
				t.Errorf("%s: %+v, %v", where, r, err)
			}
			var c *ConflictError
			if _, err := rotating.Enqueue(b.ctx, other("O1")); !errors.As(err, &c) {
				t.Errorf("%s: %v", where, err)
			}
			if _, err := b.Enqueue(b.ctx, order("O1")); err == nil || !strings.Contains(err.Error(), "SealKeys") || errors.As(err, &c) {
				t.Errorf("%s, without the old key: %v", where, err)
			}
			if got := b.queued(t); len(got) != 1 {
				t.Errorf("%s: queued %v", where, got)
			}
		}
		check("in the queue")
		b.begin(t, b.task(t, Checkout, "issue:ecticket:O1"))
		check("in the ledger")
	})
}

// An answer that was lost on the way back is asked for again under the same id: one task, and the
// caller's own, not somebody else's.
func TestALostAnswerIsNoDuplicate(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		lossy := b.server.Client()
		lossy.AddHook(&loseReplies{n: 1})
		r, err := client(t, lossy, newKey).Enqueue(b.ctx, order("O1"))
		if err != nil || r.Duplicate || r.State != ledger.Queued {
			t.Errorf("%+v, %v", r, err)
		}
		if got := b.queued(t); len(got) != 1 {
			t.Errorf("queued %v", got)
		}
		// When every answer is lost the caller is told that it may try again, which is safe.
		gone := b.server.Client()
		gone.AddHook(&loseReplies{n: 100, before: true})
		if _, err = client(t, gone, newKey).Enqueue(b.ctx, order("O2")); err == nil || !strings.Contains(err.Error(), "enqueue it again") {
			t.Errorf("%v", err)
		}
		if r := b.enqueue(t, order("O2")); r.Duplicate {
			t.Errorf("%+v", r)
		}
	})
}

// A task that is archived is still known: nothing is enqueued past it.
func TestAnArchivedTaskIsKnown(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, order("O1"))
		if err := b.inspector.ArchiveTask("ecticket-checkout", "issue:ecticket:O1"); err != nil {
			t.Fatal(err)
		}
		if r := b.enqueue(t, order("O1")); !r.Duplicate {
			t.Errorf("%+v", r)
		}
		if info, err := b.inspector.GetTaskInfo("ecticket-checkout", "issue:ecticket:O1"); err != nil || info.State != asynq.TaskStateArchived {
			t.Errorf("%+v, %v", info, err)
		}
	})
}

// Keys that are none are told by the name of the option, and never printed.
func TestAClientNeedsItsKeys(t *testing.T) {
	for _, keys := range []string{"", "c2VjcmV0LWtleQ==", "secret key"} {
		if _, err := NewClient(nil, Options{SealKeys: keys}); err == nil || !strings.Contains(err.Error(), "SealKeys") || keys != "" && strings.Contains(err.Error(), keys) {
			t.Errorf("%q: %v", keys, err)
		}
	}
}
