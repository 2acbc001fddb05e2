package tasks

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/internal/vault"
	"issuance/providers"
)

// An order is known from its receipt on, with everything that a receipt promises.
func TestStatusFromTheReceiptOn(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		c := b.clientWith(t, Options{SealKeys: newKey, Rules: rules, Now: before})
		if _, err := c.Enqueue(b.ctx, orderDoc("O1"), InLane(Bulk)); err != nil {
			t.Fatal(err)
		}
		s, err := c.Status(b.ctx, Account{Provider: providers.ECTicket}, "O1")
		if err != nil {
			t.Fatal(err)
		}
		if s.State != Queued || s.Lane != Bulk || s.Account != shop || s.CreatedAt == nil || !s.CreatedAt.Equal(before()) || s.Attempts != 0 ||
			!strings.Contains(string(s.Shape), `"tickets":2`) || s.Refunds == nil || len(s.Refunds) != 0 {
			t.Errorf("%+v", s)
		}
		raw, err := json.Marshal(s)
		for _, want := range []string{`"refunds":[]`, `"final_at":null`, `"account":"ecticket:2000132"`, `"created_at":"2023-12-31T12:00:00Z"`} {
			if err != nil || !strings.Contains(string(raw), want) {
				t.Errorf("no %s in %s, %v", want, raw, err)
			}
		}
		noCanary(t, "the status", string(raw))
	})
}

// What nobody knows is reported as such.
func TestAnUnknownOrder(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		for _, a := range []Account{shop, second, pass} {
			if s, err := b.Status(b.ctx, a, "O1"); !errors.Is(err, ErrUnknownOrder) || s != nil || !strings.Contains(err.Error(), "O1") {
				t.Errorf("%s: %+v, %v", a, s, err)
			}
		}
		if _, err := b.Status(b.ctx, Account{Provider: "x"}, "O1"); err == nil {
			t.Error("an unknown provider")
		}
		b.enqueue(t, orderDoc("O1"))
		for _, a := range []Account{second, pass} {
			if _, err := b.Status(b.ctx, a, "O1"); !errors.Is(err, ErrUnknownOrder) {
				t.Errorf("another account's order of the same number: %v", err)
			}
		}
	})
}

// The ledger's record is the status, all the way to a person's decision.
func TestStatusFollowsTheRecord(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, orderDoc("O1"))
		b.reach(t, ref("O1"), Accepted)
		a, err := b.ledger.Polled(b.ctx, ref("O1"), "", ledger.Reason{Code: "10300071", Message: "in process"}, ledger.Idle)
		applied(t, a, err)
		s, err := b.Status(b.ctx, shop, "O1")
		if err != nil || s.CreatedAt == nil || s.AcceptedAt == nil || s.FinalAt != nil || s.ReviewAt != nil || s.Waits == nil {
			t.Fatalf("%+v, %v", s, err)
		}
		s.CreatedAt, s.AcceptedAt, s.Shape, s.Waits = nil, nil, nil, nil
		want := &Status{Provider: providers.ECTicket, Account: shop, OrderID: "O1", ProviderRef: "REF", Polls: 1,
			Standing: Standing{State: Accepted, Lane: Checkout, Attempts: 1, Error: &StatusError{Code: "10300071", Message: "in process"}}, Refunds: []RefundStatus{}}
		if d := cmp.Diff(want, s); d != "" {
			t.Errorf("accepted (-want +got):\n%s", d)
		}
		a, err = b.ledger.Finish(b.ctx, ref("O1"), "", ledger.Ending{State: Review, Reason: ledger.Reason{Code: "overdue"}})
		applied(t, a, err)
		// A review is not settled: it has a time of its own, and no final one before a person decides.
		if s, err = b.Status(b.ctx, shop, "O1"); err != nil || s.State != Review || s.ReviewAt == nil || s.FinalAt != nil || s.Waits != nil {
			t.Errorf("%+v, %v", s, err)
		}
		a, err = b.ledger.Resolve(b.ctx, ref("O1"), ledger.Resolution{State: Failed, Who: "ann", Reason: "they lost it"})
		applied(t, a, err)
		s, err = b.Status(b.ctx, shop, "O1")
		if err != nil || s.State != Failed || s.FinalAt == nil || s.ReviewAt != nil || s.ResolvedBy != "ann" || s.Resolved != "they lost it" {
			t.Errorf("%+v, %v", s, err)
		}
	})
}

