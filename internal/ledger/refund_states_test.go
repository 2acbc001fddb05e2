package ledger

import (
	"testing"

	"issuance/tasks/order"
)

// refundSituation is a place in a refund's life, with the fence that was valid there last.
type refundSituation struct {
	name  string
	reach func(t testing.TB, b *bench, k order.Ref) (fence string)
}

var twoTickets = Plan{Sealed: "s1.k.plan", Count: 2, Baseline: -1, Tickets: []PlannedTicket{{State: order.TicketPlanned}, {State: order.TicketPlanned}}}

func (b *bench) plan(t testing.TB, k order.Ref, p Plan) (fence string) {
	t.Helper()
	fence = b.claim(t, k).Record.Fence
	a, err := b.WritePlan(b.ctx, k, fence, p)
	applied(t, a, err)
	return fence
}

var byNumber = Plan{Count: 2, Baseline: 1}

var refundSituations = []refundSituation{
	{"no record", func(testing.TB, *bench, order.Ref) string { return "1" }},
	{"recorded", func(t testing.TB, b *bench, k order.Ref) string { b.record(t, k); return "" }},
	{"waiting for its turn", func(t testing.TB, b *bench, k order.Ref) string {
		b.claim(t, k.Refund("R0"))
		if c, err := b.begin(k, "runner"); err != nil || c.Verdict != WaitTurn {
			t.Fatalf("%+v, %v", c, err)
		}
		return "0"
	}},
	{"queued, claimed", func(t testing.TB, b *bench, k order.Ref) string { return b.claim(t, k).Record.Fence }},
	{"queued, free", func(t testing.TB, b *bench, k order.Ref) string {
		f := b.claim(t, k).Record.Fence
		a, err := b.GiveBack(b.ctx, k, f, Idle, Reason{})
		applied(t, a, err)
		return f
	}},
	{"planned by number", func(t testing.TB, b *bench, k order.Ref) string { return b.plan(t, k, byNumber) }},
	{"planned by ticket", func(t testing.TB, b *bench, k order.Ref) string { return b.plan(t, k, twoTickets) }},
	{"not sent", func(t testing.TB, b *bench, k order.Ref) string {
		f := b.plan(t, k, byNumber)
		b.submit(t, k, f)
		b.giveBack(t, k, f, NotSent, "dial")
		return f
	}},
	{"ticket not sent", func(t testing.TB, b *bench, k order.Ref) string {
		f := b.plan(t, k, twoTickets)
		a, err := b.submitTicket(k, f, 0)
		applied(t, a, err)
		a, err = b.SettleTicket(b.ctx, k, f, 0, Settlement{State: order.TicketPlanned, NotSent: true})
		applied(t, a, err)
		b.giveBack(t, k, f, NotSent, "dial")
		return f
	}},
	{"sent", func(t testing.TB, b *bench, k order.Ref) string {
		f := b.plan(t, k, byNumber)
		b.submit(t, k, f)
		return f
	}},
	{"ticket sent", func(t testing.TB, b *bench, k order.Ref) string {
		f := b.plan(t, k, twoTickets)
		a, err := b.submitTicket(k, f, 0)
		applied(t, a, err)
		return f
	}},
	{"in doubt", func(t testing.TB, b *bench, k order.Ref) string {
		f := b.plan(t, k, byNumber)
		b.submit(t, k, f)
		a, err := b.GiveBack(b.ctx, k, f, Unknown, Reason{Code: "timeout"})
		applied(t, a, err)
		return f
	}},
	{"proving", func(t testing.TB, b *bench, k order.Ref) string {
		f := b.plan(t, k, byNumber)
		b.submit(t, k, f)
		a, err := b.GiveBack(b.ctx, k, f, Unknown, Reason{Code: "timeout"})
		applied(t, a, err)
		return b.claim(t, k).Record.Fence
	}},
	{"refunded", ended(order.Refunded)}, {"partly", ended(order.PartiallyRefunded)}, {"failed", ended(order.Failed)}, {"review", ended(order.Review)},
	{"cancelled", func(t testing.TB, b *bench, k order.Ref) string {
		f := b.claim(t, k).Record.Fence
		a, err := b.Cancel(b.ctx, k, "ann", "sold out")
		applied(t, a, err)
		return f
	}},
}

