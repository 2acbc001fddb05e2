package handler

import (
	"cmp"
	"fmt"

	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

// What a look-up shows of an order's tickets, against what was ordered.

// TooFew reports whether a look-up shows fewer tickets of an order that is not issued yet than were ordered. Its list
// may lag, or it is another order.
func TooFew(f providers.Finding) bool {
	return f.State == providers.FoundPending && f.Sight != nil && f.Sight.Partial
}

// Fewer reports whether a look-up shows an order issued with fewer tickets than were ordered: its list may lag, or not all could
// be issued.
func Fewer(f providers.Finding) bool {
	return f.State == providers.FoundIssued && f.Sight != nil && f.Sight.Shown > 0 && f.Sight.Shown < f.Sight.Ordered
}

// Other reports whether a look-up shows that an order which the provider accepted from us is not issued as it was ordered.
func Other(f providers.Finding) bool {
	return f.State == providers.FoundIssued && Contradicts(f) && f.Sight.Documented
}

// WhyFailed is the reason of an order that the provider could not issue. One of which tickets are shown has not failed: half
// says so.
func WhyFailed(f providers.Finding) (why ledger.Reason, half bool) {
	why = Reason(f.Outcome)
	why.Code = cmp.Or(why.Code, string(order.CodeIssuingFailed))
	if f.Sight == nil || f.Sight.Shown == 0 {
		return why, false
	}
	return ledger.Reason{Code: string(order.CodeTicketCount), Message: fmt.Sprintf(
		"the provider says that issuing failed (%s), and shows %d of %d tickets; ask the provider", cmp.Or(why.Message, why.Code), f.Sight.Shown, f.Sight.Ordered)}, true
}
