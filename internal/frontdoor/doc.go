// Package frontdoor is the HTTP API in front of tasks.Client: orders, refunds, status, search, bulk files and
// events, for checkouts in any language. A Server keeps nothing that another one could not do without, so any
// number of them may run; see docs/http.md for what a caller sees. Other
// handlers, such as the console, are mounted beside it.
//
// It may import package tasks, providers, internal/ledger, internal/bulk, internal/doccheck, internal/keys, internal/listfile, internal/metrics, internal/redisconn,
// internal/notices, internal/seal and the wire format of ECTicket's notices, and no provider's client: it calls nobody.
package frontdoor
