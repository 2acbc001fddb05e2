package ledger

import (
	"testing"
	"time"
)

// refundSituation is a place in a refund's life, with the fence that was valid there last.
type refundSituation struct {
	name  string
	reach func(t testing.TB, b *bench, k RefundKey) (fence string)
}

var twoTickets = Plan{Sealed: "s1.k.plan", Count: 2, Baseline: -1, Tickets: []PlannedTicket{{State: TicketPlanned}, {State: TicketPlanned}}}

func (b *bench) plan(t testing.TB, k RefundKey, p Plan) (fence string) {
	t.Helper()
	fence = b.claimRefund(t, k).Fence
	a, err := b.WritePlan(b.ctx, k, fence, p)
	applied(t, a, err)
	return fence
}

func (b *bench) submitRefund(t testing.TB, k RefundKey, fence string) {
	t.Helper()
	a, _, err := b.SubmitRefund(b.ctx, k, fence, lease)
	applied(t, a, err)
}

var byNumber = Plan{Count: 2, Baseline: 1}

var refundSituations = []refundSituation{
	{"no record", func(testing.TB, *bench, RefundKey) string { return "1" }},
	{"waiting for its turn", func(t testing.TB, b *bench, k RefundKey) string {
		b.claimRefund(t, RefundKey{Key: k.Key, RefundID: "R0"})
		if c, err := b.BeginRefund(b.ctx, k, intake("runner")); err != nil || c.Verdict != WaitTurn {
			t.Fatalf("%+v, %v", c, err)
		}
		return "0"
	}},
	{"queued, claimed", func(t testing.TB, b *bench, k RefundKey) string { return b.claimRefund(t, k).Fence }},
	{"queued, free", func(t testing.TB, b *bench, k RefundKey) string {
		f := b.claimRefund(t, k).Fence
		a, err := b.RefundIdle(b.ctx, k, f, Reason{})
		applied(t, a, err)
		return f
	}},
	{"planned by number", func(t testing.TB, b *bench, k RefundKey) string { return b.plan(t, k, byNumber) }},
	{"planned by ticket", func(t testing.TB, b *bench, k RefundKey) string { return b.plan(t, k, twoTickets) }},
	{"sent", func(t testing.TB, b *bench, k RefundKey) string {
		f := b.plan(t, k, byNumber)
		b.submitRefund(t, k, f)
		return f
	}},
	{"ticket sent", func(t testing.TB, b *bench, k RefundKey) string {
		f := b.plan(t, k, twoTickets)
		a, err := b.SubmitTicket(b.ctx, k, f, lease, 0)
		applied(t, a, err)
		return f
	}},
	{"in doubt", func(t testing.TB, b *bench, k RefundKey) string {
		f := b.plan(t, k, byNumber)
		b.submitRefund(t, k, f)
		a, err := b.RefundUnknown(b.ctx, k, f, Reason{Code: "timeout"})
		applied(t, a, err)
		return f
	}},
	{"proving", func(t testing.TB, b *bench, k RefundKey) string {
		f := b.plan(t, k, byNumber)
		b.submitRefund(t, k, f)
		a, err := b.RefundUnknown(b.ctx, k, f, Reason{Code: "timeout"})
		applied(t, a, err)
		return b.claimRefund(t, k).Fence
	}},
	{"refunded", ended(Refunded)}, {"partly", ended(PartiallyRefunded)}, {"failed", ended(Failed)}, {"review", ended(Review)},
}

func ended(s State) func(testing.TB, *bench, RefundKey) string {
	return func(t testing.TB, b *bench, k RefundKey) string {
		f := b.plan(t, k, byNumber)
		b.submitRefund(t, k, f)
		a, err := b.FinishRefund(b.ctx, k, f, RefundEnding{State: s, Reason: Reason{Code: "C", Message: "m"}, Refunded: 1})
		applied(t, a, err)
		return f
	}
}

type refundTransition struct {
	name  string
	try   func(b *bench, k RefundKey, fence string) (Answer, error)
	after map[string]State // where it leads to; refused in every other situation
}

// claimed are the situations in which somebody holds the claim, with their states.
var claimed = map[string]State{"queued, claimed": Queued, "planned by number": Queued, "planned by ticket": Queued,
	"sent": Submitting, "ticket sent": Submitting, "proving": Submitting}

func whileClaimed(after State) map[string]State {
	m := map[string]State{}
	for s := range claimed {
		m[s] = after
	}
	return m
}

