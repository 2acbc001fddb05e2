package ledger

import (
	"fmt"
	"testing"
	"time"

	"issuance/internal/keys"
	"issuance/tasks/order"
)

// One refund of an order is under way at a time: a second waits, learns for whom, and gets its
// turn when the first has ended, however it ended.
func TestASecondRefundWaitsForItsTurn(t *testing.T) {
	eachClock(t, func(t *testing.T, b *bench) {
		for _, end := range []order.State{order.Refunded, order.PartiallyRefunded, order.Failed, order.Review} {
			first := b.refund()
			second := first.Refund("R2")
			f := b.claim(t, first).Record.Fence
			c, err := b.begin(second, "other")
			if err != nil || c.Verdict != WaitTurn || c.Turn != "R1" || c.Record.State != order.Queued {
				t.Errorf("%+v, %v", c, err)
			}
			// Not even between two runs of the first.
			a, err := b.GiveBack(b.ctx, first, f, Idle, Reason{})
			applied(t, a, err)
			if c, err = b.begin(second, "other"); err != nil || c.Verdict != WaitTurn {
				t.Errorf("between two runs: %+v, %v", c, err)
			}
			f = b.claim(t, first).Record.Fence
			a, err = b.Finish(b.ctx, first, f, Ending{State: end})
			applied(t, a, err)
			if c, err = b.begin(second, "other"); err != nil || c.Verdict != MaySend {
				t.Errorf("after the first has ended as %s: %+v, %v", end, c, err)
			}
			// The first's late task does not take the turn back.
			if c, err = b.begin(first, "late"); err != nil || c.Verdict != IsFinal {
				t.Errorf("the first, late: %+v, %v", c, err)
			}
			if turn := b.rdb.Get(b.ctx, keys.Turn(first)).Val(); turn != "R2" {
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
			c, _ := b.begin(k.Refund(fmt.Sprintf("R%d", i)), "runner")
			return c
		}) {
			got[c.Verdict]++
		}
		if got[MaySend] != 1 || got[WaitTurn] != runners-1 {
			t.Errorf("%v", got)
		}
		list, err := b.Refunds(b.ctx, k)
		if err != nil || len(list) != runners {
			t.Errorf("%d refunds are known, %v", len(list), err)
		}
	})
}

// A refund that cannot even plan yet lets others go first; one that has planned keeps its turn.
func TestARefundYieldsItsTurnUntilItHasPlanned(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		first := b.refund()
		second := first.Refund("R2")
		f := b.claim(t, first).Record.Fence
		a, err := b.YieldTurn(b.ctx, first, f, Reason{Code: "order_not_issued_yet", Message: "m"}, false)
		applied(t, a, err)
		if r := b.load(t, first); r.State != order.Queued || r.Runner != "" || r.Reason.Code != "order_not_issued_yet" {
			t.Errorf("%+v", r)
		}
		f = b.plan(t, second, byNumber)
		if a, err = b.YieldTurn(b.ctx, second, f, Reason{}, false); err != nil || a.Applied {
			t.Errorf("a planned refund gave its turn away: %+v, %v", a, err)
		}
		if c, err := b.begin(first, "x"); err != nil || c.Verdict != WaitTurn || c.Turn != "R2" {
			t.Errorf("%+v, %v", c, err)
		}
	})
}

// What a refund waited for before it had its tickets is over.
func TestAPlanEndsTheWaitBeforeIt(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.refund()
		a, err := b.GiveBack(b.ctx, k, b.claim(t, k).Record.Fence, Idle, Reason{Code: "order_not_issued_yet", Message: "waits"})
		applied(t, a, err)
		if r := b.load(t, k); r.Reason.Code != "order_not_issued_yet" {
			t.Fatalf("%+v", r)
		}
		b.clock.pass(time.Minute)
		b.submit(t, k, b.plan(t, k, byNumber))
		if r := b.load(t, k); r.State != order.Submitting || r.Reason != (Reason{}) {
			t.Errorf("%+v", r)
		}
	})
}

