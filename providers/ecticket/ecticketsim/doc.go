// Package ecticketsim is a simulator of ECPay ECTicket for the sandbox, demos and tests. It keeps
// the rules of ECTicket's documents: the checksum both ways, the 10-minute window, trade numbers
// that are used once, the catalogue, the scheduled job that issues later than it accepts, and
// HTTP 403 for callers that are too fast. It misbehaves call by call on request (SetFault).
//
// It serves Issue and Refund of pure issuance and of escrow use-then-redeem, WriteOff,
// QueryIssueResult, QueryOrderInfo, QueryTicketStatus, QueryItemInfo and BatchQueryItemInfo.
// Where the documents leave something open (codes of refusals, fields of Refund) it uses values
// of its own, marked as such in codes.go; nothing may depend on them.
//
// It imports packages wire and outage, never the client and never ecticketdoc: what both sides share could hide a
// mistake from the tests. Everything is kept in memory. Customers' data never reaches its log.
package ecticketsim