func ended(s order.State) func(testing.TB, *bench, order.Ref) string {
	return func(t testing.TB, b *bench, k order.Ref) string {
		f := b.plan(t, k, byNumber)
		b.submit(t, k, f)
		a, err := b.Finish(b.ctx, k, f, Ending{State: s, Reason: Reason{Code: "C", Message: "m"}, Refunded: 1})
		applied(t, a, err)
		return f
	}
}

type refundTransition struct {
	name  string
	try   func(b *bench, k order.Ref, fence string) (Answer, error)
	after map[string]order.State // where it leads to; refused in every other situation
}

// claimed are the situations in which somebody holds the claim, with their states.
var claimed = map[string]order.State{"queued, claimed": order.Queued, "planned by number": order.Queued, "planned by ticket": order.Queued,
	"sent": order.Submitting, "ticket sent": order.Submitting, "proving": order.Submitting}

func whileClaimed(after order.State) map[string]order.State {
	m := map[string]order.State{}
	for s := range claimed {
		m[s] = after
	}
	return m
}

var refundTransitions = []refundTransition{
	{"plan by ticket", func(b *bench, k order.Ref, f string) (Answer, error) { return b.WritePlan(b.ctx, k, f, twoTickets) },
		while(order.Queued, "queued, claimed", "planned by number")},
	{"plan by number", func(b *bench, k order.Ref, f string) (Answer, error) { return b.WritePlan(b.ctx, k, f, byNumber) },
		while(order.Queued, "queued, claimed", "planned by number")},
	{"submit", func(b *bench, k order.Ref, f string) (Answer, error) {
		a, _, err := b.trySubmit(k, f)
		return a, err
	}, while(order.Submitting, "planned by number", "sent", "proving")},
	{"submit ticket", func(b *bench, k order.Ref, f string) (Answer, error) { return b.submitTicket(k, f, 1) },
		while(order.Submitting, "planned by ticket", "ticket sent")},
	{"settle ticket", func(b *bench, k order.Ref, f string) (Answer, error) {
		return b.settle(k, f, 0, order.TicketRefunded, "")
	}, map[string]order.State{"planned by ticket": order.Queued, "ticket sent": order.Submitting}},
	{"not sent", func(b *bench, k order.Ref, f string) (Answer, error) {
		return b.GiveBack(b.ctx, k, f, NotSent, Reason{Code: "dial"})
	},
		map[string]order.State{"queued, claimed": order.Queued, "planned by number": order.Queued, "planned by ticket": order.Queued,
			"sent": order.Queued, "ticket sent": order.Submitting, "proving": order.Submitting}},
	{"unknown", func(b *bench, k order.Ref, f string) (Answer, error) {
		return b.GiveBack(b.ctx, k, f, Unknown, Reason{Code: "t"})
	},
		whileClaimed(order.Submitting)},
	{"idle", func(b *bench, k order.Ref, f string) (Answer, error) { return b.GiveBack(b.ctx, k, f, Idle, Reason{}) }, claimed},
	{"unclear", func(b *bench, k order.Ref, f string) (Answer, error) {
		return b.GiveBack(b.ctx, k, f, Unclear, Reason{Code: "t"})
	}, claimed},
	{"rejected", func(b *bench, k order.Ref, f string) (Answer, error) {
		return b.Rejected(b.ctx, k, f, Reason{Code: "E"})
	},
		while(order.Submitting, "sent", "ticket sent", "proving")},
	{"confirmed", func(b *bench, k order.Ref, f string) (Answer, error) {
		return b.Confirmed(b.ctx, k, f, Reason{Code: "E"})
	},
		while(order.Submitting, "sent")},
	{"without effect", func(b *bench, k order.Ref, f string) (Answer, error) { return b.WithoutEffect(b.ctx, k, f) },
		while(order.Queued, "proving")},
	{"yield", func(b *bench, k order.Ref, f string) (Answer, error) {
		return b.YieldTurn(b.ctx, k, f, Reason{Code: "w"}, false)
	},
		while(order.Queued, "queued, claimed")},
	{"yield, unclear", func(b *bench, k order.Ref, f string) (Answer, error) {
		return b.YieldTurn(b.ctx, k, f, Reason{Code: "t"}, true)
	},
		while(order.Queued, "queued, claimed")},
	{"finish as refunded", endAs(order.Refunded), whileClaimed(order.Refunded)},
	{"finish as partly refunded", endAs(order.PartiallyRefunded), whileClaimed(order.PartiallyRefunded)},
	{"finish as failed", endAs(order.Failed), whileClaimed(order.Failed)},
	{"finish as review", endAs(order.Review), whileClaimed(order.Review)},
	{"resolve", func(b *bench, k order.Ref, _ string) (Answer, error) {
		return b.Resolve(b.ctx, k, Resolution{State: order.Refunded, Who: "ann", Reason: "asked them"})
	}, while(order.Refunded, "review")},
	{"reopen", func(b *bench, k order.Ref, _ string) (Answer, error) {
		return b.Reopen(b.ctx, k, "ann", "asked them")
	},
		while(order.Submitting, "review")},
	{"cancel", func(b *bench, k order.Ref, _ string) (Answer, error) { return cancel(b, k) },
		while(order.Cancelled, "recorded", "waiting for its turn", "queued, claimed", "queued, free", "planned by number", "planned by ticket",
			"not sent", "ticket not sent")},
	{"extend", func(b *bench, k order.Ref, f string) (Answer, error) {
		switch err := b.Extend(b.ctx, k, f, 2*lease, false); err {
		case nil:
			return Answer{Applied: true}, nil
		case ErrFenced:
			return Answer{}, nil
		default:
			return Answer{}, err
		}
	}, claimed},
}

