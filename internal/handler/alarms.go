package handler

import (
	"context"
	"log/slog"

	"issuance/providers"
)

// stands logs what stands in the way of many orders, at every try of each. Package logging limits such alarms to one a minute
// for each cause, and counts the others.
func stands(log *slog.Logger, msg string, args ...any) { log.Warn("alarm: "+msg, args...) }

// Refused reports an outcome that a person has to act on. A refusal of the account is no order's: when it lasts, the
// account's health says so, once for all orders.
func Refused(log *slog.Logger, out providers.Outcome) {
	if out.Alarm && out.Kind != providers.Held {
		stands(log, "the provider refuses this account; a person has to act", "code", out.Code, "message", out.Message)
	}
}

// KeyMissing reports a document whose seal key this worker does not hold. report records it with the
// account's health, and may be nil.
func KeyMissing(log *slog.Logger, what string, err error, report func(context.Context)) {
	stands(log, what+" cannot be opened", "error", err)
	if report != nil {
		ctx, cancel := Recording()
		defer cancel()
		report(ctx)
	}
}

// ElsewhereSent reports an order that was sent to another host of the provider than this worker calls.
func ElsewhereSent(log *slog.Logger, host, own string) {
	stands(log, "an earlier request of this record went to another host; a worker of that host has to go on", "host", host, "this_host", own)
}
