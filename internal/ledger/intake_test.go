package ledger

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/seal"
	"issuance/internal/testredis"
	"issuance/tasks/order"
)

// A new document has its record at once, complete, and in the open set, so that it is inspected when its
// task should have run.
func TestANewDocumentIsRecorded(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for _, r := range []order.Ref{b.order(), b.refund()} {
			now := b.clock.Now()
			k, err := b.Record(b.ctx, document(r))
			if want := (Known{New: true, State: order.Queued, Fingerprint: "k.f", CreatedAt: now}); err != nil || k != want {
				t.Errorf("%s: %+v, %v, want %+v", r, k, err, want)
			}
			rec := b.load(t, r)
			if rec.Document != "s1.k.doc" || string(rec.Shape) != `{"n":1}` || rec.Lane != order.Checkout || rec.Trace != "00-trace-01" || rec.Runner != "" ||
				!rec.CreatedAt.Equal(now) || len(rec.History) != 1 || rec.History[0].Event != "queued" {
				t.Errorf("%+v", rec)
			}
			b.clock.pass(firstLook - time.Millisecond)
			if due := b.due(t, shop, 10).Refs; len(due) != 0 {
				t.Errorf("%s is inspected before its task can have run: %v", r, due)
			}
			b.clock.pass(time.Millisecond)
			due, err := b.Due(b.ctx, shop, 10, time.Hour)
			if err != nil || !slices.Equal(due.Refs, []order.Ref{r}) {
				t.Errorf("due %v, %v, want %s", due.Refs, err, r)
			}
		}
	})
}

// Under a number that is taken nothing is changed: the answer says what is there, whatever its state, and a
// conflict shows by the fingerprint.
func TestADocumentUnderAKnownNumberChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		check := func(name string, r order.Ref) {
			t.Helper()
			rec := b.load(t, r)
			if b.sharded && rec.State.Final() {
				return // it may be entered into the open set, from which the sweeper takes it
			}
			before := b.snapshot(t, r)
			in := document(r)
			in.Fingerprint, in.Document = "k.another", "s1.k.another"
			b.clock.pass(time.Minute)
			k, err := b.Record(b.ctx, in)
			if want := (Known{State: rec.State, Fingerprint: "k.f", CreatedAt: rec.CreatedAt}); err != nil || k != want {
				t.Errorf("%s: %+v, %v, want %+v", name, k, err, want)
			}
			if after := b.snapshot(t, r); after != before {
				t.Errorf("%s: changed\n%s\ninto\n%s", name, before, after)
			}
		}
		for _, s := range situations[1:] {
			k := b.order()
			s.reach(t, b, k)
			check(s.name, k)
		}
		for _, s := range refundSituations[1:] {
			k := b.refund()
			s.reach(t, b, k)
			check(s.name, k)
		}
	})
}

// In a cluster a known document may enter a finished record into the open set; publishing takes it out again.
func TestAKnownDocumentLeavesNothingOpenForEver(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		finished(order.Issued)(t, b, k)
		if known, err := b.Record(b.ctx, document(k)); err != nil || known.New || known.State != order.Issued {
			t.Fatalf("%+v, %v", known, err)
		}
		b.clock.pass(firstLook)
		for _, r := range b.due(t, shop, 10).Refs {
			must(t, b.Publish(b.ctx, r))
		}
		if open := b.open(t); len(open) != 0 || len(b.events(t)) != 1 {
			t.Errorf("open %v, events %v", open, b.events(t))
		}
	})
}

