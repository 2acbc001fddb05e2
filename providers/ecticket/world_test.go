package ecticket_test

import (
	"testing"
	"time"

	"issuance/providers"
	"issuance/providers/ecticket"
	"issuance/providers/ecticket/ecticketsim"
)

// The client at a provider that lags, replays, and shares its numbers: what it says is true of the
// answer it got, and says enough for the handlers to find the truth.

func TestALaggingLookUpIsAnAssumedAbsence(t *testing.T) {
	sim, c, _ := start(t, ecticketsim.Config{})
	sim.SetLag(ecticketsim.Lag{IssueResult: time.Hour, OrderInfo: time.Hour})
	if out := c.Issue(t.Context(), serialOrder); out.Kind != providers.Accepted {
		t.Fatalf("%+v", out)
	}
	if f := c.LookUp(t.Context(), serialOrder); f.State != providers.Absent || !f.Assumed {
		t.Errorf("%+v", f)
	}
	if _, out := c.Identify(t.Context(), serialOrder); out.Kind != providers.Rejected {
		t.Errorf("%+v", out)
	}
	sim.SetLag(ecticketsim.Lag{List: time.Hour, ListShows: 1})
	sim.RunJob()
	if f := c.LookUp(t.Context(), serialOrder); f.State != providers.FoundIssued {
		t.Errorf("%+v", f)
	}
	if s, out := c.Identify(t.Context(), serialOrder); out.Kind != providers.Done || !s.Partial || s.Differs != "" {
		t.Errorf("a list that lags: %+v, %+v", s, out)
	}
	list, out := c.Tickets(t.Context(), serialOrder)
	if out.Kind != providers.Done || len(list) != 1 { // it looks complete: only the ledger knows better
		t.Errorf("%d tickets, %+v", len(list), out)
	}
}

// Busy and unknown are both authentic rejections; only their codes differ.
func TestBusyIsDistinguishedFromUnknownWhereTheCodeIsKnown(t *testing.T) {
	busy := func(ecticketsim.Call) ecticketsim.Fault { return ecticketsim.Fault{Kind: ecticketsim.Busy} }
	sim, c, _ := start(t, ecticketsim.Config{})
	sim.SetFault(busy)
	if f := c.LookUp(t.Context(), order); f.State != providers.Absent || !f.Assumed {
		t.Errorf("without codes: %+v", f)
	}
	sim, c, _ = start(t, ecticketsim.Config{}, func(cfg *ecticket.Config) { cfg.Codes = map[string]ecticket.Meaning{"991006": ecticket.MeansNotFound} })
	sim.SetFault(busy)
	if f := c.LookUp(t.Context(), order); f.State != providers.Unclear {
		t.Errorf("with codes: %+v", f)
	}
	sim.SetFault(nil)
	if f := c.LookUp(t.Context(), order); f.State != providers.Absent || f.Assumed {
		t.Errorf("with codes, and unknown: %+v", f)
	}
}

// A replayed confirmation of a refund is authentic and names nothing: the ticket itself says that
// nothing happened, and says of a real refund whose it is and when.
func TestOnlyTheTicketProvesItsRefund(t *testing.T) {
	sim, c, _ := start(t, ecticketsim.Config{})
	c.Issue(t.Context(), serialOrder)
	sim.RunJob()
	list, _ := c.Tickets(t.Context(), serialOrder)
	refund := func(i int) providers.Outcome {
		return c.RefundTicket(t.Context(), providers.TicketRefund{TicketNo: list[i].TicketNo, Operator: "AngelaChan"})
	}
	refund(0)
	sim.SetFault(func(call ecticketsim.Call) ecticketsim.Fault {
		if call.Op == ecticketsim.OpRefund {
			return ecticketsim.Fault{Kind: ecticketsim.Replay}
		}
		return ecticketsim.Fault{}
	})
	if out := refund(1); out.Kind != providers.Done {
		t.Errorf("%+v", out)
	}
	if s, _ := c.TicketStatus(t.Context(), list[1].TicketNo); s.UseStatus != providers.Unused || s.RefundedAt != "" || s.OrderID != serialOrder.ID {
		t.Errorf("%+v", s)
	}
	s, out := c.TicketStatus(t.Context(), list[0].TicketNo)
	if out.Kind != providers.Done || s.UseStatus != providers.Refunded || s.OrderID != serialOrder.ID || s.RefundedBy != merchant || s.RefundedAt == "" {
		t.Errorf("%+v", s)
	}
	sim.SetFault(func(ecticketsim.Call) ecticketsim.Fault { return ecticketsim.Fault{Kind: ecticketsim.RejectAfter} })
	if out := refund(2); out.Kind != providers.Rejected {
		t.Errorf("%+v", out)
	}
	sim.SetFault(nil)
	if s, _ := c.TicketStatus(t.Context(), list[2].TicketNo); s.UseStatus != providers.Refunded {
		t.Errorf("a refund that was rejected after it took effect: %+v", s)
	}
}

func TestTheClocksDifferenceIsKnown(t *testing.T) {
	for _, off := range []time.Duration{4 * time.Minute, -5 * time.Minute} {
		sim, c, ours := start(t, ecticketsim.Config{})
		sim.SetClockOff(off)
		c.Issue(t.Context(), serialOrder)
		sim.RunJob()
		sight, _ := c.Identify(t.Context(), serialOrder)
		ahead := c.Skew().Ahead
		if ahead != off {
			t.Errorf("%s off, measured %s", off, ahead)
		}
		if at := sight.CreatedAt.Add(-ahead); !at.Equal(ours.Now()) {
			t.Errorf("%s off: issued at %s by our clock, which says %s", off, at, ours.Now())
		}
	}
}

func TestAnOutageIsNoAnswerOfTheProvider(t *testing.T) {
	for kind, want := range map[ecticketsim.FaultKind]providers.Outcome{
		ecticketsim.TransRefused:  {Kind: providers.Held, Code: "trans_990006"},
		ecticketsim.GarbageBefore: {Kind: providers.Unknown, Code: "unreadable"},
		ecticketsim.EmptyBefore:   {Kind: providers.Unknown, Code: "unreadable"},
		ecticketsim.TooMany429:    {Kind: providers.Unknown, Code: "http_429"},
	} {
		sim, c, _ := start(t, ecticketsim.Config{})
		sim.StartOutage(ecticketsim.Fault{Kind: kind, RetryAfter: "120"}, 0)
		f := c.LookUp(t.Context(), serialOrder)
		if f.State != providers.Unclear || f.Outcome.Kind != want.Kind || f.Outcome.Code != want.Code {
			t.Errorf("%d: %+v", kind, f)
		}
		if out := c.Issue(t.Context(), serialOrder); out.Kind != providers.Unknown || out.Code != want.Code || kind == ecticketsim.TooMany429 && out.RetryAfter != 2*time.Minute {
			t.Errorf("%d: %+v", kind, out)
		}
		if n := sim.EndOutage(); n != 2 {
			t.Errorf("%d: %d calls", kind, n)
		}
	}
}
