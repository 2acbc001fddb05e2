package console

import "issuance/providers"

// Since says what refunds have found out about a ticket since the provider showed it.
func (v *view) Since(t providers.Ticket) string { return v.visit.lang.since(t) }

func (l Lang) since(t providers.Ticket) string {
	switch {
	case t.RefundID != "":
		return l.T("since.refunded", t.RefundID)
	case t.RefundedElsewhere && t.UseStatus != providers.Refunded:
		return l.T("since.elsewhere")
	}
	return ""
}
