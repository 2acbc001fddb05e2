package cli

import (
	"context"
	"time"

	"issuance/internal/ledger"
	"issuance/internal/webhooks"
	"issuance/providers"
)

// eventsAtOnce is how many events are read in a go to find one that a webhook waits for.
const eventsAtOnce = 1000

// behind is the age of the oldest event for a webhook that is not on its way there yet, 0 where there is none. A webhook that is
// switched off falls behind for as long as one waits, also when no further event comes.
func behind(ctx context.Context, l *ledger.Ledger, now time.Time, w webhooks.Announced, cursor string) (time.Duration, error) {
	e := webhooks.Endpoint{Events: w.Events}
	for _, text := range w.Accounts {
		a, err := providers.ParseAccount(text)
		if err != nil {
			continue // of another version, and so no event's
		}
		e.Accounts = append(e.Accounts, a)
	}
	for cursor != "" {
		list, err := l.Events(ctx, cursor, eventsAtOnce, 0)
		if err != nil {
			return 0, err
		}
		for _, ev := range list {
			if e.Wants(ev) {
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