// An intake whose answer was lost is repeated, and is new again: nobody else enqueued it. Once the record was
// worked on, or for any other sealed document, it is known.
func TestAnIntakeWhoseAnswerWasLostIsNewAgain(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for _, r := range []order.Ref{b.order(), b.refund()} {
			in := document(r)
			for range 2 {
				b.clock.pass(time.Second)
				if k, err := b.Record(b.ctx, in); err != nil || !k.New {
					t.Errorf("%+v, %v", k, err)
				}
			}
			again := in
			again.Document = "s1.k.the-same-sealed-again"
			if k, err := b.Record(b.ctx, again); err != nil || k.New || k.Fingerprint != in.Fingerprint {
				t.Errorf("the same document once more: %+v, %v", k, err)
			}
			f := b.claim(t, r).Record.Fence
			b.giveBack(t, r, f, Idle, "")
			if k, err := b.Record(b.ctx, in); err != nil || k.New {
				t.Errorf("after a run: %+v, %v", k, err)
			}
		}
	})
}

// Of many that enqueue documents under one number at once, one makes the record, and the others see whose it is.
func TestOneOfManyIntakesMakesTheRecord(t *testing.T) {
	eachClock(t, func(t *testing.T, b *bench) {
		for _, r := range []order.Ref{b.order(), b.refund()} {
			answers := race(func(i int) Known {
				in := document(r)
				in.Fingerprint = []string{"k.one", "k.two"}[i%2]
				in.Document += seal.Sealed(rune('A' + i))
				k, _ := b.Record(b.ctx, in)
				return k
			})
			made := 0
			rec := b.load(t, r)
			for _, k := range answers {
				if k.New {
					made++
				}
				if k.Fingerprint != rec.Fingerprint || k.State != order.Queued {
					t.Errorf("%+v, the record is of %s", k, rec.Fingerprint)
				}
			}
			if made != 1 {
				t.Errorf("%d intakes made the record", made)
			}
		}
	})
}

// A refund is listed under its order from its receipt on, and the list of an order that had one stays.
func TestARefundIsListedFromItsReceipt(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		b.record(t, k.Refund("Z"))
		b.clock.pass(time.Second)
		b.record(t, k.Refund("A"))
		list, err := b.Refunds(b.ctx, k)
		if err != nil || len(list) != 2 || list[0].RefundID != "Z" || list[1].RefundID != "A" {
			t.Errorf("%v, %v", list, err)
		}
		if _, err := b.Load(b.ctx, k); !errors.Is(err, ErrNotFound) {
			t.Errorf("a refund made a record of its order: %v", err)
		}
	})
}

// In a cluster the open set comes before the record: a program that dies in between leaves an entry that the
// sweeper takes out, or that the document, enqueued again, fills.
func TestAnIntakeThatDiesBetweenItsStepsIsHealed(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		if !b.sharded {
			return // it is one step
		}
		dead, again := b.order(), b.order()
		must(t, b.Announce(b.ctx, []order.Ref{dead, again}))
		if k, err := b.Record(b.ctx, document(again)); err != nil || !k.New {
			t.Fatalf("%+v, %v", k, err)
		}
		b.clock.pass(firstLook)
		due := b.due(t, shop, 10)
		views, err := b.Views(b.ctx, due.Refs)
		must(t, err)
		gone := map[order.Ref]time.Time{}
		for i, v := range views {
			if v == nil {
				gone[due.Refs[i]] = time.Time{}
			}
		}
		must(t, b.PutOff(b.ctx, due, gone))
		if open := b.open(t); !slices.Equal(open, []string{keys.Member(again)}) {
			t.Errorf("open %v", open)
		}
		if c, err := b.Claim(b.ctx, again, "runner", lease); err != nil || c.Verdict != MaySend {
			t.Errorf("%+v, %v", c, err)
		}
	})
}

// An intake that Redis does not answer is an error, and whatever happened, trying again gives one record.
func TestAnIntakeWithoutAnAnswerIsAnError(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for _, executed := range []bool{false, true} {
			k := b.order()
			broken := b.hooked(t, &faulty{executed: executed})
			if known, err := broken.Record(b.ctx, document(k)); !errors.Is(err, errLost) || known.New {
				t.Errorf("executed %t: %+v, %v", executed, known, err)
			}
			if known, err := b.Record(b.ctx, document(k)); err != nil || !known.New {
				t.Errorf("executed %t, again: %+v, %v", executed, known, err)
			}
		}
	})
}

