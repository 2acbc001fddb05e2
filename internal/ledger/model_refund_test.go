package ledger

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"issuance/internal/keys"
	"issuance/tasks/order"
)

// refundModel is what one refund should be.
type refundModel struct {
	claimModel
	planned bool
	tickets []order.TicketState
}

func (m *refundModel) free() bool { return len(m.tickets) == 0 }

// refundMachine drives two refunds of one order with two runners and an operator.
type refundMachine struct {
	b      *bench
	refs   [2]order.Ref
	m      [2]refundModel
	turn   int          // whose turn it is, -1 for nobody's
	fences [2][2]string // by refund and runner
	last   [2]order.State
}

func newRefundMachine(b *bench) *refundMachine {
	k := b.order()
	none := refundModel{claimModel: claimModel{holder: -1}}
	return &refundMachine{b: b, refs: [2]order.Ref{k.Refund("R0"), k.Refund("R1")}, m: [2]refundModel{none, none}, turn: -1,
		fences: [2][2]string{{"none", "none"}, {"none", "none"}}}
}

// step is one runner's try at one of the refunds.
type step struct {
	*refundMachine
	r, i  int // refund, runner
	m     *refundModel
	k     order.Ref
	fence string
	now   time.Time
}

func (f *refundMachine) draw(t *rapid.T) step {
	r, i := rapid.IntRange(0, 1).Draw(t, "refund"), rapid.IntRange(0, 1).Draw(t, "runner")
	return step{f, r, i, &f.m[r], f.refs[r], f.fences[r][i], f.b.clock.Now()}
}

func (s step) valid() bool {
	return s.m.holder == s.i && (s.m.state == order.Queued || s.m.state == order.Submitting)
}

func (s step) expect(t *rapid.T, what string, a Answer, err error, want bool, apply func()) {
	if err != nil || a.Applied != want {
		t.Fatalf("%s of %s by %s: %+v, %v, want applied %t", what, s.k.RefundID, runnerName(s.i), a, err, want)
	}
	if want {
		apply()
	}
	if a.State != s.m.state {
		t.Fatalf("%s answered state %s, want %s", what, a.State, s.m.state)
	}
}

func (s step) begin(t *rapid.T) {
	c, err := s.b.Claim(s.b.ctx, s.k, runnerName(s.i), lease)
	if err != nil {
		t.Fatal(err)
	}
	var want Verdict
	switch {
	case s.m.state == "":
		want = Missing
	case s.m.state.Final():
		want = IsFinal
	case s.turn >= 0 && s.turn != s.r:
		want = WaitTurn
	case s.m.holder >= 0 && s.m.until.After(s.now):
		want = Busy
	default:
		if other := s.refundMachine.m[1-s.r]; other.holder >= 0 && other.until.After(s.now) {
			t.Fatalf("both refunds of the order are claimed")
		}
		want = s.m.take(s.i, s.now)
		s.refundMachine.turn = s.r
	}
	if c.Verdict != want || c.Record != nil && !c.Record.DoubtAt.Equal(s.m.doubt) || (c.Record == nil) != (want == Missing) {
		t.Fatalf("claim of %s by %s: %+v, want %s with %s", s.k.RefundID, runnerName(s.i), c, want, s.m.doubt)
	}
	if want == MaySend || want == MustLookUp {
		s.fences[s.r][s.i] = c.Record.Fence
		s.refundMachine.fences[s.r][s.i] = c.Record.Fence
	}
}

// intake is the refund's document being enqueued, for the first time or once more.
func (s step) intake(t *rapid.T) {
	known, err := s.b.Record(s.b.ctx, document(s.k))
	if err != nil || s.m.state == "" && !known.New {
		t.Fatalf("intake: %+v, %v", known, err)
	}
	if s.m.state == "" {
		s.m.state = order.Queued
	}
	if known.State != s.m.state {
		t.Fatalf("intake: %+v, want %s", known, s.m.state)
	}
}

// passOn gives the turn on when the refund has it.
func (s step) passOn() {
	if s.turn == s.r {
		s.refundMachine.turn = -1
	}
}

func (s step) end(state order.State) {
	s.m.end(state)
	s.passOn()
}

