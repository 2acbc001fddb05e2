// Package ecticket is the client of ECPay ECTicket: it issues orders, asks what became of them,
// lists their tickets and refunds single tickets.
//
// Its one duty beyond the protocol is to say truthfully how a call ended (package providers):
// what may have reached ECTicket and was not answered authentically is Unknown, never a failure.
// It sends a mutating call exactly once; only queries are tried again, and only when the
// connection failed.
//
// It may import providers, ecticketdoc, wire, internal/httpcall and internal/baseurl, nothing else of
// ours.
package ecticket
