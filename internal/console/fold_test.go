package console

import (
	"testing"

	"issuance/internal/webhooks"
)

// What is folded away is the older part, never a few rows alone; deliveries that failed are counted outside.
func TestTheOlderPartOfALongListIsFolded(t *testing.T) {
	for n, older := range map[int]int{0: 0, 8: 0, 12: 0, 13: 5, 100: 92} {
		list := make([]delivery, n)
		for i := range list {
			list[i] = delivery{Delivery: webhooks.Delivery{Try: i}}
		}
		f := fold(list, 8)
		if len(f.Older) != older || len(f.Older)+len(f.Latest) != n || n > 0 && f.Latest[len(f.Latest)-1].Try != n-1 {
			t.Errorf("of %d %d are folded, %d are not", n, len(f.Older), len(f.Latest))
		}
	}
	list := []delivery{{Delivery: webhooks.Delivery{Outcome: "delivered"}}, {Delivery: webhooks.Delivery{Outcome: "failed"}}, {Delivery: webhooks.Delivery{Outcome: "given_up"}}}
	v := &view{visit: &visit{lang: English}}
	if got := v.OlderDeliveries(list); got != "3 earlier, 2 of them not delivered" {
		t.Error(got)
	}
	if got := v.OlderDeliveries(list[:1]); got != "1 earlier" {
		t.Error(got)
	}
}
