package ledger

import (
	"strings"

	"issuance/providers"
)

// Change is one transition that this process has applied; those of other workers are not seen.
type Change struct {
	Ref
	// Event names what happened: "queued" for a new record, the name of a claim's release
	// ("idle", "unclear", "not_sent", "unknown"), the final state ("issued", "review", …), or the
	// transition itself ("submit", "rejected", "accept", "polled", "plan", "submit_ticket",
	// "settle_ticket", "yield_turn", "resolve").
	Event string
	// State is the record's after it.
	State State
}

// Final reports whether the change was the record's end.
func (c Change) Final() bool { return c.Event == string(c.State) && c.State.Final() }

// told are the transitions of which an observer hears; all but begin answer {ok|refused, state}.
var told = map[string]bool{"begin": true, "begin_refund": true, "submit": true, "release": true, "rejected": true, "accept": true,
	"polled": true, "finish": true, "plan": true, "submit_ticket": true, "settle_ticket": true, "yield_turn": true,
	"finish_refund": true, "resolve": true}

// observe tells the observer, if there is one, of a transition that was applied. args are the
// script's without the time.
func (l *Ledger) observe(name string, keys []string, args []any, reply []string) {
	if l.opt.Observer == nil || !told[name] || len(reply) < 2 {
		return
	}
	ref, ok := parseRecord(keys[0])
	if !ok {
		return
	}
	c := Change{Ref: ref, Event: name, State: State(reply[1])}
	switch name {
	case "begin", "begin_refund":
		// The first claim of a record made it; later claims change nothing that is to be told.
		if Verdict(reply[0]) != MaySend || reply[2] != "1" {
			return
		}
		c.Event = string(Queued)
	default:
		if reply[0] != "ok" {
			return
		}
	}
	switch name {
	case "release":
		c.Event, _ = args[1].(string)
	case "finish", "finish_refund":
		c.Event = reply[1]
	}
	l.opt.Observer(c)
}

// parseRecord names the record of a Redis key.
func parseRecord(key string) (Ref, bool) {
	_, rest, _ := strings.Cut(key, "{")
	provider, _, ok := strings.Cut(rest, ":")
	if !ok {
		return Ref{}, false
	}
	return parseRecordKey(providers.Name(provider), key)
}
