package tasks

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"issuance/internal/ledger"
	"issuance/providers"
)

// An order is known from the moment it is enqueued, from the queue first.
func TestStatusFromTheQueue(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.opt.Now = before
		b.enqueue(t, order("O1"), InLane(Bulk))
		s, err := b.Status(b.ctx, providers.ECTicket, "O1")
		if err != nil {
			t.Fatal(err)
		}
		if s.State != ledger.Queued || s.Lane != "bulk" || s.CreatedAt == nil || !s.CreatedAt.Equal(before()) || s.Attempts != 0 ||
			!strings.Contains(string(s.Shape), `"tickets":2`) || s.Refunds == nil || len(s.Refunds) != 0 {
			t.Errorf("%+v", s)
		}
		raw, err := json.Marshal(s)
		if err != nil || !strings.Contains(string(raw), `"refunds":[]`) || !strings.Contains(string(raw), `"final_at":null`) {
			t.Errorf("%s, %v", raw, err)
		}
	})
}

// What nobody knows is told as such.
func TestAnUnknownOrder(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for _, p := range append(providers.All(), "x") {
			if s, err := b.Status(b.ctx, p, "O1"); !errors.Is(err, ErrUnknownOrder) || s != nil || !strings.Contains(err.Error(), "O1") {
				t.Errorf("%s: %+v, %v", p, s, err)
			}
		}
		b.enqueue(t, order("O1"))
		if _, err := b.Status(b.ctx, providers.Pass2U, "O1"); !errors.Is(err, ErrUnknownOrder) {
			t.Errorf("another provider's order of the same number: %v", err)
		}
	})
}

// Once a worker has begun, the ledger's record is the status.
func TestStatusFromTheLedger(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, order("O1"))
		fence := b.begin(t, b.task(t, Checkout, "issue:ecticket:O1"))
		if _, _, err := b.ledger.Submit(b.ctx, key("O1"), fence, time.Minute); err != nil {
			t.Fatal(err)
		}
		if _, err := b.ledger.Accept(b.ctx, key("O1"), fence, "REF", ""); err != nil {
			t.Fatal(err)
		}
		if _, _, err := b.ledger.Polled(b.ctx, key("O1"), ledger.Reason{Code: "10300071", Message: "in process"}); err != nil {
			t.Fatal(err)
		}
		s, err := b.Status(b.ctx, providers.ECTicket, "O1")
		if err != nil || s.CreatedAt == nil || s.AcceptedAt == nil || s.FinalAt != nil {
			t.Fatalf("%+v, %v", s, err)
		}
		s.CreatedAt, s.AcceptedAt, s.Shape = nil, nil, nil
		want := &Status{Provider: providers.ECTicket, OrderID: "O1", State: ledger.Accepted, ProviderRef: "REF", Lane: "checkout", Attempts: 1, Polls: 1,
			Error: &StatusError{Code: "10300071", Message: "in process"}, Refunds: []RefundStatus{}}
		if d := cmp.Diff(want, s); d != "" {
			t.Errorf("accepted (-want +got):\n%s", d)
		}
		if _, err := b.ledger.Finish(b.ctx, key("O1"), "", ledger.Ending{State: ledger.Review, Reason: ledger.Reason{Code: "overdue"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := b.ledger.Resolve(b.ctx, ledger.Ref{Key: key("O1")}, ledger.Resolution{State: ledger.Failed, Who: "ann", Reason: "they lost it"}); err != nil {
			t.Fatal(err)
		}
		b.drop(t, Checkout, "issue:ecticket:O1")
		s, err = b.Status(b.ctx, providers.ECTicket, "O1")
		if err != nil || s.State != ledger.Failed || s.FinalAt == nil || s.ResolvedBy != "ann" || s.Resolved != "they lost it" {
			t.Errorf("%+v, %v", s, err)
		}
	})
}