// A plan of tickets is written once; a plan of a number may be renewed as long as nothing of it
// can have been sent.
func TestAPlanIsWrittenBeforeTheFirstCall(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.refund()
		f := b.plan(t, k, Plan{Sealed: "s1.k.p", Count: 3, Baseline: -1, Tickets: []PlannedTicket{
			{State: order.TicketPlanned}, {State: order.TicketRejected, Code: "redeemed"}, {State: order.TicketElsewhere, Code: "refunded_elsewhere"}}})
		if a, err := b.WritePlan(b.ctx, k, f, Plan{Count: 1, Tickets: []PlannedTicket{{State: order.TicketPlanned}}}); err != nil || a.Applied {
			t.Errorf("a second plan: %+v, %v", a, err)
		}
		r := b.load(t, k)
		want := []Ticket{{State: order.TicketPlanned}, {State: order.TicketRejected, Code: "redeemed"}, {State: order.TicketElsewhere, Code: "refunded_elsewhere"}}
		if !r.Planned || r.Plan != "s1.k.p" || r.Count != 3 || r.Baseline != -1 || fmt.Sprint(r.Tickets) != fmt.Sprint(want) {
			t.Errorf("%+v", r)
		}

		k = b.refund()
		f = b.plan(t, k, Plan{Count: 2, Baseline: 0})
		b.submit(t, k, f)
		if a, err := b.WritePlan(b.ctx, k, f, byNumber); err != nil || a.Applied {
			t.Errorf("a plan after the call: %+v, %v", a, err)
		}
		a, err := b.GiveBack(b.ctx, k, f, NotSent, Reason{Code: "dial"})
		applied(t, a, err)
		f = b.plan(t, k, byNumber)
		if r := b.load(t, k); r.Baseline != 1 || r.Count != 2 {
			t.Errorf("the renewed plan: %+v", r)
		}
		b.submit(t, k, f)
		a, err = b.GiveBack(b.ctx, k, f, Unknown, Reason{Code: "timeout"})
		applied(t, a, err)
		f = b.claim(t, k).Record.Fence
		if a, err := b.WritePlan(b.ctx, k, f, Plan{Count: 2, Baseline: 5}); err != nil || a.Applied {
			t.Errorf("a new baseline while a request is in doubt: %+v, %v", a, err)
		}
	})
}

// The states of one ticket: which can be sent, which are settled for good.
func TestATicketIsSentOnlyWhileItIsOpen(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for _, s := range []order.TicketState{order.TicketPlanned, order.TicketSending, order.TicketDoubt, order.TicketRefunded, order.TicketElsewhere, order.TicketRejected} {
			k := b.refund()
			f := b.plan(t, k, Plan{Sealed: "s1.k.p", Count: 1, Baseline: -1, Tickets: []PlannedTicket{{State: order.TicketPlanned}}})
			if s == order.TicketSending {
				a, err := b.submitTicket(k, f, 0)
				applied(t, a, err)
			} else if s != order.TicketPlanned {
				a, err := b.settle(k, f, 0, s, "C")
				applied(t, a, err)
			}
			before := b.snapshot(t, k)
			if s.Settled() {
				for _, to := range []order.TicketState{order.TicketPlanned, order.TicketDoubt, order.TicketRefunded, order.TicketElsewhere, order.TicketRejected} {
					if a, err := b.settle(k, f, 0, to, "D"); err != nil || a.Applied {
						t.Errorf("a ticket %s became %s: %+v, %v", s, to, a, err)
					}
				}
			}
			for _, i := range []int{-1, 1, 99} {
				if a, err := b.submitTicket(k, f, i); err != nil || a.Applied {
					t.Errorf("ticket %d of one was sent: %+v, %v", i, a, err)
				}
				if a, err := b.settle(k, f, i, order.TicketRefunded, ""); err != nil || a.Applied {
					t.Errorf("ticket %d of one was settled: %+v, %v", i, a, err)
				}
			}
			if after := b.snapshot(t, k); after != before {
				t.Errorf("%s: refusals changed\n%s\ninto\n%s", s, before, after)
			}
			a, err := b.submitTicket(k, f, 0)
			if open := s == order.TicketPlanned || s == order.TicketDoubt; err != nil || a.Applied != open {
				t.Errorf("a ticket %s was sent: %+v, %v", s, a, err)
			}
		}
	})
}

// The first intent of a ticket is remembered: it distinguishes our refund from an older one.
func TestATicketRemembersItsFirstIntentAndItsDoubt(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.refund()
		f := b.plan(t, k, twoTickets)
		first := b.clock.Now()
		a, err := b.submitTicket(k, f, 0)
		applied(t, a, err)
		b.clock.pass(time.Second)
		a, err = b.settle(k, f, 0, order.TicketDoubt, "timeout")
		applied(t, a, err)
		doubt := b.clock.Now()
		b.clock.pass(time.Hour)
		a, err = b.submitTicket(k, f, 0)
		applied(t, a, err)
		a, err = b.SettleTicket(b.ctx, k, f, 0, Settlement{State: order.TicketDoubt, Code: "timeout", DoubtAt: doubt})
		applied(t, a, err)
		r := b.load(t, k)
		if got := r.Tickets[0]; !got.SentAt.Equal(first) || !got.DoubtAt.Equal(doubt) || got.State != order.TicketDoubt || got.Code != "timeout" {
			t.Errorf("%+v, want the first intent at %s and the doubt at %s", got, first, doubt)
		}
		if r.Attempts != 2 || r.Tickets[1].State != order.TicketPlanned || !r.Tickets[1].SentAt.IsZero() {
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
		a, err := b.submitTicket(k, f, 0)
		applied(t, a, err)
		ranOut := b.clock.Now().Add(lease)
		b.clock.pass(time.Hour)

		c := b.claim(t, k)
		if c.Verdict != MustLookUp || !c.Record.DoubtAt.Equal(ranOut) || b.load(t, k).Tickets[0].State != order.TicketSending {
			t.Fatalf("%+v", c)
		}
		a, err = b.settle(k, c.Record.Fence, 1, order.TicketRejected, "redeemed")
		applied(t, a, err)
		b.clock.pass(lease) // this one dies, too
		if c = b.claim(t, k); c.Verdict != MustLookUp || !c.Record.DoubtAt.Equal(ranOut) {
			t.Errorf("settling another ticket ended the doubt: %+v", c)
		}
		a, err = b.SettleTicket(b.ctx, k, c.Record.Fence, 0, Settlement{State: order.TicketDoubt, Code: "abandoned", DoubtAt: c.Record.DoubtAt})
		applied(t, a, err)
		if r := b.load(t, k); !r.DoubtAt.IsZero() || !r.Tickets[0].DoubtAt.Equal(ranOut) {
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
			a, err := b.submitTicket(k, f, i)
			applied(t, a, err)
		}
		doubt := b.clock.Now()
		b.clock.pass(time.Second)
		a, err := b.settle(k, f, 1, order.TicketRefunded, "")
		applied(t, a, err)
		a, err = b.GiveBack(b.ctx, k, f, Idle, Reason{})
		applied(t, a, err)
		if c := b.claim(t, k); c.Verdict != MustLookUp || !c.Record.DoubtAt.Equal(doubt) {
			t.Errorf("%+v, want a look-up with the doubt at %s", c, doubt)
		}
	})
}

