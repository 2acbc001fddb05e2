// Package webhooks sends the final statuses of orders and refunds to the endpoints of GATEWAY_WEBHOOKS_FILE, signed
// as Standard Webhooks wants it.
//
// Every front door runs a Dispatcher, and none leads. What has to be sent is in Redis: each endpoint has a cursor on
// the stream of events and a line of events that were admitted from it, of which a bounded number has a task in the
// queue at a time (see scripts/prelude.lua). The line is the truth and a task only a wake-up, as everywhere. An
// endpoint that was away for longer than the stream is kept gets what it missed from the ledger.
//
// It imports internal/httpcall, internal/keys, internal/ledger, internal/listfile, internal/queue, internal/servers, internal/thinevent,
// providers and tasks/order.
package webhooks
