package budget

import (
	"testing"
	"time"

	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

// Accounts of one allowance share its bans, and each has a health of its own.
func TestHealthIsTheAccountsOwn(t *testing.T) {
	testredis.Each(t, func(t *testing.T, srv *testredis.Server) {
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		clock := func() time.Time { return now }
		other := providers.Account{Provider: providers.ECTicket, Merchant: "2"}
		a := announce(t, srv, Config{Account: account, PerSecond: 4, Allowance: "platform", Now: clock})
		b := announce(t, srv, Config{Account: other, PerSecond: 4, Allowance: "platform", Now: clock})
		a.Answered(t.Context(), providers.Condition{State: providers.HealthUnreachable, Code: "http_503", RetryAfter: time.Minute})
		if err := a.Pass(t.Context()); !isHeld(err) {
			t.Errorf("the account whose provider asked for a pause: %v", err)
		}
		if err := b.Pass(t.Context()); err != nil {
			t.Errorf("the other account: %v", err)
		}
	})
}

// What is known of an account is said in one word, that which counts most.
func TestTheHealthOfAnAccount(t *testing.T) {
	at := time.Date(2026, 3, 1, 3, 10, 0, 0, time.UTC)
	ban := &Ban{Reason: "403", Since: at}
	whole, bulk := Hold{Who: "angela", Reason: "maintenance", Since: at}, Hold{Lane: order.Bulk, Who: "angela", Reason: "night"}
	trouble := &Trouble{Kind: providers.HealthGarbage, Code: "unreadable", Since: at, Calls: 3, Down: true}
	standing := &Trouble{Kind: providers.HealthGarbage, Code: "unreadable", Since: at, Calls: 2}
	for want, s := range map[providers.Health]State{
		providers.HealthNoWorker:   {NoWorker: true, Ban: ban, Paused: []Hold{whole}, Trouble: trouble, KeyMissing: true},
		providers.HealthPaused:     {Ban: ban, Paused: []Hold{whole}, Trouble: trouble},
		providers.HealthBanned:     {Ban: ban, Trouble: trouble},
		providers.HealthGarbage:    {Trouble: trouble, KeyMissing: true, Paused: []Hold{bulk}},
		providers.HealthKeyMissing: {Trouble: standing, KeyMissing: true},
		providers.HealthOK:         {Trouble: standing, Paused: []Hold{bulk}},
	} {
		h, since, why := s.Health()
		if h != want || (why == "") != (want == providers.HealthOK) {
			t.Errorf("%s (%s), want %s", h, why, want)
		}
		if known := want == providers.HealthPaused || want == providers.HealthBanned || want == providers.HealthGarbage; known != since.Equal(at) {
			t.Errorf("%s since %s", h, since)
		}
	}
	if text := trouble.String(); text != "the provider, garbage (unreadable) since 2026-03-01T03:10:00Z" {
		t.Error(text)
	}
}

// Nobody asks a provider that has banned the account, or whose account an operator has paused.
func TestNoProbeIsDueWhileCallsAreHeldOtherwise(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	down := &Trouble{Kind: providers.HealthUnreachable, Since: at, Calls: 3, Down: true, NextProbe: at.Add(time.Minute)}
	hold := func(l order.Lane) []Hold { return []Hold{{Lane: l}} }
	for name, c := range map[string]struct {
		s   State
		due bool
	}{
		"it is down":         {State{Trouble: down, At: at.Add(time.Minute)}, true},
		"a lane is paused":   {State{Trouble: down, At: at.Add(time.Minute), Paused: hold(order.Bulk)}, true},
		"too early":          {State{Trouble: down, At: at.Add(time.Second)}, false},
		"a ban":              {State{Trouble: down, At: at.Add(time.Minute), Ban: &Ban{}}, false},
		"a pause":            {State{Trouble: down, At: at.Add(time.Minute), Paused: hold("")}, false},
		"polls are paused":   {State{Trouble: down, At: at.Add(time.Minute), Paused: hold(order.Poll)}, false},
		"all is well":        {State{At: at}, false},
		"not down as of yet": {State{At: at, Trouble: &Trouble{Calls: 2}}, false},
	} {
		if c.s.ProbeDue() != c.due {
			t.Errorf("%s: due is %t", name, !c.due)
		}
	}
}

// A worker that cannot open a document says so for as long as it tries; an account whose workers are gone
// is not served.
func TestMissingKeysAndWorkersShow(t *testing.T) {
	testredis.Each(t, func(t *testing.T, srv *testredis.Server) {
		now, err := srv.Client().Time(t.Context()).Result()
		if err != nil {
			t.Fatal(err)
		}
		ago := 15 * time.Second
		b := announce(t, srv, Config{Account: account, PerSecond: 4, Now: func() time.Time { return now.Add(-ago) }})
		health := func() providers.Health {
			t.Helper()
			states, err := States(t.Context(), srv.Client())
			if err != nil || len(states) != 1 {
				t.Fatal(states, err)
			}
			h, _, _ := states[0].Health()
			return h
		}
		b.KeyMissing(t.Context())
		if h := health(); h != providers.HealthKeyMissing {
			t.Errorf("15 s after a key was missing: %s", h)
		}
		ago = keyMissingFor + time.Second
		b.KeyMissing(t.Context())
		if h := health(); h != providers.HealthOK {
			t.Errorf("more than 20 s after: %s", h)
		}
		if ttl := srv.Client().PTTL(t.Context(), b.keys.health).Val(); ttl <= 0 || ttl > keepTrouble {
			t.Errorf("the note expires in %s", ttl)
		}
		ago = Silent + time.Second
		if err := b.Announce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if h := health(); h != providers.HealthNoWorker {
			t.Errorf("two minutes after the last announcement: %s", h)
		}
	})
}
