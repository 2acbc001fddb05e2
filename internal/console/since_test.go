package console

import (
	"testing"

	"issuance/providers"
)

// The pages and the file of tickets mark a ticket whose code is worth nothing, though the provider still shows it as unused.
func TestATicketThatIsRefundedSinceIsMarked(t *testing.T) {
	for want, ticket := range map[[2]string]providers.Ticket{
		{"", ""}:                        {UseStatus: providers.Unused},
		{"由 R1 退款", "refunded by R1"}:   {UseStatus: providers.Unused, RefundID: "R1"},
		{"他處已退款", "refunded elsewhere"}: {UseStatus: providers.Unused, RefundedElsewhere: true},
	} {
		if got := [2]string{Chinese.since(ticket), English.since(ticket)}; got != want {
			t.Errorf("%+v: %q, want %q", ticket, got, want)
		}
	}
	if got := English.since(providers.Ticket{UseStatus: providers.Refunded, RefundedElsewhere: true}); got != "" {
		t.Errorf("what the provider shows is said twice: %q", got)
	}
}
