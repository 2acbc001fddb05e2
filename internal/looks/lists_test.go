package looks

import (
	"testing"
	"time"

	"issuance/internal/ledger"
	"issuance/internal/vault"
	"issuance/providers"
	"issuance/tasks/order"
)

// A list that lacks tickets concludes nothing, and one that takes something back is checked with the ticket itself.
func TestAListThatLagsConcludesNothing(t *testing.T) {
	b := start(t)
	b.issued("A1", 2)
	all := b.fake.orders["A1"]
	b.fake.orders["A1"] = all[:1]
	b.must(b.Notices.Want(t.Context(), ref("A1")))
	b.look(0)
	if list, err := b.Ledger.TicketList(t.Context(), ref("A1")); err != nil || len(list.Tickets) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	b.fake.orders["A1"] = all
	b.fake.set("A1", "A1T1", providers.Redeemed)
	b.look(time.Hour)
	b.fake.calls = nil
	b.fake.set("A1", "A1T1", providers.Unused) // the list is behind, the ticket is not
	b.fake.single["A1T1"] = providers.Redeemed
	b.must(b.Notices.Want(t.Context(), ref("A1")))
	b.look(time.Minute)
	b.wantCalls("list A1", "ticket A1T1")
	b.fake.single["A1T1"] = providers.Unused // it was cancelled, and the ticket is redeemed once more
	b.must(b.Notices.Want(t.Context(), ref("A1")))
	b.look(time.Minute)
	b.fake.set("A1", "A1T1", providers.Redeemed)
	b.must(b.Notices.Want(t.Context(), ref("A1")))
	b.look(time.Minute)
	b.wantSaw("A1/1 redeemed", "A1/1 redeemed")
}

// Refunds of ours are ours, those of others are marked, and one under way leaves its ticket undecided.
func TestRefundsByOthersAreMarked(t *testing.T) {
	b := start(t)
	ctx := t.Context()
	b.issued("A1", 3)
	r := ref("A1").Refund("R1")
	_, err := b.Ledger.Record(ctx, ledger.Intake{Ref: r, Lane: order.Checkout, Fingerprint: "k.f", Shape: []byte(`{}`), Document: "s1.k.doc"})
	b.must(err)
	c, err := b.Ledger.Claim(ctx, r, "test", time.Hour)
	b.must(err)
	plan, err := vault.SealPlan(b.Ring, r, []string{"A1T1"})
	b.must(err)
	a, err := b.Ledger.WritePlan(ctx, r, c.Record.Fence, ledger.Plan{Sealed: plan, Count: 1, Baseline: -1, Tickets: []ledger.PlannedTicket{{State: order.TicketPlanned}}})
	b.must(err)
	sent, _, err := b.Ledger.Submit(ctx, r, c.Record.Fence, ledger.Intent{Host: "ecticket.example", Lease: time.Hour, Ticket: 0})
	if b.must(err); !a.Applied || !sent.Applied {
		t.Fatalf("plan %+v, intent %+v, claim %+v", a, sent, c)
	}
	b.fake.set("A1", "A1T1", providers.Refunded)
	b.fake.set("A1", "A1T2", providers.Refunded)
	b.must(b.Notices.Want(ctx, ref("A1")))
	b.look(0)
	b.wantSaw("A1/2 refunded refunded_elsewhere")
	_, err = b.Ledger.SettleTicket(ctx, r, c.Record.Fence, 0, ledger.Settlement{State: order.TicketRefunded})
	b.must(err)
	b.look(time.Minute)
	b.wantSaw("A1/2 refunded refunded_elsewhere", "A1/1 refunded")
}
