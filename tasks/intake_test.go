package tasks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"issuance/internal/queue"
)

// documents are an order and a refund, with their names.
func documents(id string) map[Ref][]byte {
	return map[Ref][]byte{ref(id): orderDoc(id), ref(id).Refund("R1"): refundDoc(id, "R1")}
}

// stateOf is what status answers for an order or a refund.
func (b *bench) stateOf(t testing.TB, r Ref) State {
	t.Helper()
	s, err := b.Status(b.ctx, r.Account, r.OrderID)
	must(t, err)
	if !r.IsRefund() {
		return s.State
	}
	for _, f := range s.Refunds {
		if f.RefundID == r.RefundID {
			return f.State
		}
	}
	return ""
}

// lose are the ways in which a task is gone, or is there and never runs.
var lose = map[string]func(t testing.TB, b *bench, h queue.Home){
	"deleted":                  func(t testing.TB, b *bench, h queue.Home) { b.drop(t, h) },
	"archived":                 func(t testing.TB, b *bench, h queue.Home) { must(t, b.inspector.ArchiveTask(h.Queue, h.ID)) },
	"completed without effect": func(t testing.TB, b *bench, h queue.Home) { b.complete(t, h) },
	"taken by a worker that is gone": func(t testing.TB, b *bench, h queue.Home) {
		b.take(t, h, time.Now().Add(-time.Minute))
	},
}

// A receipt means recorded: the document stands sealed in the ledger, the sweeper looks after it, and status
// answers, whatever becomes of its task.
func TestAReceiptMeansRecorded(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for name, loss := range lose {
			for r, doc := range documents(b.id()) {
				receipt := b.enqueue(t, doc)
				if receipt.Ref() != r || receipt.Duplicate || receipt.State != Queued {
					t.Errorf("%s: %+v", name, receipt)
				}
				loss(t, b, home(r, Checkout))
				rec, err := b.ledger.Load(b.ctx, r)
				if err != nil || rec.State != Queued || !strings.HasPrefix(string(rec.Document), "s") || len(rec.Shape) == 0 {
					t.Errorf("%s: %s: %+v, %v", name, r, rec, err)
				}
				if !b.isOpen(t, r) {
					t.Errorf("%s: %s: the sweeper will not look after it", name, r)
				}
				if s := b.stateOf(t, r); s != Queued {
					t.Errorf("%s: status of %s: %q", name, r, s)
				}
			}
		}
	})
}

// willRun reports whether some task that a worker takes now names the record.
func (b *bench) willRun(t testing.TB, r Ref) bool {
	t.Helper()
	views, err := b.ledger.Views(b.ctx, []Ref{r})
	must(t, err)
	task, err := b.queue.LookFor(b.ctx, r, views[0])
	must(t, err)
	return task.Runs(views[0])
}

// Enqueueing a document again gives it a task at once when it has lost its own, in whatever way, alone and in
// a batch, and in whatever state it is unfinished.
func TestEnqueueingAgainHeals(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for name, loss := range lose {
			for _, batch := range []bool{false, true} {
				for r, doc := range documents(b.id()) {
					b.enqueue(t, doc)
					loss(t, b, home(r, Checkout))
					if b.willRun(t, r) {
						t.Fatalf("%s: %s runs, so that the test shows nothing", name, r)
					}
					var receipt Receipt
					if batch && !r.IsRefund() {
						out := b.EnqueuePrepared(b.ctx, prepared(t, b.Client, Checkout, doc))
						must(t, out[0].Err)
						receipt = out[0].Receipt
					} else {
						receipt = b.enqueue(t, doc)
					}
					if !receipt.Duplicate || receipt.State != Queued {
						t.Errorf("%s: %+v", name, receipt)
					}
					if !b.willRun(t, r) {
						t.Errorf("%s: %s has no task: %v", name, r, b.queued(t))
					}
				}
			}
		}
	})
}

// The other unfinished states heal likewise, each in the queue where it belongs; what has ended stays ended.
func TestEnqueueingAgainHealsInEveryState(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for _, s := range []State{Submitting, Accepted, Issued, Failed, Cancelled, Review} {
			r := ref(b.id())
			b.enqueue(t, orderDoc(r.OrderID))
			b.reach(t, r, s)
			b.drop(t, home(r, Checkout))
			receipt := b.enqueue(t, orderDoc(r.OrderID))
			if !receipt.Duplicate || receipt.State != s {
				t.Errorf("%s: %+v", s, receipt)
			}
			if got := b.taskState(queue.PollHome(r)); (got == "pending") != (s == Accepted) {
				t.Errorf("%s: the poll is %q", s, got)
			}
			if got := b.taskState(home(r, Checkout)); got != "" { // a runner still holds the one that is being sent
				t.Errorf("%s: a task is %q", s, got)
			}
		}
	})
}

