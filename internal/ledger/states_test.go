package ledger

import (
	"testing"
	"time"
)

// situation is a place in an order's life, with the fence that was valid there last.
type situation struct {
	name  string
	reach func(t testing.TB, b *bench, k Key) (fence string)
}

var situations = []situation{
	{"no record", func(testing.TB, *bench, Key) string { return "1" }},
	{"queued, claimed", func(t testing.TB, b *bench, k Key) string { return b.claim(t, k).Fence }},
	{"queued, free", func(t testing.TB, b *bench, k Key) string {
		f := b.claim(t, k).Fence
		a, err := b.Idle(b.ctx, k, f, Reason{})
		applied(t, a, err)
		return f
	}},
	{"submitting, sent", func(t testing.TB, b *bench, k Key) string {
		f := b.claim(t, k).Fence
		b.submit(t, k, f)
		return f
	}},
	{"submitting, refused", func(t testing.TB, b *bench, k Key) string {
		f := b.claim(t, k).Fence
		b.submit(t, k, f)
		a, err := b.Rejected(b.ctx, k, f, Reason{Code: "E1"})
		applied(t, a, err)
		return f
	}},
	{"submitting, in doubt", func(t testing.TB, b *bench, k Key) string {
		f := b.claim(t, k).Fence
		b.submit(t, k, f)
		a, err := b.Unknown(b.ctx, k, f, Reason{Code: "timeout"})
		applied(t, a, err)
		return f
	}},
	{"submitting, looking up", func(t testing.TB, b *bench, k Key) string {
		b.submit(t, k, b.claim(t, k).Fence)
		b.release(b.ctx, k.order(), "1", releaseUnknown, Reason{})
		return b.claim(t, k).Fence
	}},
	{"accepted", func(t testing.TB, b *bench, k Key) string {
		f := b.claim(t, k).Fence
		b.submit(t, k, f)
		a, err := b.Accept(b.ctx, k, f, "ref", "")
		applied(t, a, err)
		return f
	}},
	{"issued", finished(Issued)}, {"failed", finished(Failed)}, {"review", finished(Review)},
}

func finished(s State) func(testing.TB, *bench, Key) string {
	return func(t testing.TB, b *bench, k Key) string {
		f := b.claim(t, k).Fence
		b.submit(t, k, f)
		a, err := b.Finish(b.ctx, k, f, Ending{State: s, Reason: Reason{Code: "C", Message: "m"}})
		applied(t, a, err)
		return f
	}
}

// transition is one thing that may be tried in every situation.
type transition struct {
	name string
	try  func(b *bench, k Key, fence string) (Answer, error)
	// after says where it leads to; in every other situation it is refused and changes nothing.
	after map[string]State
}

// while builds an after: the same end from several situations.
func while(after State, situations ...string) map[string]State {
	m := map[string]State{}
	for _, s := range situations {
		m[s] = after
	}
	return m
}