func (f *refundMachine) actions() map[string]func(*rapid.T) {
	b, ctx := f.b, f.b.ctx
	refundEnd := rapid.SampledFrom([]order.State{order.Refunded, order.PartiallyRefunded, order.Failed, order.Review})
	release := func(how Release, why Reason) func(*rapid.T) {
		return func(t *rapid.T) {
			s := f.draw(t)
			a, err := b.GiveBack(ctx, s.k, s.fence, how, why)
			s.expect(t, string(how), a, err, s.valid(), func() { s.m.release(how, s.now, s.m.tickets) })
		}
	}
	return map[string]func(*rapid.T){
		"":       func(t *rapid.T) { f.check(t) },
		"intake": func(t *rapid.T) { f.draw(t).intake(t) },
		"begin":  func(t *rapid.T) { f.draw(t).begin(t) },
		"plan": func(t *rapid.T) {
			s, p := f.draw(t), byNumber
			if rapid.Bool().Draw(t, "by ticket") {
				p = twoTickets
			}
			a, err := b.WritePlan(ctx, s.k, s.fence, p)
			s.expect(t, "plan", a, err, s.valid() && s.m.state == order.Queued && s.m.free() && s.m.doubt.IsZero(), func() {
				s.m.planned = true
				for _, ticket := range p.Tickets {
					s.m.tickets = append(s.m.tickets, ticket.State)
				}
			})
		},
		"submit": func(t *rapid.T) {
			s := f.draw(t)
			a, _, err := b.trySubmit(s.k, s.fence)
			s.expect(t, "submit", a, err, s.valid() && s.m.planned && s.m.free(), func() { s.m.intent(s.now) })
		},
		"submit ticket": func(t *rapid.T) {
			s, n := f.draw(t), rapid.IntRange(0, 2).Draw(t, "ticket")
			a, err := b.submitTicket(s.k, s.fence, n)
			may := s.valid() && n < len(s.m.tickets) && (s.m.tickets[n] == order.TicketPlanned || s.m.tickets[n] == order.TicketDoubt)
			s.expect(t, "submit ticket", a, err, may, func() {
				s.m.intent(s.now)
				s.m.tickets[n] = order.TicketSending
			})
		},
		"settle ticket": func(t *rapid.T) {
			s, n := f.draw(t), rapid.IntRange(0, 2).Draw(t, "ticket")
			to := rapid.SampledFrom([]order.TicketState{order.TicketPlanned, order.TicketDoubt, order.TicketRefunded, order.TicketElsewhere, order.TicketRejected}).Draw(t, "to")
			notSent := to == order.TicketPlanned && rapid.Bool().Draw(t, "not sent")
			a, err := b.SettleTicket(ctx, s.k, s.fence, n, Settlement{State: to, Code: "C", NotSent: notSent})
			s.expect(t, "settle ticket", a, err, s.valid() && n < len(s.m.tickets) && !s.m.tickets[n].Settled(), func() {
				if notSent && s.m.phase == "send" && s.m.tickets[n] == order.TicketSending {
					s.m.unsent++
				}
				s.m.tickets[n], s.m.phase = to, "claim"
				if !slices.Contains(s.m.tickets, order.TicketSending) {
					s.m.doubt = time.Time{}
				}
			})
		},
		"not sent": release(NotSent, Reason{Code: "dial"}),
		"unknown":  release(Unknown, Reason{Code: "t"}),
		"idle":     release(Idle, Reason{}),
		"rejected": func(t *rapid.T) {
			s := f.draw(t)
			a, err := b.Rejected(ctx, s.k, s.fence, Reason{Code: "E"})
			s.expect(t, "rejected", a, err, s.valid() && s.m.state == order.Submitting, func() { s.m.rejected, s.m.phase = true, "claim" })
		},
		"yield": func(t *rapid.T) {
			s := f.draw(t)
			a, err := b.YieldTurn(ctx, s.k, s.fence, Reason{Code: "w"}, false)
			s.expect(t, "yield", a, err, s.valid() && s.m.state == order.Queued && !s.m.planned, func() {
				s.m.giveBack()
				s.passOn()
			})
		},
		"finish": func(t *rapid.T) {
			s, to := f.draw(t), refundEnd.Draw(t, "end")
			a, err := b.Finish(ctx, s.k, s.fence, Ending{State: to, Reason: Reason{Code: "C"}, Refunded: 1})
			s.expect(t, "finish", a, err, s.valid(), func() { s.end(to) })
		},
		"extend": func(t *rapid.T) {
			s := f.draw(t)
			err := b.Extend(ctx, s.k, s.fence, lease)
			if (err == nil) != s.valid() {
				t.Fatalf("extend: %v, want applied %t", err, s.valid())
			} else if err == nil {
				s.m.until = s.now.Add(lease)
			}
		},
		"resolve": func(t *rapid.T) {
			s := f.draw(t)
			to := rapid.SampledFrom([]order.State{order.Refunded, order.PartiallyRefunded, order.Failed}).Draw(t, "end")
			a, err := b.Resolve(ctx, s.k, Resolution{State: to, Who: "ann", Reason: "r"})
			s.expect(t, "resolve", a, err, s.m.state == order.Review, func() { s.m.end(to) })
		},
		"reopen": func(t *rapid.T) {
			s := f.draw(t)
			a, err := b.Reopen(ctx, s.k, "ann", "r")
			s.expect(t, "reopen", a, err, s.m.state == order.Review, func() { s.m.reopen(s.now, s.m.free()) })
		},
		"cancel": func(t *rapid.T) {
			s := f.draw(t)
			a, err := b.Cancel(ctx, s.k, "ann", "r")
			if s.m.state == "" {
				if err != ErrNotFound {
					t.Fatalf("cancel of nothing: %+v, %v", a, err)
				}
				return
			}
			s.expect(t, "cancel", a, err, s.m.state == order.Queued && !s.m.inDoubt() && s.m.neverSent() && !openTicket(s.m.tickets), func() { s.end(order.Cancelled) })
		},
		"an event is lost": func(t *rapid.T) {
			if s := f.draw(t); s.m.state.Final() {
				loseEvent(t, b, s.k)
			}
		},
		"sweep": func(t *rapid.T) { sweep(t, b) },
		"time passes": func(t *rapid.T) {
			b.clock.pass(time.Duration(rapid.IntRange(1, 15_000).Draw(t, "ms")) * time.Millisecond)
		},
	}
}

