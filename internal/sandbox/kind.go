package sandbox

import (
	"encoding/json"
	"fmt"

	"issuance/providers"
	"issuance/providers/ecticket/ecticketdoc"
	"issuance/providers/pass2u/pass2udoc"
	"issuance/tasks/order"
)

// issueTypes in words (ECTicket, Issue).
var issueTypes = map[string]string{
	ecticketdoc.ConvenienceStore: "convenience store",
	ecticketdoc.Paper:            "paper",
	ecticketdoc.Electronic:       "electronic",
	ecticketdoc.SerialOnly:       "serial number",
}

// describe says in words what kind of order or refund a record's shape describes, such as
// "electronic ticket ×2". It is "order" or "refund" for a shape it does not know.
func describe(r order.Ref, shape json.RawMessage) string {
	switch {
	case r.RefundID != "":
		return "refund " + r.RefundID + refundSize(shape)
	case r.Account.Provider == providers.ECTicket:
		return ecticketKind(shape)
	default:
		return pass2uKind(shape)
	}
}

func refundSize(shape json.RawMessage) string {
	var s struct {
		All      bool   `json:"all"`
		Quantity int    `json:"quantity"`
		TicketNo string `json:"TicketNo"`
	}
	if err := json.Unmarshal(shape, &s); err != nil {
		return ""
	}
	switch {
	case s.All:
		return " of all tickets"
	case s.Quantity > 0:
		return " of " + count(s.Quantity, "ticket")
	case s.TicketNo != "":
		return " of " + s.TicketNo
	}
	return ""
}

func ecticketKind(shape json.RawMessage) string {
	var s struct {
		IssueType   string
		IsImmediate string
		Tickets     int `json:"tickets"`
		TicketInfo  []struct{ ExpireDate string }
	}
	if err := json.Unmarshal(shape, &s); err != nil || issueTypes[s.IssueType] == "" {
		return "order"
	}
	// A shape does not say which number the order goes by; only gift vouchers need a last day.
	gift := len(s.TicketInfo) > 0
	for _, it := range s.TicketInfo {
		gift = gift && it.ExpireDate != ""
	}
	text := issueTypes[s.IssueType]
	if s.IssueType == ecticketdoc.Electronic && s.IsImmediate == ecticketdoc.Deferred {
		text += " presale"
	}
	switch {
	case gift:
		text += " gift voucher"
	case s.IssueType != ecticketdoc.SerialOnly:
		text += " ticket"
	}
	return text + fmt.Sprintf(" ×%d", s.Tickets)
}

func pass2uKind(shape json.RawMessage) string {
	var s struct {
		PickupType string `json:"pickupType"`
		Quantity   int    `json:"quantity"`
	}
	if err := json.Unmarshal(shape, &s); err != nil {
		return "order"
	}
	switch s.PickupType {
	case pass2udoc.PickupVoucher:
		return fmt.Sprintf("voucher links ×%d", s.Quantity)
	case pass2udoc.PickupOrder:
		return fmt.Sprintf("order page with passcode ×%d", s.Quantity)
	}
	return "order"
}
