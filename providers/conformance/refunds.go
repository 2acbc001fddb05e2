package conformance

import (
	"reflect"
	"testing"

	"issuance/providers"
)

func refunds(t *testing.T, s Subject) {
	st := start(t, s)
	_, byTicket := st.client.(providers.TicketRefunder)
	_, byCount := st.client.(providers.CountRefunder)
	if !byTicket && !byCount {
		t.Skip("this provider refunds nothing")
	}
	if byTicket {
		t.Run("a ticket is refunded once", func(t *testing.T) { ticket(t, s) })
		t.Run("a lost refund of a ticket is seen at the ticket", func(t *testing.T) { lostTicket(t, s) })
	}
	if byCount {
		t.Run("refunds by number are counted", func(t *testing.T) { count(t, s) })
		t.Run("a lost refund by number is seen in the count", func(t *testing.T) { lostCount(t, s) })
	}
}

// issued is an order of n tickets that was issued, as a refund knows it: by its stub.
func (st *stage) issued(t testing.TB, id string, n int) providers.Order {
	t.Helper()
	o := st.issue(t, id, n)
	doc, bad := st.s.Codec.ParseOrder("request", o.Request, st.s.rules())
	if bad != nil {
		t.Fatal(bad)
	}
	return providers.Order{ID: o.ID, Request: doc.Stub}
}

// tickets are an order of two tickets, and what refunds the first.
func tickets(t *testing.T, st *stage) (providers.TicketRefunder, providers.Order, providers.TicketRefund) {
	t.Helper()
	p := st.client.(providers.TicketRefunder)
	o := st.issued(t, "T1", 2)
	list, out := p.Tickets(t.Context(), o)
	if out.Kind != providers.Done || len(list) != 2 {
		t.Fatalf("%d tickets, %+v", len(list), out)
	}
	operator, store := st.s.Codec.RefundedBy(st.s.Refund(o.ID, 1), o.Request)
	return p, o, providers.TicketRefund{TicketNo: list[0].TicketNo, Operator: operator, StoreID: store}
}

func ticket(t *testing.T, s Subject) {
	st := start(t, s)
	p, o, r := tickets(t, st)
	if status, out := p.TicketStatus(t.Context(), r.TicketNo); out.Kind != providers.Done || status.UseStatus != providers.Unused || status.OrderID != o.ID {
		t.Fatalf("before: %+v, %+v", status, out)
	}
	out := p.RefundTicket(t.Context(), r)
	s.check(t, "refund", out)
	if out.Kind != providers.Done {
		t.Fatalf("refund: %+v", out)
	}
	status, out := p.TicketStatus(t.Context(), r.TicketNo)
	if out.Kind != providers.Done || status.UseStatus != providers.Refunded || status.RefundedBy != st.client.Account().Merchant {
		t.Errorf("afterwards: %+v, %+v", status, out)
	}
	if _, ok := s.Codec.Time(status.RefundedAt); !ok {
		t.Errorf("the time of the refund cannot be read: %q", status.RefundedAt)
	}
	out = p.RefundTicket(t.Context(), r)
	s.check(t, "second refund", out)
	if out.Kind == providers.Done || st.Refunded(o.ID) != 1 {
		t.Errorf("a second time: %+v, %d tickets are refunded", out, st.Refunded(o.ID))
	}
	unknown := providers.TicketRefund{TicketNo: "NOSUCH1", Operator: r.Operator}
	if out := p.RefundTicket(t.Context(), unknown); out.Kind != providers.Rejected {
		t.Errorf("a ticket that does not exist: %+v", out)
	}
	if _, out := p.TicketStatus(t.Context(), unknown.TicketNo); out.Kind == providers.Done {
		t.Error("a ticket that does not exist has a status")
	}
}