// Tickets and access data are bearer secrets: they are opened only for those who ask for them.
func TestTicketsAreOpenedOnlyOnRequest(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, order("O1"))
		sealed, err := SealResult(b.ring, key("O1"), &providers.Result{Ref: "REF", Tickets: []providers.Ticket{{TicketNo: canaryTicket}},
			Access: &providers.Access{URL: "https://" + canaryTicket, Passcode: "p"}})
		if err != nil {
			t.Fatal(err)
		}
		b.finish(t, "O1", ledger.Ending{State: ledger.Issued, Ref: "REF", Result: sealed})
		b.enqueue(t, refund("O1", "R1"))
		p := b.task(t, Checkout, "refund:ecticket:O1:R1")
		fence := b.begin(t, p)
		plan, err := SealPlan(b.ring, p.RefundKey(), []string{canaryTicket, "T2"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.ledger.WritePlan(b.ctx, p.RefundKey(), fence, ledger.Plan{Sealed: plan, Count: 2, Baseline: -1,
			Tickets: []ledger.PlannedTicket{{State: ledger.TicketPlanned}, {State: ledger.TicketRejected, Code: "redeemed"}}}); err != nil {
			t.Fatal(err)
		}

		s, err := b.Status(b.ctx, providers.ECTicket, "O1")
		if err != nil || s.Tickets != nil || s.Access != nil || len(s.Refunds) != 1 || len(s.Refunds[0].Tickets) != 2 {
			t.Fatalf("%+v, %v", s, err)
		}
		raw, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		noCanary(t, "the status", string(raw))

		s, err = b.Status(b.ctx, providers.ECTicket, "O1", WithTickets())
		if err != nil || len(s.Tickets) != 1 || s.Tickets[0].TicketNo != canaryTicket || s.Access == nil || s.Access.Passcode != "p" {
			t.Errorf("%+v, %v", s, err)
		}
		want := []RefundTicket{{TicketNo: canaryTicket, State: ledger.TicketPlanned}, {TicketNo: "T2", State: ledger.TicketRejected, Code: "redeemed"}}
		if !slices.Equal(s.Refunds[0].Tickets, want) {
			t.Errorf("%+v", s.Refunds[0])
		}

		// Who has no key for them is told so, and still gets the rest.
		stranger := client(t, b.rdb, oldKey)
		if _, err := stranger.Status(b.ctx, providers.ECTicket, "O1"); err != nil {
			t.Error(err)
		}
		if _, err := stranger.Status(b.ctx, providers.ECTicket, "O1", WithTickets()); err == nil || !strings.Contains(err.Error(), "ISSUANCE_SEAL_KEYS") {
			t.Errorf("%v", err)
		}
	})
}

// A refund's status counts what it has refunded so far, and then what it has refunded.
func TestStatusOfRefunds(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, refund("O1", "R1"))
		p := b.task(t, Checkout, "refund:ecticket:O1:R1")
		fence := b.begin(t, p)
		k := p.RefundKey()
		plan, err := SealPlan(b.ring, k, []string{"T1", "T2"})
		if err != nil {
			t.Fatal(err)
		}
		steps := []func() (ledger.Answer, error){
			func() (ledger.Answer, error) {
				return b.ledger.WritePlan(b.ctx, k, fence, ledger.Plan{Sealed: plan, Count: 2, Baseline: -1,
					Tickets: []ledger.PlannedTicket{{State: ledger.TicketPlanned}, {State: ledger.TicketPlanned}}})
			},
			func() (ledger.Answer, error) { return b.ledger.SubmitTicket(b.ctx, k, fence, time.Minute, 0) },
			func() (ledger.Answer, error) {
				return b.ledger.SettleTicket(b.ctx, k, fence, 0, ledger.TicketRefunded, "", time.Time{})
			},
		}
		for _, step := range steps {
			if a, err := step(); err != nil || !a.Applied {
				t.Fatalf("%+v, %v", a, err)
			}
		}
		// The order itself was issued elsewhere.
		s, err := b.Status(b.ctx, providers.ECTicket, "O1")
		if err != nil || s.State != StateElsewhere || len(s.Refunds) != 1 {
			t.Fatalf("%+v, %v", s, err)
		}
		if r := s.Refunds[0]; r.State != ledger.Submitting || r.Quantity != 2 || r.Refunded != 1 || r.Attempts != 1 || r.FinalAt != nil {
			t.Errorf("%+v", r)
		}
		if _, err := b.ledger.FinishRefund(b.ctx, k, fence, ledger.RefundEnding{State: ledger.PartiallyRefunded,
			Reason: ledger.Reason{Code: "redeemed"}, Refunded: 1}); err != nil {
			t.Fatal(err)
		}
		s, err = b.Status(b.ctx, providers.ECTicket, "O1")
		if err != nil {
			t.Fatal(err)
		}
		if r := s.Refunds[0]; r.State != ledger.PartiallyRefunded || r.Refunded != 1 || r.FinalAt == nil || r.Error == nil || r.Error.Code != "redeemed" {
			t.Errorf("%+v", r)
		}
	})
}
