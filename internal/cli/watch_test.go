package cli

import (
	"testing"
	"time"

	"issuance/tasks"
)

// A line says what an order is put off for and until when; one that runs, or is about to, has none.
func TestWhatAnOrderIsPutOffFor(t *testing.T) {
	a := app{zone: time.UTC}
	at := time.Date(2026, 3, 1, 4, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		waits *tasks.Waiting
		want  string
	}{
		{nil, ""},
		{&tasks.Waiting{For: "a free worker"}, ""},
		{&tasks.Waiting{For: "its turn among the orders of its account"}, ""},
		{&tasks.Waiting{For: "its order (queued)", OrderState: tasks.Queued}, "its order (queued)"},
		{&tasks.Waiting{For: "its next try", NextAt: &at}, "its next try"},
		{&tasks.Waiting{For: "the provider to issue it", NextAt: &at, Until: &at}, "the provider to issue it, until 2026-03-01 04:00:00+00:00"},
		{&tasks.Waiting{For: "its account's calls, which are held", Held: "paused by ann: x"}, "its account's calls: paused by ann: x"},
		{&tasks.Waiting{For: "the provider to issue it", NextAt: &at, Held: "banned: HTTP 403", HeldUntil: &at}, "its account's calls: banned: HTTP 403, until 2026-03-01 04:00:00+00:00"},
	} {
		if got := a.waitLine(c.waits); got != c.want {
			t.Errorf("%+v: %q, want %q", c.waits, got, c.want)
		}
	}
}
