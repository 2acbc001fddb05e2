package ledger

import (
	"errors"
	"testing"
	"time"

	"issuance/tasks/order"
)

// situation is a place in an order's life, with the fence that was valid there last.
type situation struct {
	name  string
	reach func(t testing.TB, b *bench, k order.Ref) (fence string)
}

var situations = []situation{
	{"no record", func(testing.TB, *bench, order.Ref) string { return "1" }},
	{"recorded", func(t testing.TB, b *bench, k order.Ref) string { b.record(t, k); return "" }},
	{"queued, claimed", func(t testing.TB, b *bench, k order.Ref) string { return b.claim(t, k).Record.Fence }},
	{"queued, free", func(t testing.TB, b *bench, k order.Ref) string {
		f := b.claim(t, k).Record.Fence
		a, err := b.GiveBack(b.ctx, k, f, Idle, Reason{})
		applied(t, a, err)
		return f
	}},
	{"queued, not sent", func(t testing.TB, b *bench, k order.Ref) string {
		f := b.claim(t, k).Record.Fence
		b.submit(t, k, f)
		b.giveBack(t, k, f, NotSent, "dial")
		return f
	}},
	{"submitting, sent", func(t testing.TB, b *bench, k order.Ref) string {
		f := b.claim(t, k).Record.Fence
		b.submit(t, k, f)
		return f
	}},
	{"submitting, rejected", func(t testing.TB, b *bench, k order.Ref) string {
		f := b.claim(t, k).Record.Fence
		b.submit(t, k, f)
		a, err := b.Rejected(b.ctx, k, f, Reason{Code: "E1"})
		applied(t, a, err)
		return f
	}},
	{"submitting, in doubt", func(t testing.TB, b *bench, k order.Ref) string {
		f := b.claim(t, k).Record.Fence
		b.submit(t, k, f)
		a, err := b.GiveBack(b.ctx, k, f, Unknown, Reason{Code: "timeout"})
		applied(t, a, err)
		return f
	}},
	{"submitting, looking up", func(t testing.TB, b *bench, k order.Ref) string {
		b.submit(t, k, b.claim(t, k).Record.Fence)
		b.giveBack(t, k, "1", Unknown, "")
		return b.claim(t, k).Record.Fence
	}},
	{"accepted", func(t testing.TB, b *bench, k order.Ref) string {
		f := b.claim(t, k).Record.Fence
		b.submit(t, k, f)
		a, err := b.Accept(b.ctx, k, f, Acceptance{ProviderRef: "ref"})
		applied(t, a, err)
		return f
	}},
	{"accepted, being polled", func(t testing.TB, b *bench, k order.Ref) string {
		f := b.claim(t, k).Record.Fence
		b.submit(t, k, f)
		a, err := b.Accept(b.ctx, k, f, Acceptance{ProviderRef: "ref"})
		applied(t, a, err)
		c, err := b.BeginPoll(b.ctx, k, "poller", lease)
		applied(t, answerOf(c), err)
		return c.Record.Fence
	}},
	{"issued", finished(order.Issued)}, {"failed", finished(order.Failed)}, {"review", finished(order.Review)},
	{"cancelled", func(t testing.TB, b *bench, k order.Ref) string {
		f := b.claim(t, k).Record.Fence
		a, err := b.Cancel(b.ctx, k, "ann", "sold out")
		applied(t, a, err)
		return f
	}},
}

// answerOf is a poll's claim as the answer of a transition.
func answerOf(c Claim) Answer {
	if c.Record == nil {
		return Answer{}
	}
	return Answer{Applied: c.Verdict == MayPoll, State: c.Record.State}
}

func finished(s order.State) func(testing.TB, *bench, order.Ref) string {
	return func(t testing.TB, b *bench, k order.Ref) string {
		f := b.claim(t, k).Record.Fence
		b.submit(t, k, f)
		a, err := b.Finish(b.ctx, k, f, Ending{State: s, Reason: Reason{Code: "C", Message: "m"}})
		applied(t, a, err)
		return f
	}
}

// transition is one thing that may be tried in every situation.
type transition struct {
	name string
	try  func(b *bench, k order.Ref, fence string) (Answer, error)
	// after says where it leads to; in every other situation it is refused and changes nothing.
	after map[string]order.State
}

// while builds an after: the same end from several situations.
func while(after order.State, situations ...string) map[string]order.State {
	m := map[string]order.State{}
	for _, s := range situations {
		m[s] = after
	}
	return m
}

