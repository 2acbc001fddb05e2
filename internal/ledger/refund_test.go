package ledger

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// One refund of an order is under way at a time: a second waits, learns for whom, and gets its
// turn when the first has ended, however it ended.
func TestASecondRefundWaitsForItsTurn(t *testing.T) {
	eachClock(t, func(t *testing.T, b *bench) {
		for _, end := range []State{Refunded, PartiallyRefunded, Failed, Review} {
			first := b.refund()
			second := RefundKey{Key: first.Key, RefundID: "R2"}
			f := b.claimRefund(t, first).Fence
			c, err := b.BeginRefund(b.ctx, second, intake("other"))
			if err != nil || c.Verdict != WaitTurn || c.Turn != "R1" || c.State != Queued {
				t.Errorf("%+v, %v", c, err)
			}
			// Not even between two runs of the first.
			a, err := b.RefundIdle(b.ctx, first, f, Reason{})
			applied(t, a, err)
			if c, err = b.BeginRefund(b.ctx, second, intake("other")); err != nil || c.Verdict != WaitTurn {
				t.Errorf("between two runs: %+v, %v", c, err)
			}
			f = b.claimRefund(t, first).Fence
			a, err = b.FinishRefund(b.ctx, first, f, RefundEnding{State: end})
			applied(t, a, err)
			if c, err = b.BeginRefund(b.ctx, second, intake("other")); err != nil || c.Verdict != MaySend {
				t.Errorf("after the first has ended as %s: %+v, %v", end, c, err)
			}
			// The first's late task does not take the turn back.
			if c, err = b.BeginRefund(b.ctx, first, intake("late")); err != nil || c.Verdict != IsFinal {
				t.Errorf("the first, late: %+v, %v", c, err)
			}
			if turn := b.rdb.Get(b.ctx, first.turn()).Val(); turn != "R2" {
				t.Errorf("it is the turn of %q", turn)
			}
		}
	})
}

// Of many refunds of one order that begin at once, one has the turn.
func TestOneOfManyRefundsHasTheTurn(t *testing.T) {
	eachClock(t, func(t *testing.T, b *bench) {
		k := b.order()
		got := map[Verdict]int{}
		for _, c := range race(func(i int) Claim {
			c, _ := b.BeginRefund(b.ctx, RefundKey{Key: k, RefundID: fmt.Sprintf("R%d", i)}, intake("runner"))
			return c
		}) {
			got[c.Verdict]++
		}
		if got[MaySend] != 1 || got[WaitTurn] != runners-1 {
			t.Errorf("%v", got)
		}
		list, err := b.LoadRefunds(b.ctx, k)
		if err != nil || len(list) != runners {
			t.Errorf("%d refunds are known, %v", len(list), err)
		}
	})
}

// A refund that cannot even plan yet lets others go first; one that has planned keeps its turn.
func TestARefundYieldsItsTurnUntilItHasPlanned(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		first := b.refund()
		second := RefundKey{Key: first.Key, RefundID: "R2"}
		f := b.claimRefund(t, first).Fence
		a, err := b.YieldTurn(b.ctx, first, f, Reason{Code: "order_not_issued_yet", Message: "m"})
		applied(t, a, err)
		if r := b.loadRefund(t, first); r.State != Queued || r.Runner != "" || r.Reason.Code != "order_not_issued_yet" {
			t.Errorf("%+v", r)
		}
		f = b.plan(t, second, byNumber)
		if a, err = b.YieldTurn(b.ctx, second, f, Reason{}); err != nil || a.Applied {
			t.Errorf("a planned refund gave its turn away: %+v, %v", a, err)
		}
		if c, err := b.BeginRefund(b.ctx, first, intake("x")); err != nil || c.Verdict != WaitTurn || c.Turn != "R2" {
			t.Errorf("%+v, %v", c, err)
		}
	})
}

