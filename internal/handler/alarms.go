package handler

import (
	"context"
	"log/slog"

	"issuance/internal/ledger"
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

// ElsewhereSent reports a record of which something was sent to another host of the provider than this worker calls, or with
// another credential, and returns that as a reason.
func ElsewhereSent(log *slog.Logger, rec *ledger.Record, own string) string {
	switch host := providers.HostOf(rec.Host); host {
	case own:
		stands(log, "an earlier request of this record was made with another key, and no order shows that this one is the same account's; a worker with that key has to go on", "host", host)
		return "an earlier request was made with another key of the account, and no order shows that this worker's key is the same account's"
	case "":
		stands(log, "an earlier request of this record went to another host, or was made with another key; a worker with that one has to go on", "this_host", own)
		return "an earlier request went to another host than " + own + ", which this worker calls, or was made with another key"
	default:
		stands(log, "an earlier request of this record went to another host; a worker of that host has to go on", "host", host, "this_host", own)
		return "an earlier request went to " + host + ", and this worker calls " + own
	}
}