func endAs(s order.State) func(b *bench, k order.Ref, f string) (Answer, error) {
	return func(b *bench, k order.Ref, f string) (Answer, error) {
		return b.Finish(b.ctx, k, f, Ending{State: s, Reason: Reason{Code: "E"}, Refunded: 1})
	}
}

// As for orders: allowed where the graph allows it, refused without a trace everywhere else.
func TestARefundsTransitionIsAppliedOnlyWhereTheGraphAllowsIt(t *testing.T) {
	eachClock(t, func(t *testing.T, b *bench) {
		for _, tr := range refundTransitions {
			for _, s := range refundSituations {
				k := b.refund()
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

// What ends a refund's claim or life is refused the second time.
func TestARefundsEndIsAppliedOnce(t *testing.T) {
	repeatable := map[string]bool{"submit": true, "rejected": true, "extend": true, "plan by number": true}
	eachClock(t, func(t *testing.T, b *bench) {
		for _, tr := range refundTransitions {
			for _, s := range refundSituations {
				if _, allowed := tr.after[s.name]; !allowed {
					continue
				}
				k := b.refund()
				fence := s.reach(t, b, k)
				a, err := tr.try(b, k, fence)
				applied(t, a, err)
				before := b.snapshot(t, k)
				if a, err = tr.try(b, k, fence); err != nil {
					t.Fatalf("%s twice while %s: %v", tr.name, s.name, err)
				}
				if a.Applied != repeatable[tr.name] {
					t.Errorf("%s twice while %s: applied %t", tr.name, s.name, a.Applied)
				}
				if !a.Applied && b.snapshot(t, k) != before {
					t.Errorf("%s twice while %s: refused, and the record changed", tr.name, s.name)
				}
			}
		}
	})
}

// A runner with an old fence changes nothing of a refund that another one works on.
func TestARefundsOldFenceChangesNothing(t *testing.T) {
	eachClock(t, func(t *testing.T, b *bench) {
		for _, tr := range refundTransitions {
			if tr.name == "resolve" || tr.name == "reopen" || tr.name == "cancel" {
				continue
			}
			k := b.refund()
			old := b.claim(t, k).Record.Fence
			a, err := b.GiveBack(b.ctx, k, old, Idle, Reason{})
			applied(t, a, err)
			fence := b.claim(t, k).Record.Fence
			if _, ok := tr.after["queued, claimed"]; !ok {
				a, err = b.WritePlan(b.ctx, k, fence, twoTickets)
				applied(t, a, err)
				a, err = b.submitTicket(k, fence, 0)
				applied(t, a, err)
			}
			before := b.snapshot(t, k)
			for _, wrong := range []string{old, "0", "", "3"} {
				if a, err := tr.try(b, k, wrong); err != nil || a.Applied {
					t.Errorf("%s with fence %q instead of %q: %+v, %v", tr.name, wrong, fence, a, err)
				}
			}
			if after := b.snapshot(t, k); after != before {
				t.Errorf("%s with an old fence changed\n%s\ninto\n%s", tr.name, before, after)
			}
		}
	})
}
