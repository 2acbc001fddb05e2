package ledger

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"issuance/providers"
)

// edges are the changes of state the graph in doc.go allows; staying is always allowed.
var edges = map[State][]State{
	"":         {Queued},
	Queued:     {Submitting, Issued, Failed, Review, Refunded, PartiallyRefunded},
	Submitting: {Queued, Accepted, Issued, Failed, Review, Refunded, PartiallyRefunded},
	Accepted:   {Issued, Failed, Review},
	Review:     {Issued, Failed, Refunded, PartiallyRefunded, Queued, Submitting}, // by a person
}

// claimModel is what a record's claim should be: the small truth the scripts are held to.
type claimModel struct {
	state    State
	holder   int // runner, -1 for none
	until    time.Time
	phase    string
	doubt    time.Time
	rejected bool
	attempts int
	crashes  int
	finals   []State // every final status it had, in order
}

func (m *claimModel) giveBack() { m.holder, m.phase, m.until = -1, "", time.Time{} }

// take is Begin on a record that may be claimed. It fails the test when the old claim is alive.
func (m *claimModel) take(runner int, now time.Time) Verdict {
	if m.holder >= 0 {
		m.crashes++
		if m.phase == "send" {
			m.doubt = m.until
		}
	}
	m.holder, m.phase, m.until = runner, "claim", now.Add(lease)
	if !m.doubt.IsZero() || m.rejected {
		return MustLookUp
	}
	return MaySend
}

func (m *claimModel) intent(now time.Time) {
	if m.phase == "send" {
		m.doubt = now
	}
	m.attempts++
	m.state, m.phase, m.until = Submitting, "send", now.Add(lease)
}

func (m *claimModel) release(how string, now time.Time, free bool) {
	switch {
	case how == releaseUnknown, how == releaseIdle && m.phase == "send":
		m.state, m.doubt = Submitting, now
	case m.doubt.IsZero() && !m.rejected && free:
		m.state = Queued
	}
	m.giveBack()
	m.crashes = 0 // they count in a row
}

func (m *claimModel) end(s State) {
	m.state = s
	m.finals = append(m.finals, s)
	if s != Review {
		m.doubt, m.rejected = time.Time{}, false
	}
	m.giveBack()
}

func (m *claimModel) reopen(now time.Time, free bool) {
	m.state, m.crashes = Queued, 0
	if m.attempts > 0 {
		m.state = Submitting
		if m.doubt.IsZero() && !m.rejected && free {
			m.doubt = now
		}
	}
}

// differs tells where a record is not what the model says.
func (m *claimModel) differs(r Base) string {
	runner := ""
	if m.holder >= 0 {
		runner = runnerName(m.holder)
	}
	got := fmt.Sprint(r.State, r.Runner, r.Until, r.Phase, r.DoubtAt, r.Attempts, r.Crashes)
	want := fmt.Sprint(m.state, runner, m.until, m.phase, m.doubt, m.attempts, m.crashes)
	if got != want {
		return fmt.Sprintf("the record says %s, the model %s", got, want)
	}
	return ""
}

func runnerName(i int) string { return string(rune('A' + i)) }

// orderMachine drives one order with two runners, a poller and an operator.
type orderMachine struct {
	b      *bench
	k      Key
	m      claimModel
	polls  int
	fences [2]string
	last   State
}

