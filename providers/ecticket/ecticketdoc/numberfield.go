package ecticketdoc

import (
	"encoding/json"

	"issuance/internal/doccheck"
)

// numberField is providers.Codec.NumberField. By "ECTicket, Issue" an item has ExpireDate if, and only if, it is a gift
// voucher, and an order of gift vouchers alone goes by FreeTradeNo.
func numberField(request json.RawMessage) string {
	var o struct{ TicketInfo []map[string]json.RawMessage }
	if json.Unmarshal(request, &o) != nil || len(o.TicketInfo) == 0 {
		return "MerchantTradeNo" // no order, whichever number it has
	}
	for _, item := range o.TicketInfo {
		if !doccheck.Present(item["ExpireDate"]) {
			return "MerchantTradeNo"
		}
	}
	return "FreeTradeNo"
}
