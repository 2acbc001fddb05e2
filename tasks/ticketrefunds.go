package tasks

import "issuance/tasks/order"

// markRefunded has the tickets say what refunds of the order have found out about them, which the provider's latest list
// may not show.
func (s *Status) markRefunded() {
	by, elsewhere := map[string]string{}, map[string]bool{}
	for _, r := range s.Refunds {
		for _, t := range r.Tickets {
			switch {
			case t.TicketNo == "":
			case t.State == order.TicketRefunded:
				by[t.TicketNo] = r.RefundID
			case t.State == order.TicketElsewhere && t.Code == string(order.CodeRefundedElsewhere):
				elsewhere[t.TicketNo] = true
			}
		}
	}
	for i := range s.Tickets {
		t := &s.Tickets[i]
		t.RefundID = by[t.TicketNo]
		t.RefundedElsewhere = t.RefundID == "" && (t.RefundedElsewhere || elsewhere[t.TicketNo])
	}
}