// A request that certainly had no effect is not counted as one that may have reached the provider.
func TestRequestsThatNeverLeftAreCountedApart(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		r := ref("O1")
		b.enqueue(t, orderDoc("O1"))
		b.enqueue(t, refundDoc("O1", "R1"))
		for _, r := range []Ref{r, r.Refund("R1")} {
			for _, how := range []ledger.Release{ledger.NotSent, ledger.NotSent, ledger.Unknown} {
				fence := b.begin(t, r)
				b.submit(t, r, fence)
				a, err := b.ledger.GiveBack(b.ctx, r, fence, how, ledger.Reason{Code: "refused"})
				applied(t, a, err)
			}
		}
		s, err := b.Status(b.ctx, shop, "O1")
		if err != nil || s.Attempts != 1 || s.Unsent != 2 || s.Refunds[0].Attempts != 1 || s.Refunds[0].Unsent != 2 {
			t.Errorf("%+v, %v", s, err)
		}
	})
}

// Tickets and access data are bearer secrets: they are opened only for those who ask for them.
func TestTicketsAreOpenedOnlyOnRequest(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		r := ref("O1")
		b.enqueue(t, orderDoc("O1"))
		sealed, err := vault.SealResult(b.ring, r, &providers.Result{Ref: "REF", Tickets: []providers.Ticket{{TicketNo: canaryTicket}},
			Access: &providers.Access{URL: "https://" + canaryTicket, Passcode: "p"}})
		must(t, err)
		fence := b.begin(t, r)
		b.submit(t, r, fence)
		a, err := b.ledger.Finish(b.ctx, r, fence, ledger.Ending{State: Issued, ProviderRef: "REF", Result: sealed})
		applied(t, a, err)
		b.enqueue(t, refundDoc("O1", "R1"))
		refund := r.Refund("R1")
		fence = b.begin(t, refund)
		plan, err := vault.SealPlan(b.ring, refund, []string{canaryTicket, "T2"})
		must(t, err)
		a, err = b.ledger.WritePlan(b.ctx, refund, fence, ledger.Plan{Sealed: plan, Count: 2, Baseline: -1,
			Tickets: []ledger.PlannedTicket{{State: "planned"}, {State: "rejected", Code: "redeemed"}}})
		applied(t, a, err)

		s, err := b.Status(b.ctx, shop, "O1")
		if err != nil || s.Tickets != nil || s.Access != nil || len(s.Refunds) != 1 || len(s.Refunds[0].Tickets) != 2 {
			t.Fatalf("%+v, %v", s, err)
		}
		raw, err := json.Marshal(s)
		must(t, err)
		noCanary(t, "the status", string(raw))

		s, err = b.Status(b.ctx, shop, "O1", WithTickets())
		if err != nil || len(s.Tickets) != 1 || s.Tickets[0].TicketNo != canaryTicket || s.Access == nil || s.Access.Passcode != "p" {
			t.Errorf("%+v, %v", s, err)
		}
		want := []RefundTicket{{TicketNo: canaryTicket, State: "planned"}, {TicketNo: "T2", State: "rejected", Code: "redeemed"}}
		if !slices.Equal(s.Refunds[0].Tickets, want) {
			t.Errorf("%+v", s.Refunds[0])
		}

		// Who has no key for them gets an error for them, and without them the rest.
		keyless := b.client(t, oldKey)
		if _, err := keyless.Status(b.ctx, shop, "O1"); err != nil {
			t.Error(err)
		}
		if _, err := keyless.Status(b.ctx, shop, "O1", WithTickets()); !errors.Is(err, ErrWrongKeys) || !strings.Contains(err.Error(), "ISSUANCE_SEAL_KEYS") {
			t.Errorf("%v", err)
		}
	})
}

