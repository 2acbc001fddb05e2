package ledger

import (
	"slices"
	"testing"
	"time"

	"issuance/internal/testredis"
)

// An observer hears of every transition that is applied, once, and of none that is refused.
func TestObserver(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		var heard []string
		l := New(s.Client(), Options{Observer: func(c Change) {
			heard = append(heard, c.Ref.String()+" "+c.Event+" "+string(c.State))
			if c.Final() != (c.Event == "issued" || c.Event == "refunded") {
				t.Errorf("%+v: Final is %v", c, c.Final())
			}
		}})
		ctx := t.Context()
		k := Key{Provider: "ecticket", OrderID: "A1"}
		in := Intake{Runner: "w", Lease: time.Minute, Fingerprint: "fp", Shape: "{}"}
		ok := func(a Answer, err error) {
			t.Helper()
			if err != nil || !a.Applied {
				t.Fatal(a, err)
			}
		}
		submit := func(fence string) {
			t.Helper()
			a, _, err := l.Submit(ctx, k, fence, time.Minute)
			ok(a, err)
		}
		begin := func() string {
			t.Helper()
			c, err := l.Begin(ctx, k, in)
			if err != nil {
				t.Fatal(err)
			}
			return c.Fence
		}
		f := begin()
		begin() // busy: nothing to tell
		submit(f)
		ok(l.NotSent(ctx, k, f, Reason{Code: "x"}))
		if a, err := l.Accept(ctx, k, f, "R", ""); err != nil || a.Applied {
			t.Fatal("an old fence is taken", a, err)
		}
		f = begin()
		submit(f)
		ok(l.Unknown(ctx, k, f, Reason{Code: "timeout"}))
		f = begin()
		ok(l.Idle(ctx, k, f, Reason{}))
		f = begin()
		submit(f)
		ok(l.Rejected(ctx, k, f, Reason{Code: "no"}))
		ok(l.Accept(ctx, k, f, "R", ""))
		a, _, err := l.Polled(ctx, k, Reason{})
		ok(a, err)
		ok(l.Finish(ctx, k, "", Ending{State: Issued}))
		if a, err := l.Finish(ctx, k, "", Ending{State: Failed}); err != nil || a.Applied {
			t.Fatal("a final state changes", a, err)
		}
		r := RefundKey{Key: k, RefundID: "R1"}
		c, err := l.BeginRefund(ctx, r, in)
		if err != nil {
			t.Fatal(err)
		}
		ok(l.WritePlan(ctx, r, c.Fence, Plan{Count: 1, Tickets: []PlannedTicket{{State: TicketPlanned}}}))
		ok(l.SubmitTicket(ctx, r, c.Fence, time.Minute, 0))
		ok(l.SettleTicket(ctx, r, c.Fence, 0, TicketRefunded, "", time.Time{}))
		ok(l.FinishRefund(ctx, r, c.Fence, RefundEnding{State: Refunded, Refunded: 1}))

		want := []string{
			"ecticket/A1 queued queued", "ecticket/A1 submit submitting", "ecticket/A1 not_sent queued",
			"ecticket/A1 submit submitting", "ecticket/A1 unknown submitting", "ecticket/A1 idle submitting",
			"ecticket/A1 submit submitting", "ecticket/A1 rejected submitting", "ecticket/A1 accept accepted",
			"ecticket/A1 polled accepted", "ecticket/A1 issued issued",
			"ecticket/A1/R1 queued queued", "ecticket/A1/R1 plan queued", "ecticket/A1/R1 submit_ticket submitting",
			"ecticket/A1/R1 settle_ticket submitting", "ecticket/A1/R1 refunded refunded",
		}
		if !slices.Equal(heard, want) {
			t.Errorf("heard\n%q\nwant\n%q", heard, want)
		}
	})
}
