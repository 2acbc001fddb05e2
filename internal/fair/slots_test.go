package fair

import (
	"fmt"
	"testing"
	"time"

	"issuance/providers"
	"issuance/tasks/order"
)

// An account has as many tasks at once as leave in two seconds, within bounds, unless the lane says how many.
func TestSlotsFollowTheCallsPerSecond(t *testing.T) {
	for _, c := range []struct {
		lane      order.Lane
		perSecond float64
		want      int
	}{
		{order.Checkout, 0.5, 8}, {order.Checkout, 4, 8}, {order.Checkout, 4.1, 9}, {order.Checkout, 30, 60},
		{order.Poll, 0.5, 4}, {order.Poll, 4, 8}, {order.Bulk, 1, 4}, {order.Bulk, 30, 60},
		{order.Bulk, 100, 200}, {order.Bulk, 1e9, 200}, {order.Checkout, 1e300, 200},
	} {
		if n := Slots(c.lane, c.perSecond); n != c.want {
			t.Errorf("%s at %g a second: %d, want %d", c.lane, c.perSecond, n, c.want)
		}
	}
}

// What runs at once follows an account's own calls per second, and a change of them.
func TestRoomFollowsTheCallsPerSecond(t *testing.T) {
	a := providers.Account{Provider: providers.ECTicket, Merchant: "1"}
	for slots, want := range map[int]string{0: "4 60 200", 3: "3 3 3"} {
		l := NewLane(nil, Config{Provider: a.Provider, Lane: order.Bulk, Slots: slots, Accounts: func() int { return 1 }})
		var got []any
		for _, rate := range []float64{1, 30, 500} {
			got = append(got, l.room(l.place(a, Terms{PerSecond: rate}), time.Now()))
		}
		if s := fmt.Sprint(got...); s != want {
			t.Errorf("with %d slots: room for %s, want %s", slots, s, want)
		}
	}
}