// A refund's status counts what it has refunded so far, and then what it has refunded.
func TestStatusOfRefunds(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		b.enqueue(t, refundDoc("O1", "R1"))
		r := ref("O1").Refund("R1")
		fence := b.begin(t, r)
		plan, err := vault.SealPlan(b.ring, r, []string{"T1", "T2"})
		must(t, err)
		a, err := b.ledger.WritePlan(b.ctx, r, fence, ledger.Plan{Sealed: plan, Count: 2, Baseline: -1,
			Tickets: []ledger.PlannedTicket{{State: "planned"}, {State: "planned"}}})
		applied(t, a, err)
		a, _, err = b.ledger.Submit(b.ctx, r, fence, ledger.Intent{Host: "h", Lease: 60e9, Ticket: 0})
		applied(t, a, err)
		a, err = b.ledger.SettleTicket(b.ctx, r, fence, 0, ledger.Settlement{State: "refunded"})
		applied(t, a, err)
		// The order itself was issued elsewhere.
		s, err := b.Status(b.ctx, shop, "O1")
		if err != nil || s.State != Unrecorded || len(s.Refunds) != 1 {
			t.Fatalf("%+v, %v", s, err)
		}
		if r := s.Refunds[0]; r.State != Submitting || r.Quantity != 2 || r.Refunded != 1 || r.Attempts != 1 || r.FinalAt != nil {
			t.Errorf("%+v", r)
		}
		a, err = b.ledger.Finish(b.ctx, r, fence, ledger.Ending{State: PartiallyRefunded, Reason: ledger.Reason{Code: "redeemed"}, Refunded: 1})
		applied(t, a, err)
		s, err = b.Status(b.ctx, shop, "O1")
		must(t, err)
		if r := s.Refunds[0]; r.State != PartiallyRefunded || r.Refunded != 1 || r.FinalAt == nil || r.Error == nil || r.Error.Code != "redeemed" {
			t.Errorf("%+v", r)
		}
	})
}

// States answers for many orders and refunds in one round trip, unknown ones among them.
func TestStatesOfMany(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		var refs []Ref
		var want []State
		add := func(r Ref, s State) { refs, want = append(refs, r), append(want, s) }
		for _, s := range []State{Queued, Submitting, Accepted, Issued, Failed, Cancelled, Review} {
			r := ref(b.id())
			b.enqueue(t, orderDoc(r.OrderID))
			b.reach(t, r, s)
			add(r, s)
		}
		b.enqueue(t, refundDoc("R1", "R1"))
		b.reach(t, ref("R1").Refund("R1"), Refunded)
		add(ref("R1").Refund("R1"), Refunded)
		add(ref("R1").Refund("R2"), "")
		add(ref("NOBODY"), "")
		add(Ref{Account: Account{Provider: providers.ECTicket}, OrderID: refs[3].OrderID}, Issued)
		hook := &losing{}
		c := b.client(t, newKey, hook)
		must(t, c.Ready(b.ctx))
		connected := hook.count()
		got, err := c.States(b.ctx, refs)
		if n := hook.count() - connected; err != nil || !slices.Equal(got, want) || n != 1 {
			t.Errorf("%v, %v in %d exchanges, want %v", got, err, n, want)
		}
		if got, err := b.States(b.ctx, nil); err != nil || len(got) != 0 {
			t.Errorf("%v, %v", got, err)
		}
		must(t, b.rdb.Set(b.ctx, keys.Record(ref("BROKEN")), "no hash", 0).Err())
		if _, err := b.States(b.ctx, []Ref{ref("BROKEN")}); err == nil {
			t.Error("what cannot be read has a state")
		}
	})
}