func lostTicket(t *testing.T, s Subject) {
	for _, f := range []fault{cutBefore, cutAfter, failAfter, garbage, forbidden} {
		st := start(t, s)
		p, o, r := tickets(t, st)
		st.misbehave(f)
		before := st.calls.Load()
		if out := p.RefundTicket(t.Context(), r); out.Kind != providers.Unknown || st.calls.Load() != before+1 {
			t.Errorf("fault %d: %+v after %d calls", f, out, st.calls.Load()-before)
		}
		if _, out := p.TicketStatus(t.Context(), r.TicketNo); out.Kind == providers.Done || out.Kind == providers.Rejected {
			t.Errorf("fault %d: the status is %+v", f, out)
		}
		st.misbehave(none)
		status, out := p.TicketStatus(t.Context(), r.TicketNo)
		if out.Kind != providers.Done || (status.UseStatus == providers.Refunded) != f.takesEffect() || (st.Refunded(o.ID) == 1) != f.takesEffect() {
			t.Errorf("fault %d: %+v, %+v; %d tickets are refunded", f, status.UseStatus, out, st.Refunded(o.ID))
		}
	}
}

func count(t *testing.T, s Subject) {
	st := start(t, s)
	p := st.client.(providers.CountRefunder)
	o := st.issued(t, "C1", 3)
	baseline := func(refunded int) {
		t.Helper()
		b, out := p.RefundBaseline(t.Context(), o)
		s.check(t, "baseline", out)
		want := providers.Baseline{Provable: true, Total: 3, Refunded: refunded, Refundable: 3 - refunded, RefundedAt: b.RefundedAt}
		if out.Kind != providers.Done || !reflect.DeepEqual(b, want) || len(b.RefundedAt) > refunded {
			t.Errorf("with %d refunded: %+v, %+v", refunded, b, out)
		}
		if st.Refunded(o.ID) != refunded {
			t.Errorf("%d tickets are refunded, not %d", st.Refunded(o.ID), refunded)
		}
	}
	baseline(0)
	for i, n := range []int{1, 2} {
		out := p.RefundCount(t.Context(), o, n)
		if s.check(t, "refund", out); out.Kind != providers.Done {
			t.Errorf("refund %d: %+v", i, out)
		}
		baseline([]int{1, 3}[i])
	}
	out := p.RefundCount(t.Context(), o, 1)
	if s.check(t, "refund of nothing", out); out.Kind != providers.Rejected {
		t.Errorf("one more than there are: %+v", out)
	}
	if _, out := p.RefundBaseline(t.Context(), st.s.order("NOSUCH", 1)); out.Kind == providers.Done {
		t.Error("an order that does not exist has a count")
	}
}

func lostCount(t *testing.T, s Subject) {
	for _, f := range []fault{cutBefore, cutAfter, failAfter, garbage, forbidden} {
		st := start(t, s)
		p := st.client.(providers.CountRefunder)
		o := st.issued(t, "C1", 3)
		if _, out := p.RefundBaseline(t.Context(), o); out.Kind != providers.Done || out.Result == nil {
			t.Fatalf("%+v", out)
		} else {
			o.Ref = out.Result.Ref // so that a refund is one call
		}
		st.misbehave(f)
		before := st.calls.Load()
		if out := p.RefundCount(t.Context(), o, 2); out.Kind != providers.Unknown || st.calls.Load() != before+1 {
			t.Errorf("fault %d: %+v after %d calls", f, out, st.calls.Load()-before)
		}
		if _, out := p.RefundBaseline(t.Context(), o); out.Kind == providers.Done || out.Kind == providers.Rejected {
			t.Errorf("fault %d: the count is %+v", f, out)
		}
		st.misbehave(none)
		want := 0
		if f.takesEffect() {
			want = 2
		}
		if b, out := p.RefundBaseline(t.Context(), o); out.Kind != providers.Done || !b.Provable || b.Refunded != want || st.Refunded(o.ID) != want {
			t.Errorf("fault %d: %+v, %+v; %d tickets are refunded", f, b, out, st.Refunded(o.ID))
		}
	}
}
