package pass2udoc

import (
	"fmt"
	"strings"

	"issuance/providers"
)

// check is providers.Codec.Check. Pass2U picks the tickets of a refund itself, so a refund is settled
// by counting.
func check(f providers.ReviewFacts) string {
	if f.RefundID == "" {
		return fmt.Sprintf("look up channelOrderId %s at Pass2U. It is there, with this quantity: issued. "+
			"It is still not there %s after it was last sent: failed, and the order may be sold again under a new number", f.OrderID, f.Late)
	}
	before := "how many were refunded before it could not be seen"
	if f.Baseline >= 0 {
		before = fmt.Sprintf("%d were refunded before it", f.Baseline)
	}
	others := ""
	if len(f.Others) > 0 {
		others = ", or by the order's other refunds since: " + strings.Join(f.Others, ", ") + "; settle those in review together with this one"
	}
	planned := "As many as were asked for"
	if f.Planned > 0 {
		planned = fmt.Sprint(f.Planned)
	}
	return fmt.Sprintf("not before %s after it was last sent, count the refunded tickets of channelOrderId %s at Pass2U; %s. "+
		"Leave out those refunded by somebody at Pass2U itself%s. %s more: refunded. Fewer more: partially_refunded. "+
		"No more: failed, and it may be refunded again under a new refund id", f.Late, f.OrderID, before, others, planned)
}
