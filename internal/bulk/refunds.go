package bulk

import (
	"encoding/json"
	"slices"
	"strings"

	"issuance/providers"
)

// What is said of refunds, which are no lines of a bulk.
const (
	refundTable = "its columns are those of refunds, which are taken as JSON or NDJSON only; see: enqueue refund --help"
	refundLine  = "is a refund (it has refund_id), and no order; see: enqueue refund --help"
)

// ofRefunds reports whether titles are those that people give a table of refunds: an order's number, what of it is to be
// refunded, and nothing that only orders have.
func ofRefunds(titles [][]byte) bool {
	number, what := false, false
	for _, cell := range titles {
		title := strings.ToLower(strings.ReplaceAll(string(visible(cell)), "_", ""))
		switch {
		case slices.Contains([]string{"", "merchantid", "provider", "account", "reason", "rejectedbecause"}, title):
		case slices.Contains([]string{"quantity", "all", "refundid", "ticketno", "refundamount", "refundquantity", "tickets"}, title):
			what = true
		case isOrderNumber(title):
			number = true
		default:
			return false
		}
	}
	return number && what
}

func isOrderNumber(lower string) bool {
	return slices.ContainsFunc(providers.Codecs(), func(c providers.Codec) bool {
		return slices.ContainsFunc(c.Columns.IDs, func(id string) bool { return strings.ToLower(id) == lower })
	})
}

// IsRefund reports whether a document is a refund's: only those have a refund_id.
func IsRefund(doc []byte) bool {
	var envelope struct {
		RefundID json.RawMessage `json:"refund_id"`
	}
	return json.Unmarshal(doc, &envelope) == nil && envelope.RefundID != nil
}
