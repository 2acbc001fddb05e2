package budget

import (
	"context"
	"testing"
	"time"

	"issuance/internal/keys"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

// An account is asked when nobody calls it, sooner after a call that failed, and not while its calls are held or it is asked anyway.
func TestAnIdleAccountIsAsked(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	failed, down := &Trouble{Calls: 1}, &Trouble{Calls: 3, Down: true}
	ago := func(d time.Duration) time.Time { return at.Add(-d) }
	for name, c := range map[string]struct {
		s   State
		due bool
	}{
		"nobody has called":         {State{At: at}, true},
		"a call ten seconds ago":    {State{At: at, LastCall: ago(10 * time.Second)}, true},
		"a call lately":             {State{At: at, LastCall: ago(9 * time.Second)}, false},
		"not probed as of yet":      {State{At: at, LastCall: at, Unprobed: true}, true},
		"not probed, and it failed": {State{At: at, LastCall: at, Unprobed: true, Trouble: failed}, false},
		"none answered properly":    {State{At: at, LastCall: ago(29 * time.Second), Unfit: true}, false},
		"none so, and for long":     {State{At: at, LastCall: ago(30 * time.Second), Unfit: true}, true},
		"a failed call":             {State{At: at, LastCall: ago(5 * time.Second), Trouble: failed}, true},
		"a failed call just now":    {State{At: at, LastCall: ago(4 * time.Second), Trouble: failed}, false},
		"it is down":                {State{At: at, Trouble: down}, false},
		"a ban":                     {State{At: at, Ban: &Ban{}}, false},
		"a pause":                   {State{At: at, Paused: []Hold{{}}}, false},
		"polls are paused":          {State{At: at, Paused: []Hold{{Lane: order.Poll}}}, false},
		"a lane of sales is paused": {State{At: at, Paused: []Hold{{Lane: order.Bulk}}}, true},
	} {
		if c.s.IdleProbeDue(10*time.Second) != c.due {
			t.Errorf("%s: due is %t", name, !c.due)
		}
		if c.s.IdleProbeDue(0) {
			t.Errorf("%s: asked although that is off", name)
		}
	}
}

// Of all idle accounts of a provider, whoever serves them, one is asked in a second.
func TestIdleAccountsAreAskedOneByOne(t *testing.T) {
	testredis.Each(t, func(t *testing.T, srv *testredis.Server) {
		a, b := announce(t, srv, Config{Account: account, PerSecond: 4}), announce(t, srv, Config{Account: providers.Account{Provider: account.Provider, Merchant: "2"}, PerSecond: 4})
		claim := func(b *Budget) bool {
			_, ok, err := b.ClaimIdleProbe(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return ok
		}
		if !claim(a) || claim(a) || claim(b) {
			t.Error("not one of them was asked")
		}
		if ttl := srv.Client().PTTL(t.Context(), keys.IdleProbe(account.Provider)).Val(); ttl <= 0 || ttl > time.Second {
			t.Errorf("the next one may be asked after %s", ttl)
		}
	})
}

// An account whose probe drew a ban is not probed again while nothing is known to be wrong, unless probes were answered before.
func TestABanOfAProbeIsTheLast(t *testing.T) {
	for _, proven := range []bool{false, true} {
		virtual(t, Config{Ban: time.Minute}, func(w *world) {
			claim := func() (context.Context, bool) {
				<-time.After(2 * time.Second)
				ctx, ok, err := w.workers[0].ClaimIdleProbe(w.ctx)
				if err != nil {
					w.Fatal(err)
				}
				return ctx, ok
			}
			ctx, ok := claim()
			if proven {
				w.workers[0].Answered(ctx, fine)
			}
			w.workers[0].Banned(ctx, "HTTP 403")
			if _, again := claim(); !ok || again != proven {
				w.Errorf("proven %t: probed again %t", proven, again)
			}
		})
	}
}