var refundTransitions = []refundTransition{
	{"plan by ticket", func(b *bench, k RefundKey, f string) (Answer, error) { return b.WritePlan(b.ctx, k, f, twoTickets) },
		while(Queued, "queued, claimed", "planned by number")},
	{"plan by number", func(b *bench, k RefundKey, f string) (Answer, error) { return b.WritePlan(b.ctx, k, f, byNumber) },
		while(Queued, "queued, claimed", "planned by number")},
	{"submit", func(b *bench, k RefundKey, f string) (Answer, error) {
		a, _, err := b.SubmitRefund(b.ctx, k, f, lease)
		return a, err
	}, while(Submitting, "planned by number", "sent", "proving")},
	{"submit ticket", func(b *bench, k RefundKey, f string) (Answer, error) { return b.SubmitTicket(b.ctx, k, f, lease, 1) },
		while(Submitting, "planned by ticket", "ticket sent")},
	{"settle ticket", func(b *bench, k RefundKey, f string) (Answer, error) {
		return b.SettleTicket(b.ctx, k, f, 0, TicketRefunded, "", time.Time{})
	}, map[string]State{"planned by ticket": Queued, "ticket sent": Submitting}},
	{"not sent", func(b *bench, k RefundKey, f string) (Answer, error) {
		return b.RefundNotSent(b.ctx, k, f, Reason{Code: "dial"})
	},
		map[string]State{"queued, claimed": Queued, "planned by number": Queued, "planned by ticket": Queued,
			"sent": Queued, "ticket sent": Submitting, "proving": Submitting}},
	{"unknown", func(b *bench, k RefundKey, f string) (Answer, error) {
		return b.RefundUnknown(b.ctx, k, f, Reason{Code: "t"})
	},
		whileClaimed(Submitting)},
	{"idle", func(b *bench, k RefundKey, f string) (Answer, error) { return b.RefundIdle(b.ctx, k, f, Reason{}) }, claimed},
	{"unclear", func(b *bench, k RefundKey, f string) (Answer, error) {
		return b.RefundUnclear(b.ctx, k, f, Reason{Code: "t"})
	}, claimed},
	{"rejected", func(b *bench, k RefundKey, f string) (Answer, error) {
		return b.RefundRejected(b.ctx, k, f, Reason{Code: "E"})
	},
		while(Submitting, "sent", "ticket sent", "proving")},
	{"yield", func(b *bench, k RefundKey, f string) (Answer, error) {
		return b.YieldTurn(b.ctx, k, f, Reason{Code: "w"})
	},
		while(Queued, "queued, claimed")},
	{"yield, unclear", func(b *bench, k RefundKey, f string) (Answer, error) {
		return b.YieldUnclear(b.ctx, k, f, Reason{Code: "t"})
	},
		while(Queued, "queued, claimed")},
	{"finish as refunded", endAs(Refunded), whileClaimed(Refunded)},
	{"finish as partly refunded", endAs(PartiallyRefunded), whileClaimed(PartiallyRefunded)},
	{"finish as failed", endAs(Failed), whileClaimed(Failed)},
	{"finish as review", endAs(Review), whileClaimed(Review)},
	{"resolve", func(b *bench, k RefundKey, _ string) (Answer, error) {
		return b.Resolve(b.ctx, Ref(k), Resolution{State: Refunded, Who: "ann", Reason: "asked them"})
	}, while(Refunded, "review")},
	{"reopen", func(b *bench, k RefundKey, _ string) (Answer, error) {
		return b.Reopen(b.ctx, Ref(k), "ann", "asked them")
	},
		while(Submitting, "review")},
	{"extend", func(b *bench, k RefundKey, f string) (Answer, error) {
		switch err := b.ExtendRefund(b.ctx, k, f, 2*lease); err {
		case nil:
			return Answer{Applied: true}, nil
		case ErrFenced:
			return Answer{}, nil
		default:
			return Answer{}, err
		}
	}, claimed},
}

func endAs(s State) func(b *bench, k RefundKey, f string) (Answer, error) {
	return func(b *bench, k RefundKey, f string) (Answer, error) {
		return b.FinishRefund(b.ctx, k, f, RefundEnding{State: s, Reason: Reason{Code: "E"}, Refunded: 1})
	}
}

// As for orders: allowed where the graph allows it, refused without a trace everywhere else.
func TestARefundsTransitionIsAppliedOnlyWhereTheGraphAllowsIt(t *testing.T) {
	eachClock(t, func(t *testing.T, b *bench) {
		for _, tr := range refundTransitions {
			for _, s := range refundSituations {
				k := b.refund()
				fence := s.reach(t, b, k)
				before := b.snapshot(t, Ref(k))
				a, err := tr.try(b, k, fence)
				if err != nil {
					t.Fatalf("%s while %s: %v", tr.name, s.name, err)
				}
				want, allowed := tr.after[s.name]
				if a.Applied != allowed {
					t.Errorf("%s while %s: applied %t, want %t", tr.name, s.name, a.Applied, allowed)
				}
				if !allowed {
					if after := b.snapshot(t, Ref(k)); after != before {
						t.Errorf("%s while %s was refused and changed\n%s\ninto\n%s", tr.name, s.name, before, after)
					}
				} else if r := b.loadRefund(t, k); r.State != want {
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
				before := b.snapshot(t, Ref(k))
				if a, err = tr.try(b, k, fence); err != nil {
					t.Fatalf("%s twice while %s: %v", tr.name, s.name, err)
				}
				if a.Applied != repeatable[tr.name] {
					t.Errorf("%s twice while %s: applied %t", tr.name, s.name, a.Applied)
				}
				if !a.Applied && b.snapshot(t, Ref(k)) != before {
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
			if tr.name == "resolve" || tr.name == "reopen" {
				continue
			}
			k := b.refund()
			old := b.claimRefund(t, k).Fence
			a, err := b.RefundIdle(b.ctx, k, old, Reason{})
			applied(t, a, err)
			fence := b.claimRefund(t, k).Fence
			if _, ok := tr.after["queued, claimed"]; !ok {
				a, err = b.WritePlan(b.ctx, k, fence, twoTickets)
				applied(t, a, err)
				a, err = b.SubmitTicket(b.ctx, k, fence, lease, 0)
				applied(t, a, err)
			}
			before := b.snapshot(t, Ref(k))
			for _, wrong := range []string{old, "0", "", "3"} {
				if a, err := tr.try(b, k, wrong); err != nil || a.Applied {
					t.Errorf("%s with fence %q instead of %q: %+v, %v", tr.name, wrong, fence, a, err)
				}
			}
			if after := b.snapshot(t, Ref(k)); after != before {
				t.Errorf("%s with an old fence changed\n%s\ninto\n%s", tr.name, before, after)
			}
		}
	})
}