// A batch answers for each of its intakes, in their order, and says when Redis does not know the script.
func TestABatchOfIntakes(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		known, fresh, refund := b.order(), b.order(), b.refund()
		b.record(t, known)
		must(t, b.rdb.ScriptFlush(b.ctx).Err())
		batch := func() *Intakes {
			pipe := b.rdb.Pipeline()
			in := b.Intakes(pipe)
			for _, r := range []order.Ref{known, fresh, refund, fresh} {
				d := document(r)
				d.Document += "-batch"
				in.Add(b.ctx, d)
			}
			_, _ = pipe.Exec(b.ctx)
			return in
		}
		if _, err := batch().Result(0); !NoScript(err) {
			t.Fatalf("without the script: %v", err)
		}
		must(t, b.LoadIntake(b.ctx))
		in := batch()
		for i, want := range []bool{false, true, true, true} {
			if k, err := in.Result(i); err != nil || k.New != want || k.State != order.Queued {
				t.Errorf("intake %d: %+v, %v, want new %t", i, k, err, want)
			}
		}
		if NoScript(nil) || NoScript(errLost) {
			t.Error("any error is a missing script")
		}
	})
}

// A claim of a record that does not exist makes nothing: who can merely write to the queue issues nothing.
func TestAClaimOfNothingMakesNothing(t *testing.T) {
	eachClock(t, func(t *testing.T, b *bench) { claimNothing(t, b) })
	each(t, claimNothing)
}

func claimNothing(t *testing.T, b *bench) {
	before := b.rdb.DBSize(b.ctx).Val()
	for _, r := range []order.Ref{b.order(), b.refund()} {
		c, err := b.Claim(b.ctx, r, "runner", lease)
		if err != nil || c.Verdict != Missing || c.Record != nil || c.Now.IsZero() {
			t.Errorf("%s: %+v, %v", r, c, err)
		}
	}
	if n := b.rdb.DBSize(b.ctx).Val(); n != before {
		t.Errorf("%d keys were made: %v", n-before, b.rdb.Keys(b.ctx, "*").Val())
	}
}

// The record that is made while a task without one is claimed stays in the open set.
func TestARecordMadeDuringAClaimStaysOpen(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		hooked := b.hooked(t, after{func() { b.record(t, k) }})
		if c, err := hooked.Claim(b.ctx, k, "runner", lease); err != nil || c.Verdict != Missing {
			t.Fatalf("%+v, %v", c, err)
		}
		if open := b.open(t); !slices.Equal(open, []string{keys.Member(k)}) {
			t.Errorf("open %v", open)
		}
	})
}

var errLost = errors.New("the answer was lost")

// hooked is the same ledger over a client of its own, with a hook.
func (b *bench) hooked(t testing.TB, hook redis.Hook) *Ledger {
	rdb := redis.NewClient(b.rdb.Options())
	t.Cleanup(func() { _ = rdb.Close() })
	rdb.AddHook(hook)
	l := *b.Ledger
	l.rdb = rdb
	return &l
}

// faulty loses the answers of all scripts, which Redis has executed or not.
type faulty struct {
	testredis.Hook
	executed bool
}

func (f *faulty) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() != "evalsha" && cmd.Name() != "eval" {
			return next(ctx, cmd)
		}
		if err := f.send(func() error { return next(ctx, cmd) }); err != nil {
			return err
		}
		cmd.SetErr(errLost)
		return errLost
	}
}

func (f *faulty) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if name := cmds[0].Name(); name != "evalsha" && name != "eval" {
			return next(ctx, cmds)
		}
		if err := f.send(func() error { return next(ctx, cmds) }); err != nil {
			return err
		}
		for _, cmd := range cmds {
			cmd.SetErr(errLost)
		}
		return errLost
	}
}

// send executes, and lets pass only that Redis does not know the script.
func (f *faulty) send(next func() error) error {
	if !f.executed {
		return nil
	}
	if err := next(); NoScript(err) {
		return err
	}
	return nil
}
