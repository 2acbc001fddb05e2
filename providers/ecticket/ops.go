package ecticket

// Op is one call of ECTicket's API.
type Op string

// The calls this client makes.
const (
	OpIssue              Op = "Issue"
	OpRefund             Op = "Refund"
	OpQueryIssueResult   Op = "QueryIssueResult"
	OpQueryOrderInfo     Op = "QueryOrderInfo"
	OpQueryTicketStatus  Op = "QueryTicketStatus"
	OpBatchQueryItemInfo Op = "BatchQueryItemInfo"
)

// Mode is the contract a merchant has with ECPay; it decides the paths of some calls.
type Mode string

// Modes.
const (
	// Pure is pure issuance: the merchant handles the money.
	Pure Mode = "pure"
	// EscrowUse is escrow, use-then-redeem: ECPay holds the money until a ticket is redeemed.
	EscrowUse Mode = "escrow-use"
)

// paths returns the documented paths of a mode, with overrides laid over them. The documents
// contradict each other about letter case and about escrow refunds, hence the overrides.
func paths(mode Mode, overrides map[Op]string) map[Op]string {
	all := map[Op]string{
		OpIssue:              "/api/Ticket/Issue",
		OpRefund:             "/api/Ticket/Refund",
		OpQueryIssueResult:   "/api/Ticket/QueryIssueResult",
		OpQueryOrderInfo:     "/api/Ticket/QueryOrderInfo",
		OpQueryTicketStatus:  "/api/Ticket/QueryTicketStatus",
		OpBatchQueryItemInfo: "/api/Ticket/BatchQueryItemInfo",
	}
	if mode == EscrowUse {
		all[OpIssue] = "/api/issuance/issue"
		all[OpRefund] = "/api/issuance/Refund"
	}
	for op, path := range overrides {
		all[op] = path
	}
	return all
}
