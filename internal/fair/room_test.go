package fair

import (
	"log/slog"
	"testing"
	"time"

	"issuance/providers"
	"issuance/tasks/order"
)

// A task that is let go on several times, because other processes put it aside again, takes the room of one.
func TestATaskThatIsLetGoOnAgainTakesNoMoreRoom(t *testing.T) {
	a := providers.Account{Provider: providers.ECTicket, Merchant: "1"}
	terms := Terms{PerSecond: 1}
	l := NewLane(nil, Config{Provider: a.Provider, Lane: order.Bulk, Slots: 3, Log: slog.New(slog.DiscardHandler),
		Accounts: func() int { return 2 }, Terms: func(providers.Account) (Terms, bool) { return terms, true }})
	p := l.place(a, terms)
	room := l.room(p, time.Now())
	for range 3 {
		p.expect("issue:ecticket:1:A1", time.Now())
	}
	if n := l.room(p, time.Now()); n != room-1 {
		t.Errorf("room for %d, before for %d", n, room)
	}
	p.forget(func(string, time.Time) bool { return true })
	if n := l.room(p, time.Now()); n != room {
		t.Errorf("room for %d afterwards, before for %d", n, room)
	}
}
