package webhooks

import (
	"context"
	"time"

	"issuance/internal/ledger"
	"issuance/providers"
)

// Of the events after an endpoint's cursor, so many are looked at to find one that it waits for, in pages.
const (
	eventsAtOnce = 1000
	mostLookedAt = 20 * eventsAtOnce
)

// Oldest is the age of the oldest event for an endpoint with this cursor that is not on its way there yet, 0 where there is none.
// An endpoint that is switched off falls behind for as long as one waits, also when no further event comes; State.Behind, which
// asks nothing of Redis, does not show that. Where very many events are none that it wants, the next one counts.
func (a Announced) Oldest(ctx context.Context, l *ledger.Ledger, now time.Time, cursor string) (time.Duration, error) {
	e := Endpoint{Events: a.Events}
	for _, text := range a.Accounts {
		account, err := providers.ParseAccount(text)
		if err != nil {
			continue // of another version, and so no event's
		}
		e.Accounts = append(e.Accounts, account)
	}
	for looked := 0; cursor != ""; looked += eventsAtOnce {
		list, err := l.Events(ctx, cursor, eventsAtOnce, 0)
		if err != nil {
			return 0, err
		}
		for _, ev := range list {
			if e.Wants(ev) || looked >= mostLookedAt {
				return max(now.Sub(ledger.EventTime(ev.StreamID)), 0), nil
			}
		}
		if len(list) < eventsAtOnce {
			break
		}
		cursor = list[len(list)-1].StreamID
	}
	return 0, nil
}