// A plan of tickets is written once; a plan of a number may be renewed as long as nothing of it
// can have been sent.
func TestAPlanIsWrittenBeforeTheFirstCall(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.refund()
		f := b.plan(t, k, Plan{Sealed: "s1.k.p", Count: 3, Baseline: -1, Tickets: []PlannedTicket{
			{State: TicketPlanned}, {State: TicketRejected, Code: "redeemed"}, {State: TicketElsewhere, Code: "refunded_elsewhere"}}})
		if a, err := b.WritePlan(b.ctx, k, f, Plan{Count: 1, Tickets: []PlannedTicket{{State: TicketPlanned}}}); err != nil || a.Applied {
			t.Errorf("a second plan: %+v, %v", a, err)
		}
		r := b.loadRefund(t, k)
		want := []RefundTicket{{State: TicketPlanned}, {State: TicketRejected, Code: "redeemed"}, {State: TicketElsewhere, Code: "refunded_elsewhere"}}
		if !r.Planned || r.Plan != "s1.k.p" || r.Count != 3 || r.Baseline != -1 || fmt.Sprint(r.Tickets) != fmt.Sprint(want) {
			t.Errorf("%+v", r)
		}

		k = b.refund()
		f = b.plan(t, k, Plan{Count: 2, Baseline: 0})
		b.submitRefund(t, k, f)
		if a, err := b.WritePlan(b.ctx, k, f, byNumber); err != nil || a.Applied {
			t.Errorf("a plan after the call: %+v, %v", a, err)
		}
		a, err := b.RefundNotSent(b.ctx, k, f, Reason{Code: "dial"})
		applied(t, a, err)
		f = b.plan(t, k, byNumber)
		if r := b.loadRefund(t, k); r.Baseline != 1 || r.Count != 2 {
			t.Errorf("the renewed plan: %+v", r)
		}
		b.submitRefund(t, k, f)
		a, err = b.RefundUnknown(b.ctx, k, f, Reason{Code: "timeout"})
		applied(t, a, err)
		f = b.claimRefund(t, k).Fence
		if a, err := b.WritePlan(b.ctx, k, f, Plan{Count: 2, Baseline: 5}); err != nil || a.Applied {
			t.Errorf("a new baseline while a request is in doubt: %+v, %v", a, err)
		}
	})
}

// The states of one ticket: which can be sent, which are settled for good.
func TestATicketIsSentOnlyWhileItIsOpen(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for _, s := range []TicketState{TicketPlanned, TicketSending, TicketDoubt, TicketRefunded, TicketElsewhere, TicketRejected} {
			k := b.refund()
			f := b.plan(t, k, Plan{Sealed: "s1.k.p", Count: 1, Baseline: -1, Tickets: []PlannedTicket{{State: TicketPlanned}}})
			if s == TicketSending {
				a, err := b.SubmitTicket(b.ctx, k, f, lease, 0)
				applied(t, a, err)
			} else if s != TicketPlanned {
				a, err := b.SettleTicket(b.ctx, k, f, 0, s, "C", time.Time{})
				applied(t, a, err)
			}
			before := b.snapshot(t, Ref(k))
			if s.Settled() {
				for _, to := range []TicketState{TicketPlanned, TicketDoubt, TicketRefunded, TicketElsewhere, TicketRejected} {
					if a, err := b.SettleTicket(b.ctx, k, f, 0, to, "D", time.Time{}); err != nil || a.Applied {
						t.Errorf("a ticket %s became %s: %+v, %v", s, to, a, err)
					}
				}
			}
			for _, i := range []int{-1, 1, 99} {
				if a, err := b.SubmitTicket(b.ctx, k, f, lease, i); err != nil || a.Applied {
					t.Errorf("ticket %d of one was sent: %+v, %v", i, a, err)
				}
				if a, err := b.SettleTicket(b.ctx, k, f, i, TicketRefunded, "", time.Time{}); err != nil || a.Applied {
					t.Errorf("ticket %d of one was settled: %+v, %v", i, a, err)
				}
			}
			if after := b.snapshot(t, Ref(k)); after != before {
				t.Errorf("%s: refusals changed\n%s\ninto\n%s", s, before, after)
			}
			a, err := b.SubmitTicket(b.ctx, k, f, lease, 0)
			if open := s == TicketPlanned || s == TicketDoubt; err != nil || a.Applied != open {
				t.Errorf("a ticket %s was sent: %+v, %v", s, a, err)
			}
		}
	})
}