var transitions = []transition{
	{"submit", func(b *bench, k Key, f string) (Answer, error) {
		a, _, err := b.Submit(b.ctx, k, f, lease)
		return a, err
	}, while(Submitting, "queued, claimed", "submitting, sent", "submitting, refused", "submitting, looking up")},
	{"not sent", func(b *bench, k Key, f string) (Answer, error) {
		return b.NotSent(b.ctx, k, f, Reason{Code: "dial"})
	}, map[string]State{"queued, claimed": Queued, "submitting, sent": Queued,
		"submitting, refused": Submitting, "submitting, looking up": Submitting}},
	{"unknown", func(b *bench, k Key, f string) (Answer, error) {
		return b.Unknown(b.ctx, k, f, Reason{Code: "timeout"})
	}, while(Submitting, "queued, claimed", "submitting, sent", "submitting, refused", "submitting, looking up")},
	{"idle", func(b *bench, k Key, f string) (Answer, error) {
		return b.Idle(b.ctx, k, f, Reason{Code: "held"})
	}, map[string]State{"queued, claimed": Queued, "submitting, sent": Submitting,
		"submitting, refused": Submitting, "submitting, looking up": Submitting}},
	{"rejected", func(b *bench, k Key, f string) (Answer, error) {
		return b.Rejected(b.ctx, k, f, Reason{Code: "E2"})
	}, while(Submitting, "submitting, sent", "submitting, refused", "submitting, looking up")},
	{"accept", func(b *bench, k Key, f string) (Answer, error) {
		return b.Accept(b.ctx, k, f, "ref", "s1.k.r")
	}, while(Accepted, "submitting, sent", "submitting, refused", "submitting, looking up")},
	{"polled", func(b *bench, k Key, _ string) (Answer, error) {
		a, _, err := b.Polled(b.ctx, k, Reason{})
		return a, err
	}, while(Accepted, "accepted")},
	{"finish as issued", func(b *bench, k Key, f string) (Answer, error) {
		return b.Finish(b.ctx, k, f, Ending{State: Issued})
	}, while(Issued, "queued, claimed", "submitting, sent", "submitting, refused", "submitting, looking up")},
	{"finish as failed", func(b *bench, k Key, f string) (Answer, error) {
		return b.Finish(b.ctx, k, f, Ending{State: Failed, Reason: Reason{Code: "E"}})
	}, while(Failed, "queued, claimed", "submitting, sent", "submitting, refused", "submitting, looking up")},
	{"finish as review", func(b *bench, k Key, f string) (Answer, error) {
		return b.Finish(b.ctx, k, f, Ending{State: Review, Reason: Reason{Code: "E"}})
	}, while(Review, "queued, claimed", "submitting, sent", "submitting, refused", "submitting, looking up")},
	{"finish by a poll", func(b *bench, k Key, _ string) (Answer, error) {
		return b.Finish(b.ctx, k, "", Ending{State: Issued, Polled: true})
	}, while(Issued, "accepted")},
	{"resolve as failed", func(b *bench, k Key, _ string) (Answer, error) {
		return b.Resolve(b.ctx, Ref{Key: k}, Resolution{State: Failed, Who: "ann", Reason: "asked them"})
	}, while(Failed, "review")},
	{"resolve as issued", func(b *bench, k Key, _ string) (Answer, error) {
		return b.Resolve(b.ctx, Ref{Key: k}, Resolution{State: Issued, Who: "ann", Reason: "asked them"})
	}, while(Issued, "review")},
	{"reopen", func(b *bench, k Key, _ string) (Answer, error) {
		return b.Reopen(b.ctx, Ref{Key: k}, "ann", "they had an outage")
	}, while(Submitting, "review")},
	{"extend", func(b *bench, k Key, f string) (Answer, error) {
		switch err := b.ExtendOrder(b.ctx, k, f, 2*lease); err {
		case nil:
			return Answer{Applied: true}, nil
		case ErrFenced:
			return Answer{}, nil
		default:
			return Answer{}, err
		}
	}, map[string]State{"queued, claimed": Queued, "submitting, sent": Submitting,
		"submitting, refused": Submitting, "submitting, looking up": Submitting}},
}

// Every transition in every situation: where it is allowed it leads where the graph says, and
// everywhere else it is refused and the record stays as it is, byte for byte.
func TestATransitionIsAppliedOnlyWhereTheGraphAllowsIt(t *testing.T) {
	eachClock(t, func(t *testing.T, b *bench) {
		for _, tr := range transitions {
			for _, s := range situations {
				k := b.order()
				fence := s.reach(t, b, k)
				before := b.snapshot(t, Ref{Key: k})
				a, err := tr.try(b, k, fence)
				if err != nil {
					t.Fatalf("%s while %s: %v", tr.name, s.name, err)
				}
				want, allowed := tr.after[s.name]
				if a.Applied != allowed {
					t.Errorf("%s while %s: applied %t, want %t", tr.name, s.name, a.Applied, allowed)
				}
				if !allowed {
					if after := b.snapshot(t, Ref{Key: k}); after != before {
						t.Errorf("%s while %s was refused and changed\n%s\ninto\n%s", tr.name, s.name, before, after)
					}
				} else if r := b.load(t, k); r.State != want {
					t.Errorf("%s while %s led to %s, want %s", tr.name, s.name, r.State, want)
				}
			}
		}
	})
}

// A refusal tells what the record holds now.
func TestARefusalTellsTheState(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		fence := finished(Failed)(t, b, k)
		a, err := b.Accept(b.ctx, k, fence, "", "")
		if err != nil || a != (Answer{State: Failed}) {
			t.Errorf("%+v, %v", a, err)
		}
	})
}

