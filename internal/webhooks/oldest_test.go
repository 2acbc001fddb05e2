package webhooks

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/internal/testredis"
)

// How far behind a webhook is, is the age of the oldest event that it waits for, whether another comes or not; what it does not
// want makes it no older.
func TestAWebhookIsBehindByTheOldestEventThatItWaitsFor(t *testing.T) {
	rdb := testredis.Mini(t).Client()
	began := time.Now().Truncate(time.Millisecond)
	add := func(after time.Duration, account, state string) string {
		t.Helper()
		id := fmt.Sprintf("%d-0", began.Add(after).UnixMilli())
		if err := rdb.XAdd(t.Context(), &redis.XAddArgs{Stream: keys.Events, ID: id, Values: []any{"event_id", id, "provider", "ecticket", "account", account, "state", state,
			"order_id", "A1", "at", began.Add(after).UnixMilli()}}).Err(); err != nil {
			t.Fatal(err)
		}
		return id
	}
	taken := add(0, "ecticket:2000132", "issued")
	for range eventsAtOnce {
		began = began.Add(time.Millisecond)
		add(0, "ecticket:3085676", "issued")
	}
	add(2*time.Second, "ecticket:2000132", "failed")
	waits := add(3*time.Second, "ecticket:2000132", "issued")
	l, now := ledger.New(rdb, ledger.Options{}), began.Add(60*time.Second)
	w := Announced{Events: []string{"order.issued"}, Accounts: []string{"ecticket:2000132"}}
	for cursor, want := range map[string]time.Duration{taken: 57 * time.Second, waits: 0, "": 0} {
		if got, err := w.Oldest(t.Context(), l, now, cursor); err != nil || got != want {
			t.Errorf("after %q: %s, %v, want %s", cursor, got, err, want)
		}
	}
	if got, err := (Announced{}).Oldest(t.Context(), l, now, taken); err != nil || got < 60*time.Second {
		t.Errorf("all events: %s, %v", got, err)
	}
}