// A refund by number that died is proven before anything else.
func TestAnAbandonedRefundIsInDoubt(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.refund()
		f := b.plan(t, k, byNumber)
		b.submit(t, k, f)
		ranOut := b.clock.Now().Add(lease)
		b.clock.pass(2 * lease)
		if c := b.claim(t, k); c.Verdict != MustLookUp || !c.Record.DoubtAt.Equal(ranOut) || c.Record.Abandoned != 1 {
			t.Errorf("%+v", c)
		}
	})
}

// Claim answers for refunds what it answers for orders.
func TestClaimOfARefundReportsWhatIsLeftToDo(t *testing.T) {
	want := map[string]Verdict{"no record": MaySend, "waiting for its turn": WaitTurn, "queued, claimed": Busy, "queued, free": MaySend, "recorded": MaySend, "not sent": MaySend, "ticket not sent": MaySend, "cancelled": IsFinal,
		"planned by number": Busy, "planned by ticket": Busy, "sent": Busy, "ticket sent": Busy, "in doubt": MustLookUp, "proving": Busy,
		"refunded": IsFinal, "partly": IsFinal, "failed": IsFinal, "review": IsFinal}
	eachClock(t, func(t *testing.T, b *bench) {
		for _, s := range refundSituations {
			k := b.refund()
			s.reach(t, b, k)
			if c, err := b.begin(k, "second"); err != nil || c.Verdict != want[s.name] {
				t.Errorf("%s: %+v, %v, want %s", s.name, c, err, want[s.name])
			}
		}
	})
}

// A new refund keeps the list of an order's refunds alive, which a finished one lets expire.
func TestTheListOfRefundsOutlivesFinishedOnes(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		k := b.refund()
		ended(order.Refunded)(t, b, k)
		if b.rdb.PTTL(b.ctx, keys.Refunds(k)).Val() <= 0 {
			t.Error("the list is kept for ever")
		}
		b.claim(t, k.Refund("R2"))
		if b.rdb.PTTL(b.ctx, keys.Refunds(k)).Val() > 0 {
			t.Error("the list expires with a refund under way")
		}
	})
}

// Since when the provider's answers are of no use for a plan is kept however often it is asked, whether
// the turn is yielded or not, until there is a plan or a person has it tried again.
func TestSinceWhenAnswersAreOfNoUseIsKeptUntilThereIsAPlan(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for name, wait := range map[string]func(order.Ref, string) (Answer, error){
			"yield": func(r order.Ref, f string) (Answer, error) {
				return b.YieldTurn(b.ctx, r, f, Reason{Code: "timeout"}, true)
			},
			"keep": func(r order.Ref, f string) (Answer, error) {
				return b.GiveBack(b.ctx, r, f, Unclear, Reason{Code: "timeout"})
			},
		} {
			k := b.refund()
			since := b.clock.Now()
			for range 3 {
				a, err := wait(k, b.claim(t, k).Record.Fence)
				applied(t, a, err)
				b.clock.pass(time.Hour)
			}
			if r := b.load(t, k); !r.UnclearSince.Equal(since) {
				t.Errorf("%s: since %s, want %s", name, r.UnclearSince, since)
			}
			b.plan(t, k, Plan{Count: 1, Baseline: 0})
			if r := b.load(t, k); !r.UnclearSince.IsZero() {
				t.Errorf("%s: planned, and still since %s", name, r.UnclearSince)
			}
		}
	})
}