// The first intent of a ticket is remembered: it tells our refund from an older one.
func TestATicketRemembersItsFirstIntentAndItsDoubt(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.refund()
		f := b.plan(t, k, twoTickets)
		first := b.clock.Now()
		a, err := b.SubmitTicket(b.ctx, k, f, lease, 0)
		applied(t, a, err)
		b.clock.pass(time.Second)
		a, err = b.SettleTicket(b.ctx, k, f, 0, TicketDoubt, "timeout", time.Time{})
		applied(t, a, err)
		doubt := b.clock.Now()
		b.clock.pass(time.Hour)
		a, err = b.SubmitTicket(b.ctx, k, f, lease, 0)
		applied(t, a, err)
		a, err = b.SettleTicket(b.ctx, k, f, 0, TicketDoubt, "timeout", doubt)
		applied(t, a, err)
		r := b.loadRefund(t, k)
		if got := r.Tickets[0]; !got.SentAt.Equal(first) || !got.DoubtAt.Equal(doubt) || got.State != TicketDoubt || got.Code != "timeout" {
			t.Errorf("%+v, want the first intent at %s and the doubt at %s", got, first, doubt)
		}
		if r.Attempts != 2 || r.Tickets[1].State != TicketPlanned || !r.Tickets[1].SentAt.IsZero() {
			t.Errorf("%+v", r)
		}
	})
}

// A runner that died while a ticket was being sent leaves the refund in doubt until that ticket,
// and no other, has been dealt with.
func TestADoubtLastsUntilItsTicketIsSettled(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.refund()
		f := b.plan(t, k, twoTickets)
		a, err := b.SubmitTicket(b.ctx, k, f, lease, 0)
		applied(t, a, err)
		ranOut := b.clock.Now().Add(lease)
		b.clock.pass(time.Hour)

		c := b.claimRefund(t, k)
		if c.Verdict != MustLookUp || !c.DoubtAt.Equal(ranOut) || b.loadRefund(t, k).Tickets[0].State != TicketSending {
			t.Fatalf("%+v", c)
		}
		a, err = b.SettleTicket(b.ctx, k, c.Fence, 1, TicketRejected, "redeemed", time.Time{})
		applied(t, a, err)
		b.clock.pass(lease) // this one dies, too
		if c = b.claimRefund(t, k); c.Verdict != MustLookUp || !c.DoubtAt.Equal(ranOut) {
			t.Errorf("settling another ticket ended the doubt: %+v", c)
		}
		a, err = b.SettleTicket(b.ctx, k, c.Fence, 0, TicketDoubt, "abandoned", c.DoubtAt)
		applied(t, a, err)
		if r := b.loadRefund(t, k); !r.DoubtAt.IsZero() || !r.Tickets[0].DoubtAt.Equal(ranOut) {
			t.Errorf("the doubt is the ticket's own now: %+v", r)
		}
	})
}

// Two tickets sent in one claim without an answer between them: settling one leaves the other in doubt.
func TestATicketWithoutAnAnswerIsInDoubt(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.refund()
		f := b.plan(t, k, twoTickets)
		for i := range 2 {
			a, err := b.SubmitTicket(b.ctx, k, f, lease, i)
			applied(t, a, err)
		}
		doubt := b.clock.Now()
		b.clock.pass(time.Second)
		a, err := b.SettleTicket(b.ctx, k, f, 1, TicketRefunded, "", time.Time{})
		applied(t, a, err)
		a, err = b.RefundIdle(b.ctx, k, f, Reason{})
		applied(t, a, err)
		if c := b.claimRefund(t, k); c.Verdict != MustLookUp || !c.DoubtAt.Equal(doubt) {
			t.Errorf("%+v, want a look-up with the doubt at %s", c, doubt)
		}
	})
}