func (o *orderMachine) valid(i int, states ...State) bool {
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

func (o *orderMachine) begin(t *rapid.T, i int) {
	now := o.b.clock.Now()
	c, err := o.b.Begin(o.b.ctx, o.k, intake(runnerName(i)))
	if err != nil {
		t.Fatal(err)
	}
	var want Verdict
	switch {
	case o.m.state == "":
		o.m = claimModel{state: Queued, holder: -1}
		want = o.m.take(i, now)
	case o.m.state.Final():
		want = IsFinal
	case o.m.state == Accepted:
		want = IsAccepted
	case o.m.holder >= 0 && o.m.until.After(now):
		want = Busy
	default:
		want = o.m.take(i, now)
	}
	if c.Verdict != want || !c.DoubtAt.Equal(o.m.doubt) {
		t.Fatalf("begin by %s: %s with the doubt at %s, want %s with %s", runnerName(i), c.Verdict, c.DoubtAt, want, o.m.doubt)
	}
	if want == MaySend || want == MustLookUp {
		o.fences[i] = c.Fence
	}
}

func (o *orderMachine) actions() map[string]func(*rapid.T) {
	b, k, m := o.b, o.k, &o.m
	runner := rapid.IntRange(0, 1)
	orderEnd := rapid.SampledFrom([]State{Issued, Failed, Review})
	live := []State{Queued, Submitting}
	release := func(how string, do func(i int) (Answer, error)) func(*rapid.T) {
		return func(t *rapid.T) {
			i := runner.Draw(t, "runner")
			a, err := do(i)
			o.expect(t, how, a, err, o.valid(i, live...), func() { m.release(how, b.clock.Now(), true) })
		}
	}
	return map[string]func(*rapid.T){
		"":      func(t *rapid.T) { o.check(t) },
		"begin": func(t *rapid.T) { o.begin(t, runner.Draw(t, "runner")) },
		"begin another document": func(t *rapid.T) {
			in := intake("stranger")
			in.Fingerprint = "k.other"
			if m.state == "" {
				return
			}
			if c, err := b.Begin(b.ctx, k, in); err != nil || c.Verdict != Conflict {
				t.Fatalf("%+v, %v", c, err)
			}
		},
		"submit": func(t *rapid.T) {
			i := runner.Draw(t, "runner")
			a, _, err := b.Submit(b.ctx, k, o.fences[i], lease)
			o.expect(t, "submit", a, err, o.valid(i, live...), func() { m.intent(b.clock.Now()) })
		},
		"not sent": release(releaseNotSent, func(i int) (Answer, error) { return b.NotSent(b.ctx, k, o.fences[i], Reason{Code: "dial"}) }),
		"unknown":  release(releaseUnknown, func(i int) (Answer, error) { return b.Unknown(b.ctx, k, o.fences[i], Reason{Code: "timeout"}) }),
		"idle":     release(releaseIdle, func(i int) (Answer, error) { return b.Idle(b.ctx, k, o.fences[i], Reason{}) }),
		"rejected": func(t *rapid.T) {
			i := runner.Draw(t, "runner")
			a, err := b.Rejected(b.ctx, k, o.fences[i], Reason{})
			o.expect(t, "rejected", a, err, o.valid(i, Submitting), func() { m.rejected, m.phase = true, "claim" })
		},
		"accept": func(t *rapid.T) {
			i := runner.Draw(t, "runner")
			a, err := b.Accept(b.ctx, k, o.fences[i], "ref", "")
			o.expect(t, "accept", a, err, o.valid(i, Submitting), func() {
				m.state, m.doubt, m.rejected = Accepted, time.Time{}, false
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
			err := b.ExtendOrder(b.ctx, k, o.fences[i], lease)
			if ok := o.valid(i, live...); (err == nil) != ok {
				t.Fatalf("extend: %v, want applied %t", err, ok)
			} else if ok {
				m.until = b.clock.Now().Add(lease)
			}
		},
		"poll": func(t *rapid.T) {
			a, n, err := b.Polled(b.ctx, k, Reason{})
			o.expect(t, "polled", a, err, m.state == Accepted, func() { o.polls++ })
			if n != o.polls {
				t.Fatalf("%d polls, want %d", n, o.polls)
			}
		},
		"poll finds the end": func(t *rapid.T) {
			s := orderEnd.Draw(t, "end")
			a, err := b.Finish(b.ctx, k, "", Ending{State: s, Reason: Reason{Code: "C"}, Polled: true})
			o.expect(t, "finish by a poll", a, err, m.state == Accepted, func() { m.end(s); o.polls++ })
		},
		"resolve": func(t *rapid.T) {
			s := rapid.SampledFrom([]State{Issued, Failed}).Draw(t, "end")
			a, err := b.Resolve(b.ctx, Ref{Key: k}, Resolution{State: s, Who: "ann", Reason: "r"})
			o.expect(t, "resolve", a, err, m.state == Review, func() { m.end(s) })
		},
		"reopen": func(t *rapid.T) {
			a, err := b.Reopen(b.ctx, Ref{Key: k}, "ann", "r")
			o.expect(t, "reopen", a, err, m.state == Review, func() { m.reopen(b.clock.Now(), true) })
		},
		"an event is lost": func(t *rapid.T) {
			if m.state.Final() {
				loseEvent(t, b, Ref{Key: k})
			}
		},
		"sweep": func(t *rapid.T) { sweep(t, b) },
		"time passes": func(t *rapid.T) {
			b.clock.pass(time.Duration(rapid.IntRange(1, 15_000).Draw(t, "ms")) * time.Millisecond)
		},
	}
}

// loseEvent leaves a final record as a crash before its event does.
func loseEvent(t *rapid.T, b *bench, r Ref) {
	if err := b.rdb.HDel(b.ctx, r.record(), "event").Err(); err != nil {
		t.Fatal(err)
	}
	if err := b.rdb.ZAdd(b.ctx, openKey(r.Provider), redis.Z{Score: 0, Member: r.openMember()}).Err(); err != nil {
		t.Fatal(err)
	}
}

// sweep does what the sweeper does with final records.
func sweep(t *rapid.T, b *bench) {
	due, err := b.Due(b.ctx, providers.ECTicket, 100, time.Millisecond)
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
	if d := o.m.differs(r.Base); d != "" {
		t.Fatal(d)
	}
	if r.State != o.last && !slices.Contains(edges[o.last], r.State) {
		t.Fatalf("%s became %s", o.last, r.State)
	}
	o.last = r.State
	if !r.State.Final() {
		if _, err := o.b.rdb.ZScore(o.b.ctx, openKey(o.k.Provider), o.k.openMember()).Result(); err != nil {
			t.Fatalf("an order that is %s is not in the open set", r.State)
		}
	}
}

// conclude brings the order to its end, as a worker and an operator would.
func (o *orderMachine) conclude(t *rapid.T) {
	b := o.b
	b.clock.pass(time.Hour)
	if s := o.m.state; s == "" || s == Queued || s == Submitting {
		o.begin(t, 0)
		a, err := b.Finish(b.ctx, o.k, o.fences[0], Ending{State: Issued})
		o.expect(t, "the last finish", a, err, true, func() { o.m.end(Issued) })
	}
	if o.m.state == Accepted {
		a, err := b.Finish(b.ctx, o.k, "", Ending{State: Issued})
		o.expect(t, "the last poll", a, err, true, func() { o.m.end(Issued) })
	}
	if o.m.state == Review {
		a, err := b.Resolve(b.ctx, Ref{Key: o.k}, Resolution{State: Failed, Who: "ann", Reason: "r"})
		o.expect(t, "the last decision", a, err, true, func() { o.m.end(Failed) })
	}
	b.clock.pass(time.Hour)
	sweep(t, b)
	toldEvents(t, b, Ref{Key: o.k}, o.m.finals)
}

// toldEvents checks that every final status a record had was told, nothing else was, and nothing is open.
func toldEvents(t *rapid.T, b *bench, r Ref, finals []State) {
	list, err := b.Events(b.ctx, "0", 100_000, 0)
	if err != nil {
		t.Fatal(err)
	}
	got := map[State]int{}
	for _, e := range list {
		if e.Provider == r.Provider && e.OrderID == r.OrderID && e.RefundID == r.RefundID {
			got[e.State]++
		}
	}
	for _, s := range finals {
		if got[s] == 0 {
			t.Fatalf("%s ended as %v, and no event tells of %s", r, finals, s)
		}
	}
	for s := range got {
		if !slices.Contains(finals, s) {
			t.Fatalf("an event tells that %s was %s; it was %v", r, s, finals)
		}
	}
	if n := b.rdb.ZScore(b.ctx, openKey(r.Provider), r.openMember()); n.Err() != redis.Nil {
		t.Fatalf("%s has ended and is still open: %v", r, n)
	}
	if n := b.rdb.ZScore(b.ctx, reviewKey(r.Provider), r.openMember()); n.Err() != redis.Nil {
		t.Fatalf("%s has ended and still needs a person: %v", r, n)
	}
}

// Whatever two runners, crashes, a poller and an operator do to an order, in whatever order: no
// illegal change of state, never two claims, no end overwritten, no leave to send while a request
// is in doubt, every end told.
func TestAnOrderKeepsItsPromisesInEveryOrderOfThings(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		rapid.Check(t, func(t *rapid.T) {
			o := &orderMachine{b: b, k: b.order(), m: claimModel{holder: -1}, fences: [2]string{"none", "none"}}
			t.Repeat(o.actions())
			o.conclude(t)
		})
	})
}