// What ends a claim or a life is refused the second time; what keeps the claim may be repeated and
// leads to the same state.
func TestATransitionAppliedTwiceEndsWhereItEndedOnce(t *testing.T) {
	keepsClaim := map[string]bool{"submit": true, "rejected": true, "extend": true, "polled": true}
	eachClock(t, func(t *testing.T, b *bench) {
		for _, tr := range transitions {
			for _, s := range situations {
				want, allowed := tr.after[s.name]
				if !allowed {
					continue
				}
				k := b.order()
				fence := s.reach(t, b, k)
				a, err := tr.try(b, k, fence)
				applied(t, a, err)
				before := b.snapshot(t, Ref{Key: k})
				a, err = tr.try(b, k, fence)
				if err != nil {
					t.Fatalf("%s twice while %s: %v", tr.name, s.name, err)
				}
				if a.Applied != keepsClaim[tr.name] {
					t.Errorf("%s twice while %s: applied %t", tr.name, s.name, a.Applied)
				}
				if !a.Applied && b.snapshot(t, Ref{Key: k}) != before {
					t.Errorf("%s twice while %s: refused, and the record changed", tr.name, s.name)
				}
				if r := b.load(t, k); r.State != want {
					t.Errorf("%s twice while %s led to %s, want %s", tr.name, s.name, r.State, want)
				}
			}
		}
	})
}

// Whoever comes with a fence that is no longer valid is refused, whatever it tries.
func TestAnOldFenceChangesNothing(t *testing.T) {
	needsNoFence := map[string]bool{"polled": true, "finish by a poll": true, "resolve as failed": true,
		"resolve as issued": true, "reopen": true}
	eachClock(t, func(t *testing.T, b *bench) {
		for _, tr := range transitions {
			if needsNoFence[tr.name] {
				continue
			}
			for s := range tr.after {
				if s == "accepted" {
					continue
				}
				k := b.order()
				old := b.claim(t, k).Fence
				a, err := b.Idle(b.ctx, k, old, Reason{})
				applied(t, a, err)
				// The same situation, reached by the next claim.
				fence := b.claim(t, k).Fence
				if fence == old {
					t.Fatal("two claims had the same fence")
				}
				if s != "queued, claimed" {
					b.submit(t, k, fence)
				}
				before := b.snapshot(t, Ref{Key: k})
				for _, wrong := range []string{old, "0", "", "3", "+2", " 2", "2.0"} {
					if a, err := tr.try(b, k, wrong); err != nil || a.Applied {
						t.Errorf("%s with fence %q instead of %q: %+v, %v", tr.name, wrong, fence, a, err)
					}
				}
				if after := b.snapshot(t, Ref{Key: k}); after != before {
					t.Errorf("%s with an old fence changed\n%s\ninto\n%s", tr.name, before, after)
				}
			}
		}
	})
}

// Whatever a record's state, Begin answers what is left to do, and touches only what it may claim.
func TestBeginTellsWhatIsLeftToDo(t *testing.T) {
	want := map[string]Verdict{"queued, claimed": Busy, "queued, free": MaySend, "submitting, sent": Busy,
		"submitting, refused": Busy, "submitting, in doubt": MustLookUp, "submitting, looking up": Busy,
		"accepted": IsAccepted, "issued": IsFinal, "failed": IsFinal, "review": IsFinal, "no record": MaySend}
	eachClock(t, func(t *testing.T, b *bench) {
		for _, s := range situations {
			k := b.order()
			s.reach(t, b, k)
			before := b.hash(t, k)
			if s.name != "no record" {
				other := intake("stranger")
				other.Fingerprint = "k.other"
				c, err := b.Begin(b.ctx, k, other)
				if err != nil || c.Verdict != Conflict || c.Fingerprint != "k.f" || b.hash(t, k) != before {
					t.Errorf("%s: another document under the same number: %+v, %v", s.name, c, err)
				}
			}
			c, err := b.Begin(b.ctx, k, intake("second"))
			if err != nil || c.Verdict != want[s.name] {
				t.Errorf("%s: %+v, %v, want %s", s.name, c, err, want[s.name])
			}
			if claimed := c.Verdict == MaySend || c.Verdict == MustLookUp; !claimed && b.hash(t, k) != before {
				t.Errorf("%s: begin answered %s and changed the record", s.name, c.Verdict)
			}
			if c.Verdict == Busy && (c.Until.IsZero() || !c.Until.After(time.UnixMilli(0))) {
				t.Errorf("%s: busy until %s", s.name, c.Until)
			}
		}
	})
}