var transitions = []transition{
	{"submit", func(b *bench, k order.Ref, f string) (Answer, error) {
		a, _, err := b.trySubmit(k, f)
		return a, err
	}, while(order.Submitting, "queued, claimed", "submitting, sent", "submitting, rejected", "submitting, looking up")},
	{"not sent", func(b *bench, k order.Ref, f string) (Answer, error) {
		return b.GiveBack(b.ctx, k, f, NotSent, Reason{Code: "dial"})
	}, map[string]order.State{"queued, claimed": order.Queued, "submitting, sent": order.Queued,
		"submitting, rejected": order.Submitting, "submitting, looking up": order.Submitting}},
	{"unknown", func(b *bench, k order.Ref, f string) (Answer, error) {
		return b.GiveBack(b.ctx, k, f, Unknown, Reason{Code: "timeout"})
	}, while(order.Submitting, "queued, claimed", "submitting, sent", "submitting, rejected", "submitting, looking up")},
	{"idle", func(b *bench, k order.Ref, f string) (Answer, error) {
		return b.GiveBack(b.ctx, k, f, Idle, Reason{Code: "held"})
	}, map[string]order.State{"queued, claimed": order.Queued, "submitting, sent": order.Submitting,
		"submitting, rejected": order.Submitting, "submitting, looking up": order.Submitting}},
	{"rejected", func(b *bench, k order.Ref, f string) (Answer, error) {
		return b.Rejected(b.ctx, k, f, Reason{Code: "E2"})
	}, while(order.Submitting, "submitting, sent", "submitting, rejected", "submitting, looking up")},
	{"confirmed", func(b *bench, k order.Ref, f string) (Answer, error) {
		return b.Confirmed(b.ctx, k, f, Reason{Code: "E"})
	}, nil},
	{"accept", func(b *bench, k order.Ref, f string) (Answer, error) {
		return b.Accept(b.ctx, k, f, Acceptance{ProviderRef: "ref", Result: "s1.k.r"})
	}, while(order.Accepted, "submitting, sent", "submitting, rejected", "submitting, looking up")},
	{"polled", func(b *bench, k order.Ref, f string) (Answer, error) {
		a, err := b.Polled(b.ctx, k, f, Reason{}, Idle)
		return a, err
	}, while(order.Accepted, "accepted", "accepted, being polled")},
	{"begin a poll", func(b *bench, k order.Ref, _ string) (Answer, error) {
		c, err := b.BeginPoll(b.ctx, k, "another", lease)
		return answerOf(c), err
	}, while(order.Accepted, "accepted")},
	{"end a poll", func(b *bench, k order.Ref, f string) (Answer, error) {
		return b.EndPoll(b.ctx, k, f, false)
	}, while(order.Accepted, "accepted, being polled")},
	{"finish as issued", func(b *bench, k order.Ref, f string) (Answer, error) {
		return b.Finish(b.ctx, k, f, Ending{State: order.Issued})
	}, while(order.Issued, "queued, claimed", "submitting, sent", "submitting, rejected", "submitting, looking up")},
	{"finish as failed", func(b *bench, k order.Ref, f string) (Answer, error) {
		return b.Finish(b.ctx, k, f, Ending{State: order.Failed, Reason: Reason{Code: "E"}})
	}, while(order.Failed, "queued, claimed", "submitting, sent", "submitting, rejected", "submitting, looking up")},
	{"finish as review", func(b *bench, k order.Ref, f string) (Answer, error) {
		return b.Finish(b.ctx, k, f, Ending{State: order.Review, Reason: Reason{Code: "E"}})
	}, while(order.Review, "queued, claimed", "submitting, sent", "submitting, rejected", "submitting, looking up")},
	{"finish by a poll", func(b *bench, k order.Ref, _ string) (Answer, error) {
		return b.Finish(b.ctx, k, "", Ending{State: order.Issued, Polled: true})
	}, while(order.Issued, "accepted", "accepted, being polled")},
	{"resolve as failed", func(b *bench, k order.Ref, _ string) (Answer, error) {
		return b.Resolve(b.ctx, k, Resolution{State: order.Failed, Who: "ann", Reason: "asked them"})
	}, while(order.Failed, "review")},
	{"resolve as issued", func(b *bench, k order.Ref, _ string) (Answer, error) {
		return b.Resolve(b.ctx, k, Resolution{State: order.Issued, Who: "ann", Reason: "asked them"})
	}, while(order.Issued, "review")},
	{"reopen", func(b *bench, k order.Ref, _ string) (Answer, error) {
		return b.Reopen(b.ctx, k, "ann", "they had an outage")
	}, while(order.Submitting, "review")},
	{"cancel", func(b *bench, k order.Ref, _ string) (Answer, error) { return cancel(b, k) },
		while(order.Cancelled, "recorded", "queued, claimed", "queued, free", "queued, not sent")},
	{"extend", func(b *bench, k order.Ref, f string) (Answer, error) {
		switch err := b.Extend(b.ctx, k, f, 2*lease, false); err {
		case nil:
			return Answer{Applied: true}, nil
		case ErrFenced:
			return Answer{}, nil
		default:
			return Answer{}, err
		}
	}, map[string]order.State{"accepted, being polled": order.Accepted, "queued, claimed": order.Queued, "submitting, sent": order.Submitting,
		"submitting, rejected": order.Submitting, "submitting, looking up": order.Submitting}},
}