// However an Enqueue breaks off, at each of its exchanges with Redis, before or after Redis has executed it:
// a receipt is true, and after an error the outbox recipe, which is to enqueue again, makes it one order with
// one task, and not a duplicate of itself where it was this very call that made the record.
func TestALostAnswerIsOneOrder(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, orderDoc("WARM")) // scripts are loaded
		for _, executed := range []bool{false, true} {
			for _, forEver := range []bool{false, true} {
				for at := 0; ; at++ {
					hook := &losing{executed: executed, broken: func(n int) bool { return n == at || forEver && n > at }}
					c := b.client(t, newKey, hook)
					id := b.id()
					receipt, err := c.Enqueue(b.ctx, orderDoc(id))
					if hook.count() <= at { // all exchanges have been broken once
						if at < 4 {
							t.Errorf("only %d exchanges", at)
						}
						break
					}
					if err == nil && (receipt.Duplicate || receipt.State != Queued) {
						t.Errorf("%s: the caller's own order is a duplicate: %+v", id, receipt)
					}
					if err == nil {
						if s := b.stateOf(t, ref(id)); s != Queued {
							t.Errorf("%s: a receipt without a record: %q", id, s)
						}
					}
					if r := b.enqueue(t, orderDoc(id)); r.State != Queued {
						t.Errorf("%s: %+v", id, r)
					}
					if got := b.taskState(home(ref(id), Checkout)); got != "pending" || !b.isOpen(t, ref(id)) {
						t.Errorf("%s: its task is %q", id, got)
					}
				}
			}
		}
		for _, q := range b.queued(t) {
			if strings.Contains(q, "~") {
				t.Errorf("a second task: %s", q)
			}
		}
	})
}

// At no moment is there a task without a record, however an Enqueue breaks off: a worker would drop it.
func TestATaskWithoutARecordNeverExists(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for _, flushed := range []bool{false, true} {
			for at := range 8 {
				id := b.id()
				c := b.client(t, newKey, &losing{executed: true, broken: func(n int) bool { return n >= at }})
				if flushed { // asynq's own script is known all the same, as workers make tasks, too
					must(t, b.rdb.ScriptFlush(b.ctx).Err())
					must(t, b.queue.Enqueue(b.ctx, ref("P"+id), home(ref("P"+id), Checkout), "", 0))
				}
				_, _ = c.Enqueue(b.ctx, orderDoc(id))
				if _, err := b.ledger.Load(b.ctx, ref(id)); err != nil && b.taskState(home(ref(id), Checkout)) != "" {
					t.Errorf("after %d exchanges (scripts flushed %t) there is a task without a record", at, flushed)
				}
			}
		}
	})
}

// The outbox recipe: whoever enqueues until the final event has come gets there, whatever is lost on the way.
func TestTheOutboxRecipeHealsEveryLoss(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		hook := &losing{}
		lossy := b.client(t, newKey, hook)
		events, err := b.Events("outbox")
		must(t, err)
		ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
		defer cancel()
		for i, loss := range []string{"deleted", "archived", "completed without effect", "taken by a worker that is gone"} {
			r := ref(fmt.Sprintf("O%d", i))
			hook.broken = func(n int) bool { return n%3 == i%3 }
			_, _ = lossy.Enqueue(ctx, orderDoc(r.OrderID))
			hook.broken = nil
			b.enqueue(t, orderDoc(r.OrderID))
			lose[loss](t, b, home(r, Checkout))
			if r := b.enqueue(t, orderDoc(r.OrderID)); r.State.Final() {
				t.Fatalf("%+v", r)
			}
			if !b.willRun(t, r) {
				t.Fatalf("%s: nobody works on %s", loss, r)
			}
			b.reach(t, r, Issued)
			e, err := events.Next(ctx)
			if err != nil || e.Ref != r || e.State != Issued {
				t.Fatalf("%s: %+v, %v", loss, e, err)
			}
			if again := b.enqueue(t, orderDoc(r.OrderID)); !again.Duplicate || again.State != Issued {
				t.Errorf("%+v", again)
			}
		}
	})
}

