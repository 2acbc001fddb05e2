package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"issuance/internal/budget"
	"issuance/internal/testredis"
)

// An account that is removed is an alarm where orders of it wait, and only a line where none does; either way it is announced as served by
// nobody.
func TestARemovedAccountIsAnAlarmWhereItsOrdersWait(t *testing.T) {
	t.Parallel()
	for _, waits := range []bool{false, true} {
		s := testredis.Start(t)
		w, _ := idle(t, s.URL(), nil)
		var log bytes.Buffer
		w.log = slog.New(slog.NewTextHandler(&log, nil))
		if err := w.announce(t.Context()); err != nil {
			t.Fatal(err)
		}
		client, err := w.client()
		if err == nil && waits {
			_, err = client.Enqueue(t.Context(), ecticketOrder("E1"))
		}
		if err != nil {
			t.Fatal(err)
		}
		w.roster.leaves(ecticketAccount)
		w.roster.left[ecticketAccount] = time.Now().Add(-2 * removedGrace)
		if err := w.withdraw(t.Context()); err != nil {
			t.Fatal(err)
		}
		if alarmed := strings.Contains(log.String(), "alarm: an account was removed"); alarmed != waits || waits && !strings.Contains(log.String(), "orders=1") {
			t.Errorf("an order waits: %t, and the log says: %s", waits, &log)
		}
		if served, err := budget.ServedLately(t.Context(), s.Client(), ecticketAccount, time.Now()); err != nil || served {
			t.Errorf("it is announced as served: %t, %v", served, err)
		}
	}
}
