package budget

import (
	"testing"
	"time"

	"issuance/internal/testredis"
	"issuance/tasks/order"
)

// The counters of an hour are a ring: a minute that is older makes room, and calls that did not leave do not count.
func TestTheLastHourIsCountedByMinute(t *testing.T) {
	t.Parallel()
	rdb := testredis.Start(t).Client()
	now := time.Now().Add(-90 * time.Minute).Truncate(time.Minute)
	b, err := New(rdb, Config{Account: account, PerSecond: 1000, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	for range 91 {
		for range 2 {
			if err := b.Lane(order.Checkout).Pass(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		now = now.Add(time.Minute)
	}
	if n := rdb.HLen(t.Context(), b.keys.minutes).Val(); n != Minutes {
		t.Errorf("%d minutes are kept", n)
	}
	hour, err := LastHour(t.Context(), rdb, account.String(), account)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, n := range hour {
		total += n
	}
	if total < 2*(Minutes-2) || total > 2*Minutes || hour[10] != 2 { // the last minute may have ended meanwhile
		t.Errorf("%v", hour)
	}
	if left := rdb.PTTL(t.Context(), b.keys.minutes).Val(); left <= 0 || left > time.Hour {
		t.Errorf("they expire in %s", left)
	}
}