// Two documents race for a number, in one lane or in two: one is recorded, and everybody with the other one is
// refused with a conflict. The record alone decides.
func TestTwoDocumentsRaceForANumber(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for _, kind := range []string{"order", "refund"} {
			for _, lanes := range [][]Lane{{Checkout, Checkout}, {Checkout, Bulk}} {
				r, docs := ref(b.id()), [2][]byte{}
				docs[0], docs[1] = orderDoc(r.OrderID), otherDoc(r.OrderID)
				if kind == "refund" {
					docs[0], docs[1] = refundDoc(r.OrderID, "R1"), otherRefundDoc(r.OrderID, "R1")
					r = r.Refund("R1")
				}
				const callers = 12
				receipts, errs := make([]Receipt, callers), make([]error, callers)
				start := make(chan struct{})
				var wg sync.WaitGroup
				for i := range callers {
					wg.Go(func() {
						<-start
						receipts[i], errs[i] = enqueue(b.ctx, b.Client, docs[i%2], InLane(lanes[i%2]))
					})
				}
				close(start)
				wg.Wait()
				fresh, winner := 0, -1
				for i := range callers {
					switch {
					case errs[i] == nil && !receipts[i].Duplicate:
						fresh++
						winner = i % 2
					case errs[i] != nil && !isConflict(errs[i]):
						t.Errorf("%s: %v", r, errs[i])
					}
				}
				if fresh != 1 {
					t.Fatalf("%s: %d callers made the record", r, fresh)
				}
				for i := range callers {
					if (errs[i] == nil) != (i%2 == winner) {
						t.Errorf("%s: caller %d of document %d, while %d won: %+v, %v", r, i, i%2, winner, receipts[i], errs[i])
					}
				}
				rec, err := b.ledger.Load(b.ctx, r)
				must(t, err)
				if rec.Lane != lanes[winner] {
					t.Errorf("%s is in lane %s", r, rec.Lane)
				}
				if got := b.taskState(home(r, lanes[winner])); got != "pending" {
					t.Errorf("%s: its task is %q", r, got)
				}
				if other := lanes[1-winner]; other != lanes[winner] && b.taskState(home(r, other)) != "" {
					t.Errorf("%s has a task of the document that lost", r)
				}
			}
		}
	})
}

// A refund may come before its order: it has a record and a task of its own, and its order is unknown until it
// is enqueued.
func TestARefundBeforeItsOrder(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, refundDoc("O1", "R1"))
		s, err := b.Status(b.ctx, shop, "O1")
		if err != nil || s.State != Unrecorded || len(s.Refunds) != 1 || s.Refunds[0].State != Queued {
			t.Errorf("%+v, %v", s, err)
		}
		if r := b.enqueue(t, orderDoc("O1")); r.Duplicate || r.State != Queued {
			t.Errorf("%+v", r)
		}
		s, err = b.Status(b.ctx, shop, "O1")
		if err != nil || s.State != Queued || len(s.Refunds) != 1 {
			t.Errorf("%+v, %v", s, err)
		}
	})
}

// A Redis that has forgotten its scripts, at any moment, costs nothing but a round trip.
func TestForgottenScriptsAreLoadedAgain(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for i := range 3 {
			must(t, b.rdb.ScriptFlush(b.ctx).Err())
			if r := b.enqueue(t, orderDoc(fmt.Sprintf("O%d", i))); r.Duplicate {
				t.Errorf("%+v", r)
			}
			must(t, b.rdb.ScriptFlush(b.ctx).Err())
			batch := prepared(t, b.Client, Bulk, orderDoc(fmt.Sprintf("B%d", i)), orderDoc(fmt.Sprintf("O%d", i)), otherDoc(fmt.Sprintf("O%d", i)))
			out := b.EnqueuePrepared(b.ctx, batch)
			if out[0].Err != nil || out[0].Receipt.Duplicate || out[1].Err != nil || !out[1].Receipt.Duplicate || !isConflict(out[2].Err) {
				t.Errorf("%+v", out)
			}
		}
		if got := b.queued(t); len(got) != 6 {
			t.Errorf("queued %v", got)
		}
	})
}

// When every try fails the error says so, with the cause, and enqueueing again is safe.
func TestAnOutageIsAnError(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, orderDoc("WARM"))
		hook := &losing{}
		c := b.client(t, newKey, hook)
		must(t, c.Ready(b.ctx))
		hook.broken = func(int) bool { return true }
		_, err := c.Enqueue(b.ctx, orderDoc("O1"))
		if !errors.Is(err, errLost) || !strings.Contains(err.Error(), "enqueue it again") {
			t.Errorf("%v", err)
		}
		if r := b.enqueue(t, orderDoc("O1")); r.Duplicate {
			t.Errorf("%+v", r)
		}
	})
}
