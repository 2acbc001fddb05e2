package ecticketdoc

import (
	"fmt"

	"issuance/providers"
)

// check is providers.Codec.Check. ECTicket refunds named tickets, so a refund is settled by looking at
// them.
func check(f providers.ReviewFacts) string {
	if f.RefundID == "" {
		return fmt.Sprintf("look up order %s in ECPay's vendor back office. It is there, with these items and issued: issued. "+
			"Issuing failed, or it is still not there %s after it was last sent: failed, and the order may be sold again under a new number", f.OrderID, f.Late)
	}
	return fmt.Sprintf("not before %s after it was last sent: `enqueue status %s %s --tickets` shows the tickets of this refund, "+
		"`enqueue ticket TICKETNO` whether one is refunded. "+
		"All are: refunded. Some are: partially_refunded. None is: failed, and it may be refunded again under a new refund id", f.Late, f.Account, f.OrderID)
}