// check holds after every step.
func (f *refundMachine) check(t *rapid.T) {
	for i, k := range f.refs {
		r, err := f.b.Load(f.b.ctx, k)
		m := &f.m[i]
		if m.state == "" {
			if !errors.Is(err, ErrNotFound) {
				t.Fatalf("a record came from nowhere: %+v, %v", r, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if d := m.differs(f.b, r); d != "" {
			t.Fatalf("%s: %s", k.RefundID, d)
		}
		if r.State != f.last[i] && !slices.Contains(edges[f.last[i]], r.State) {
			t.Fatalf("%s became %s", f.last[i], r.State)
		}
		f.last[i] = r.State
		var states []order.TicketState
		for _, ticket := range r.Tickets {
			states = append(states, ticket.State)
		}
		if !slices.Equal(states, m.tickets) {
			t.Fatalf("%s: tickets %v, want %v", k.RefundID, states, m.tickets)
		}
	}
	want := ""
	if f.turn >= 0 {
		want = f.refs[f.turn].RefundID
	}
	if turn := f.b.rdb.Get(f.b.ctx, keys.Turn(f.refs[0])).Val(); turn != want {
		t.Fatalf("it is the turn of %q, want %q", turn, want)
	}
}

// conclude brings both refunds to their ends; nobody may be left waiting for a turn.
func (f *refundMachine) conclude(t *rapid.T) {
	b := f.b
	for range 2 {
		for r := range f.refs {
			b.clock.pass(time.Hour)
			s := step{f, r, 0, &f.m[r], f.refs[r], "", b.clock.Now()}
			if s.m.state == order.Review {
				a, err := b.Resolve(b.ctx, s.k, Resolution{State: order.Failed, Who: "ann", Reason: "r"})
				s.expect(t, "the last decision", a, err, true, func() { s.m.end(order.Failed) })
			}
			if s.m.state == "" {
				s.intake(t)
			}
			s.begin(t)
			if f.m[r].holder == 0 {
				s.fence = f.fences[r][0]
				a, err := b.Finish(b.ctx, s.k, s.fence, Ending{State: order.Refunded})
				s.expect(t, "the last finish", a, err, true, func() { s.end(order.Refunded) })
			}
		}
	}
	b.clock.pass(time.Hour)
	sweep(t, b)
	for r, k := range f.refs {
		if !f.m[r].state.Final() || f.m[r].state == order.Review {
			t.Fatalf("%s is left as %s", k.RefundID, f.m[r].state)
		}
		publishedEvents(t, b, k, f.m[r].finals)
	}
}

// The promises of orders, and one refund of an order at a time, no ticket sent that is settled or
// being sent.
func TestRefundsKeepTheirPromisesInEveryOrderOfThings(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		rapid.Check(t, func(t *rapid.T) {
			f := newRefundMachine(b)
			t.Repeat(f.actions())
			f.conclude(t)
		})
	})
}