// cancel is Cancel, for which a record that does not exist is an error.
func cancel(b *bench, r order.Ref) (Answer, error) {
	a, err := b.Cancel(b.ctx, r, "ann", "sold out")
	if errors.Is(err, ErrNotFound) {
		return a, nil
	}
	return a, err
}

// Every transition in every situation: where it is allowed it leads where the graph says, and
// everywhere else it is refused and the record stays as it is, byte for byte.
func TestATransitionIsAppliedOnlyWhereTheGraphAllowsIt(t *testing.T) {
	eachClock(t, func(t *testing.T, b *bench) {
		for _, tr := range transitions {
			for _, s := range situations {
				k := b.order()
				fence := s.reach(t, b, k)
				before := b.snapshot(t, k)
				a, err := tr.try(b, k, fence)
				if err != nil {
					t.Fatalf("%s while %s: %v", tr.name, s.name, err)
				}
				want, allowed := tr.after[s.name]
				if a.Applied != allowed {
					t.Errorf("%s while %s: applied %t, want %t", tr.name, s.name, a.Applied, allowed)
				}
				if !allowed {
					if after := b.snapshot(t, k); after != before {
						t.Errorf("%s while %s was refused and changed\n%s\ninto\n%s", tr.name, s.name, before, after)
					}
				} else if r := b.load(t, k); r.State != want {
					t.Errorf("%s while %s led to %s, want %s", tr.name, s.name, r.State, want)
				}
			}
		}
	})
}

// A refusal says what the record holds now.
func TestARefusalReportsTheState(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.order()
		fence := finished(order.Failed)(t, b, k)
		a, err := b.Accept(b.ctx, k, fence, Acceptance{})
		if err != nil || a != (Answer{State: order.Failed}) {
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
				before := b.snapshot(t, k)
				a, err = tr.try(b, k, fence)
				if err != nil {
					t.Fatalf("%s twice while %s: %v", tr.name, s.name, err)
				}
				if a.Applied != keepsClaim[tr.name] {
					t.Errorf("%s twice while %s: applied %t", tr.name, s.name, a.Applied)
				}
				if !a.Applied && b.snapshot(t, k) != before {
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
		"resolve as issued": true, "reopen": true, "cancel": true}
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
				old := b.claim(t, k).Record.Fence
				a, err := b.GiveBack(b.ctx, k, old, Idle, Reason{})
				applied(t, a, err)
				// The same situation, reached by the next claim.
				fence := b.claim(t, k).Record.Fence
				if fence == old {
					t.Fatal("two claims had the same fence")
				}
				if s != "queued, claimed" {
					b.submit(t, k, fence)
				}
				before := b.snapshot(t, k)
				for _, wrong := range []string{old, "0", "", "3", "+2", " 2", "2.0"} {
					if a, err := tr.try(b, k, wrong); err != nil || a.Applied {
						t.Errorf("%s with fence %q instead of %q: %+v, %v", tr.name, wrong, fence, a, err)
					}
				}
				if after := b.snapshot(t, k); after != before {
					t.Errorf("%s with an old fence changed\n%s\ninto\n%s", tr.name, before, after)
				}
			}
		}
	})
}

// Whatever a record's state, Claim answers what is left to do, and touches only what it may claim.
func TestClaimReportsWhatIsLeftToDo(t *testing.T) {
	want := map[string]Verdict{"queued, claimed": Busy, "queued, free": MaySend, "recorded": MaySend, "queued, not sent": MaySend, "cancelled": IsFinal, "submitting, sent": Busy,
		"submitting, rejected": Busy, "submitting, in doubt": MustLookUp, "submitting, looking up": Busy,
		"accepted": IsAccepted, "accepted, being polled": IsAccepted, "issued": IsFinal, "failed": IsFinal, "review": IsFinal, "no record": MaySend}
	eachClock(t, func(t *testing.T, b *bench) {
		for _, s := range situations {
			k := b.order()
			s.reach(t, b, k)
			before := b.hash(t, k)
			c, err := b.begin(k, "second")
			if err != nil || c.Verdict != want[s.name] {
				t.Errorf("%s: %+v, %v, want %s", s.name, c, err, want[s.name])
			}
			if claimed := c.Verdict == MaySend || c.Verdict == MustLookUp; !claimed && b.hash(t, k) != before {
				t.Errorf("%s: claim answered %s and changed the record", s.name, c.Verdict)
			}
			if c.Verdict == Busy && (c.Record.Until.IsZero() || !c.Record.Until.After(time.UnixMilli(0))) {
				t.Errorf("%s: busy until %s", s.name, c.Record.Until)
			}
		}
	})
}
