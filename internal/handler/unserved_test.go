package handler

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"issuance/providers"
	"issuance/tasks/order"
)

// A task whose account another worker serves comes back soon, and less soon each time that the wrong worker takes it; there
// is no alarm. Once nobody serves it, there is one, however many orders wait.
func TestAnUnservedTaskWaitsLongerEachTime(t *testing.T) {
	now, elsewhere := time.Unix(1_800_000_000, 0), true
	u := &Unserved{Now: func() time.Time { return now }}
	r := order.Ref{Account: providers.Account{Provider: providers.ECTicket, Merchant: "1"}, OrderID: "A"}
	var waits string
	step := func() (alarm bool) {
		now = now.Add(time.Minute)
		after, alarm := u.next(r, elsewhere)
		waits += after.String() + " "
		return alarm
	}
	for range 6 {
		if step() {
			t.Error("an alarm although another worker serves the account")
		}
	}
	if waits != "1s 2s 4s 4s 4s 4s " {
		t.Error(waits)
	}
	u.Served(r.Account)
	elsewhere, waits = false, ""
	alarms := 0
	for range 6 {
		if step() {
			alarms++
		}
	}
	if waits != "30s 1m0s 2m0s 4m0s 8m0s 8m0s " || alarms != 1 {
		t.Errorf("%s, %d alarms", waits, alarms)
	}
	if now = now.Add(unservedAlarm); !step() {
		t.Error("no further alarm after an hour")
	}
}

// However many tasks of an account come here, they come back at a bounded rate, and those of others do not wait for them.
func TestManyUnservedTasksComeBackAtABoundedRate(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	u := &Unserved{Now: func() time.Time { return now }}
	back := map[int64]int{} // by second
	for i := range 20_000 {
		after, _ := u.next(order.Ref{Account: providers.Account{Provider: providers.ECTicket, Merchant: "1"}, OrderID: fmt.Sprint("A", i)}, true)
		back[now.Add(after).Unix()]++
	}
	for second, n := range back {
		if n > unservedRate+1 {
			t.Errorf("%d tasks come back in second %d", n, second)
		}
	}
	if after, _ := u.next(order.Ref{Account: providers.Account{Provider: providers.ECTicket, Merchant: "2"}, OrderID: "A"}, true); after != time.Second {
		t.Errorf("another account's waits %s", after)
	}
	if len(u.tries) > mostTries {
		t.Errorf("%d tasks are remembered", len(u.tries))
	}
	now = now.Add(time.Hour)
	if after, _ := u.next(order.Ref{Account: providers.Account{Provider: providers.ECTicket, Merchant: "1"}, OrderID: "B"}, true); after != time.Second {
		t.Errorf("after the rush a task waits %s", after)
	}
}

// Who serves an account is asked each time.
func TestElsewhereIsAsked(t *testing.T) {
	asked := 0
	u := &Unserved{Elsewhere: func(context.Context, providers.Account) bool { asked++; return true }}
	if err := u.wait(t.Context(), slog.New(slog.DiscardHandler), order.Ref{OrderID: "A"}); err == nil || asked != 1 {
		t.Errorf("%v, asked %d times", err, asked)
	}
}
