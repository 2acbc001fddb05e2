package ledger

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"issuance/internal/keys"
	"issuance/internal/seal"
	"issuance/tasks/order"
)

// orderMachine drives one order with two runners, a poller and an operator.
type orderMachine struct {
	b      *bench
	k      order.Ref
	m      claimModel
	polls  int
	fences [2]string
	last   order.State
	fp     string
	lost   bool // the event of its end is not published
}

func (o *orderMachine) valid(i int, states ...order.State) bool {
	return o.m.holder == i && slices.Contains(states, o.m.state)
}

// expect compares an answer with the model, and carries out what was applied.
func (o *orderMachine) expect(t *rapid.T, what string, a Answer, err error, want bool, apply func()) {
	if err != nil || a.Applied != want {
		t.Fatalf("%s: %+v, %v, want applied %t", what, a, err, want)
	}
	if want {
		apply()
	}
	if a.State != o.m.state {
		t.Fatalf("%s answered state %s, want %s", what, a.State, o.m.state)
	}
}

// intake is a document that is enqueued, the first one, the same once more, or another one.
func (o *orderMachine) intake(t *rapid.T) {
	in := document(o.k)
	in.Fingerprint = rapid.SampledFrom([]string{"k.f", "k.other"}).Draw(t, "fingerprint")
	in.Document += seal.Sealed("-" + in.Fingerprint)
	known, err := o.b.Record(o.b.ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	if o.m.state == "" {
		o.m, o.fp = claimModel{state: order.Queued, holder: -1}, in.Fingerprint
		if !known.New {
			t.Fatalf("a new document is known: %+v", known)
		}
	}
	if known.State != o.m.state || known.Fingerprint != o.fp {
		t.Fatalf("intake: %+v, want %s of %s", known, o.m.state, o.fp)
	}
	if again := in.Fingerprint == o.fp && o.m.state == order.Queued && o.fences == [2]string{"none", "none"}; known.New && !again {
		t.Fatalf("intake: %+v of a record that is %s", known, o.m.state)
	}
}

func (o *orderMachine) begin(t *rapid.T, i int) {
	now := o.b.clock.Now()
	c, err := o.b.Claim(o.b.ctx, o.k, runnerName(i), lease)
	if err != nil {
		t.Fatal(err)
	}
	var want Verdict
	switch {
	case o.m.state == "":
		want = Missing
	case o.m.state.Final():
		want = IsFinal
	case o.m.state == order.Accepted:
		want = IsAccepted
	case o.m.holder >= 0 && o.m.until.After(now):
		want = Busy
	default:
		want = o.m.take(i, now)
	}
	if c.Verdict != want || c.Record != nil && !c.Record.DoubtAt.Equal(o.m.doubt) || (c.Record == nil) != (want == Missing) {
		t.Fatalf("claim by %s: %+v, want %s with %s", runnerName(i), c, want, o.m.doubt)
	}
	if want == MaySend || want == MustLookUp {
		o.fences[i] = c.Record.Fence
	}
}

func (o *orderMachine) actions() map[string]func(*rapid.T) {
	b, k, m := o.b, o.k, &o.m
	runner := rapid.IntRange(0, 1)
	orderEnd := rapid.SampledFrom([]order.State{order.Issued, order.Failed, order.Review})
	live := []order.State{order.Queued, order.Submitting}
	release := func(how Release, why Reason) func(*rapid.T) {
		return func(t *rapid.T) {
			i := runner.Draw(t, "runner")
			a, err := b.GiveBack(b.ctx, k, o.fences[i], how, why)
			o.expect(t, string(how), a, err, o.valid(i, live...), func() { m.release(how, b.clock.Now(), nil) })
		}
	}
	return map[string]func(*rapid.T){
		"":       func(t *rapid.T) { o.check(t) },
		"begin":  func(t *rapid.T) { o.begin(t, runner.Draw(t, "runner")) },
		"intake": func(t *rapid.T) { o.intake(t) },
		"submit": func(t *rapid.T) {
			i := runner.Draw(t, "runner")
			a, _, err := b.trySubmit(k, o.fences[i])
			o.expect(t, "submit", a, err, o.valid(i, live...), func() { m.intent(b.clock.Now()) })
		},
		"not sent": release(NotSent, Reason{Code: "dial"}),
		"unknown":  release(Unknown, Reason{Code: "timeout"}),
		"idle":     release(Idle, Reason{}),
		"rejected": func(t *rapid.T) {
			i := runner.Draw(t, "runner")
			a, err := b.Rejected(b.ctx, k, o.fences[i], Reason{})
			o.expect(t, "rejected", a, err, o.valid(i, order.Submitting), func() { m.rejected, m.phase = true, "claim" })
		},
		"accept": func(t *rapid.T) {
			i := runner.Draw(t, "runner")
			a, err := b.Accept(b.ctx, k, o.fences[i], Acceptance{ProviderRef: "ref"})
			o.expect(t, "accept", a, err, o.valid(i, order.Submitting), func() {
				m.state, m.doubt, m.rejected, m.crashes = order.Accepted, time.Time{}, false, 0
				m.giveBack()
			})
		},
		"finish": func(t *rapid.T) {
			i, s := runner.Draw(t, "runner"), orderEnd.Draw(t, "end")
			a, err := b.Finish(b.ctx, k, o.fences[i], Ending{State: s, Reason: Reason{Code: "C"}})
			o.expect(t, "finish", a, err, o.valid(i, live...), func() { m.end(s) })
		},
		"extend": func(t *rapid.T) {
			i := runner.Draw(t, "runner")
			err := b.Extend(b.ctx, k, o.fences[i], lease, false)
			if ok := o.valid(i, live...); (err == nil) != ok {
				t.Fatalf("extend: %v, want applied %t", err, ok)
			} else if ok {
				m.until = b.clock.Now().Add(lease)
			}
		},
		"poll": func(t *rapid.T) {
			a, err := b.Polled(b.ctx, k, "", Reason{}, Idle)
			o.expect(t, "polled", a, err, m.state == order.Accepted, func() { o.polls++ })
		},
		"cancel": func(t *rapid.T) {
			a, err := b.Cancel(b.ctx, k, "ann", "r")
			if m.state == "" {
				if err != ErrNotFound {
					t.Fatalf("cancel of nothing: %+v, %v", a, err)
				}
				return
			}
			o.expect(t, "cancel", a, err, m.state == order.Queued && !m.inDoubt() && m.neverSent(), func() { m.end(order.Cancelled) })
		},
		"erase": func(t *rapid.T) {
			e, err := b.Erase(b.ctx, k, "ann")
			o.lost = o.lost && b.rdb.HGet(b.ctx, keys.Record(k), "event").Val() == ""
			may := m.state == order.Accepted || m.state.Settled() && !o.lost
			o.expect(t, "erase", Answer{Applied: e.Applied, State: e.State}, err, may, func() {})
		},
		"poll finds the end": func(t *rapid.T) {
			s := orderEnd.Draw(t, "end")
			a, err := b.Finish(b.ctx, k, "", Ending{State: s, Reason: Reason{Code: "C"}, Polled: true})
			o.expect(t, "finish by a poll", a, err, m.state == order.Accepted, func() { m.end(s); o.polls++ })
		},
		"resolve": func(t *rapid.T) {
			s := rapid.SampledFrom([]order.State{order.Issued, order.Failed}).Draw(t, "end")
			a, err := b.Resolve(b.ctx, k, Resolution{State: s, Who: "ann", Reason: "r"})
			o.expect(t, "resolve", a, err, m.state == order.Review, func() { m.end(s) })
		},
		"reopen": func(t *rapid.T) {
			a, err := b.Reopen(b.ctx, k, "ann", "r")
			o.expect(t, "reopen", a, err, m.state == order.Review, func() { m.reopen(b.clock.Now(), true) })
		},
		"an event is lost": func(t *rapid.T) {
			if m.state.Final() {
				loseEvent(t, b, k)
				o.lost = true
			}
		},
		"sweep": func(t *rapid.T) {
			sweep(t, b)
			o.lost = o.lost && b.rdb.HGet(b.ctx, keys.Record(k), "event").Val() == ""
		},
		"time passes": func(t *rapid.T) {
			b.clock.pass(time.Duration(rapid.IntRange(1, 15_000).Draw(t, "ms")) * time.Millisecond)
		},
	}
}

// loseEvent leaves a final record as a crash before its event does.
func loseEvent(t *rapid.T, b *bench, r order.Ref) {
	if err := b.rdb.HDel(b.ctx, keys.Record(r), "event").Err(); err != nil {
		t.Fatal(err)
	}
	if err := b.rdb.ZAdd(b.ctx, keys.Open(shop), redis.Z{Score: 0, Member: keys.Member(r)}).Err(); err != nil {
		t.Fatal(err)
	}
}

// sweep does what the sweeper does with final records.
func sweep(t *rapid.T, b *bench) {
	due, err := b.Due(b.ctx, shop, 100, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range due.Refs {
		if err := b.Publish(b.ctx, r); err != nil {
			t.Fatal(err)
		}
	}
}

// check holds after every step.
func (o *orderMachine) check(t *rapid.T) {
	r, err := o.b.Load(o.b.ctx, o.k)
	if o.m.state == "" {
		if err != ErrNotFound {
			t.Fatalf("a record came from nowhere: %+v, %v", r, err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if r.Polls != o.polls {
		t.Fatalf("%d polls, want %d", r.Polls, o.polls)
	}
	if d := o.m.differs(o.b, r); d != "" {
		t.Fatal(d)
	}
	if r.State != o.last && !slices.Contains(edges[o.last], r.State) {
		t.Fatalf("%s became %s", o.last, r.State)
	}
	o.last = r.State
	if !r.State.Final() {
		if _, err := o.b.rdb.ZScore(o.b.ctx, keys.Open(shop), keys.Member(o.k)).Result(); err != nil {
			t.Fatalf("an order that is %s is not in the open set", r.State)
		}
	}
}

// conclude brings the order to its end, as a worker and an operator would.
func (o *orderMachine) conclude(t *rapid.T) {
	b := o.b
	b.clock.pass(time.Hour)
	if o.m.state == "" {
		o.intake(t)
	}
	if s := o.m.state; s == order.Queued || s == order.Submitting {
		o.begin(t, 0)
		a, err := b.Finish(b.ctx, o.k, o.fences[0], Ending{State: order.Issued})
		o.expect(t, "the last finish", a, err, true, func() { o.m.end(order.Issued) })
	}
	if o.m.state == order.Accepted {
		a, err := b.Finish(b.ctx, o.k, "", Ending{State: order.Issued})
		o.expect(t, "the last poll", a, err, true, func() { o.m.end(order.Issued) })
	}
	if o.m.state == order.Review {
		a, err := b.Resolve(b.ctx, o.k, Resolution{State: order.Failed, Who: "ann", Reason: "r"})
		o.expect(t, "the last decision", a, err, true, func() { o.m.end(order.Failed) })
	}
	b.clock.pass(time.Hour)
	sweep(t, b)
	publishedEvents(t, b, o.k, o.m.finals)
}

// publishedEvents checks that every end a record had was published, each under an id of its own, nothing else
// was, and nothing is open.
func publishedEvents(t *rapid.T, b *bench, r order.Ref, finals []order.State) {
	list, err := b.Events(b.ctx, "0", 100_000, 0)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, e := range list {
		if e.Ref == r {
			got[e.ID]++
		}
	}
	for i, s := range finals {
		id := fmt.Sprintf("%s/%s/%d", r, s, i+1)
		if got[id] == 0 {
			t.Fatalf("%s ended as %v, and there is no event %s in %v", r, finals, id, got)
		}
		delete(got, id)
	}
	if len(got) > 0 {
		t.Fatalf("%s ended as %v, and there are also the events %v", r, finals, got)
	}
	if n := b.rdb.ZScore(b.ctx, keys.Open(shop), keys.Member(r)); n.Err() != redis.Nil {
		t.Fatalf("%s has ended and is still open: %v", r, n)
	}
	if n := b.rdb.ZScore(b.ctx, keys.Reviews(shop), keys.Member(r)); n.Err() != redis.Nil {
		t.Fatalf("%s has ended and is still listed for review: %v", r, n)
	}
}

// Whatever two runners, crashes, a poller and an operator do to an order, in whatever order: no
// illegal change of state, never two claims, no end overwritten, no leave to send while a request
// is in doubt, every end published.
func TestAnOrderKeepsItsPromisesInEveryOrderOfThings(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		rapid.Check(t, func(t *rapid.T) {
			o := &orderMachine{b: b, k: b.order(), m: claimModel{holder: -1}, fences: [2]string{"none", "none"}}
			t.Repeat(o.actions())
			o.conclude(t)
		})
	})
}
