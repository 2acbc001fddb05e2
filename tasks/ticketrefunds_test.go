package tasks

import (
	"encoding/json"
	"strings"
	"testing"

	"issuance/internal/ledger"
	"issuance/internal/vault"
	"issuance/providers"
)

// A ticket that a refund has refunded, or found refunded by somebody else, is marked, though the provider's latest list
// shows it as unused: its redemption code is worth nothing.
func TestATicketSaysWhatRefundsHaveFoundOut(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		r := ref("O1")
		b.enqueue(t, orderDoc("O1"))
		shown := []providers.Ticket{
			{TicketNo: "T1", UseStatus: providers.Unused}, {TicketNo: "T2", UseStatus: providers.Unused},
			{TicketNo: "T3", UseStatus: providers.Unused}, {TicketNo: "T4", UseStatus: providers.Unused},
		}
		sealed, err := vault.SealResult(b.ring, r, &providers.Result{Ref: "REF", Tickets: shown})
		must(t, err)
		fence := b.begin(t, r)
		b.submit(t, r, fence)
		a, err := b.ledger.Finish(b.ctx, r, fence, ledger.Ending{State: Issued, ProviderRef: "REF", Result: sealed})
		applied(t, a, err)

		b.enqueue(t, refundDoc("O1", "R1"))
		refund := r.Refund("R1")
		fence = b.begin(t, refund)
		plan, err := vault.SealPlan(b.ring, refund, []string{"T1", "T2", "T3"})
		must(t, err)
		a, err = b.ledger.WritePlan(b.ctx, refund, fence, ledger.Plan{Sealed: plan, Count: 3, Baseline: -1, Tickets: []ledger.PlannedTicket{
			{State: "planned"}, {State: "elsewhere", Code: "refunded_elsewhere"}, {State: "rejected", Code: "redeemed"}}})
		applied(t, a, err)
		a, _, err = b.ledger.Submit(b.ctx, refund, fence, ledger.Intent{Host: "h", Lease: 60e9, Ticket: 0})
		applied(t, a, err)
		a, err = b.ledger.SettleTicket(b.ctx, refund, fence, 0, ledger.Settlement{State: "refunded"})
		applied(t, a, err)

		// Another refund finds what the first one has refunded.
		b.enqueue(t, refundDoc("O1", "R2"))
		refund = r.Refund("R2")
		fence = b.begin(t, refund)
		plan, err = vault.SealPlan(b.ring, refund, []string{"T1"})
		must(t, err)
		a, err = b.ledger.WritePlan(b.ctx, refund, fence, ledger.Plan{Sealed: plan, Count: 1, Baseline: -1,
			Tickets: []ledger.PlannedTicket{{State: "elsewhere", Code: "refunded_by_R1"}}})
		applied(t, a, err)

		s, err := b.Status(b.ctx, shop, "O1", WithTickets())
		must(t, err)
		raw, err := json.Marshal(s)
		must(t, err)
		if want := `"tickets":[{"ticket_no":"T1","use_status":"unused","refund_id":"R1"},` +
			`{"ticket_no":"T2","use_status":"unused","refunded_elsewhere":true},` +
			`{"ticket_no":"T3","use_status":"unused"},{"ticket_no":"T4","use_status":"unused"}]`; !strings.Contains(string(raw), want) {
			t.Errorf("%s lacks %s", raw, want)
		}
	})
}