// A refund by number that died is proven before anything else.
func TestAnAbandonedRefundIsInDoubt(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.refund()
		f := b.plan(t, k, byNumber)
		b.submitRefund(t, k, f)
		ranOut := b.clock.Now().Add(lease)
		b.clock.pass(2 * lease)
		if c := b.claimRefund(t, k); c.Verdict != MustLookUp || !c.DoubtAt.Equal(ranOut) || c.Crashes != 1 {
			t.Errorf("%+v", c)
		}
	})
}

// Begin answers for refunds what it answers for orders.
func TestBeginRefundTellsWhatIsLeftToDo(t *testing.T) {
	want := map[string]Verdict{"no record": MaySend, "waiting for its turn": WaitTurn, "queued, claimed": Busy, "queued, free": MaySend,
		"planned by number": Busy, "planned by ticket": Busy, "sent": Busy, "ticket sent": Busy, "in doubt": MustLookUp, "proving": Busy,
		"refunded": IsFinal, "partly": IsFinal, "failed": IsFinal, "review": IsFinal}
	eachClock(t, func(t *testing.T, b *bench) {
		for _, s := range refundSituations {
			k := b.refund()
			s.reach(t, b, k)
			if s.name != "no record" {
				other := intake("x")
				other.Fingerprint = "k.other"
				if c, err := b.BeginRefund(b.ctx, k, other); err != nil || c.Verdict != Conflict {
					t.Errorf("%s, another document: %+v, %v", s.name, c, err)
				}
			}
			if c, err := b.BeginRefund(b.ctx, k, intake("second")); err != nil || c.Verdict != want[s.name] {
				t.Errorf("%s: %+v, %v, want %s", s.name, c, err, want[s.name])
			}
		}
	})
}

// A new refund keeps the list of an order's refunds alive, which a finished one lets expire.
func TestTheListOfRefundsOutlivesFinishedOnes(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.refund()
		ended(Refunded)(t, b, k)
		if b.rdb.PTTL(b.ctx, k.refunds()).Val() <= 0 {
			t.Error("the list is kept for ever")
		}
		b.claimRefund(t, RefundKey{Key: k.Key, RefundID: "R2"})
		if b.rdb.PTTL(b.ctx, k.refunds()).Val() > 0 {
			t.Error("the list expires with a refund under way")
		}
	})
}

// Since when the provider's answers are of no use for a plan is kept however often it is asked, whether
// the turn is yielded or not, until there is a plan or a person has it tried again.
func TestSinceWhenAnswersAreOfNoUseIsKeptUntilThereIsAPlan(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for name, wait := range map[string]func(context.Context, RefundKey, string, Reason) (Answer, error){"yield": b.YieldUnclear, "keep": b.RefundUnclear} {
			k := b.refund()
			since := b.clock.Now()
			for range 3 {
				a, err := wait(b.ctx, k, b.claimRefund(t, k).Fence, Reason{Code: "timeout"})
				applied(t, a, err)
				b.clock.pass(time.Hour)
			}
			if r := b.loadRefund(t, k); !r.UnclearSince.Equal(since) {
				t.Errorf("%s: since %s, want %s", name, r.UnclearSince, since)
			}
			b.plan(t, k, Plan{Count: 1, Baseline: 0})
			if r := b.loadRefund(t, k); !r.UnclearSince.IsZero() {
				t.Errorf("%s: planned, and still since %s", name, r.UnclearSince)
			}
		}
	})
}
