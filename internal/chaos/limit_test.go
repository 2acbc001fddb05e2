package chaos

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"issuance/providers"
	"issuance/tasks"
	"issuance/tasks/order"
)

// allowance is what ECTicket allows in these tests, in calls per second.
const allowance = 25

// paper is an order that is issued at once: it costs one call to issue and one to ask.
func paper(i int) []byte {
	return fmt.Appendf(nil, `{"provider":"ecticket","request":{"MerchantTradeNo":"LIMIT%d","IssueType":"2","PrintType":"2",`+
		`"Operator":"me","TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":1}]}}`, i)
}

// loadWithin enqueues a bulk load and, while it is worked on, checkout orders.
func loadWithin(t *testing.T, rig *Rig, bulk, checkout int) {
	t.Helper()
	for i := range bulk + checkout {
		lane := tasks.Bulk
		if i >= bulk {
			lane = tasks.Checkout
		}
		if _, err := rig.Client.Enqueue(t.Context(), paper(i), tasks.InLane(lane)); err != nil {
			t.Fatal(err)
		}
	}
}

// issued waits until every order of the load is issued.
func issued(t *testing.T, rig *Rig, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for i := range n {
		id := fmt.Sprintf("LIMIT%d", i)
		s, err := rig.Client.Wait(ctx, accountOf(providers.ECTicket), id)
		if err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		if s.State != order.Issued {
			t.Errorf("%s is %s (%+v)", id, s.State, s.Error)
		}
		if o, ok := rig.ECTicket.Books().Order(id); !ok || o.TimesIssued != 1 {
			t.Errorf("%s was issued %d times", id, o.TimesIssued)
		}
	}
}

func serve(t *testing.T, rig *Rig) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := rig.StartWorkers(ctx); err != nil {
		t.Fatal(err)
	}
}

// Two workers share one account's allowance, and a provider that bans whoever exceeds it never has
// a reason to.
func TestTwoWorkersKeepWithinWhatTheProviderAllows(t *testing.T) {
	t.Parallel()
	rig := NewRig(t, RigConfig{Seed: 5, Workers: 2, Binary: theWorker(t), CallsPerSecond: allowance, Log: t.Logf})
	const bulk, checkout = 150, 15
	serve(t, rig)
	began := time.Now()
	loadWithin(t, rig, bulk, checkout)
	issued(t, rig, bulk+checkout)
	books := rig.ECTicket.Books()
	if len(books.Bans) != 0 {
		t.Errorf("the provider banned the account %d times", len(books.Bans))
	}
	calls := 0
	for _, n := range books.Calls {
		calls += n
	}
	t.Logf("%d orders, %d calls in %s at %d calls a second", bulk+checkout, calls, time.Since(began).Round(time.Second), allowance)
	if most := 2*(bulk+checkout) + (bulk+checkout)/5; calls > most {
		t.Errorf("%d calls, want at most %d", calls, most)
	}
}

// A ban stops every worker; nothing is lost or done twice; and it heals by itself.
func TestAForcedBanStopsEveryWorkerAndHeals(t *testing.T) {
	t.Parallel()
	rig := NewRig(t, RigConfig{Seed: 6, Workers: 2, Binary: theWorker(t), CallsPerSecond: allowance, Log: t.Logf})
	const bulk = 80
	serve(t, rig)
	loadWithin(t, rig, bulk, 0)
	await(t, func() bool { return len(rig.ECTicket.Books().Orders) > 10 })
	rig.ECTicket.Ban(merchantID)
	issued(t, rig, bulk)
	books := rig.ECTicket.Books()
	if len(books.Bans) != 1 {
		t.Fatalf("%d bans, want the forced one alone", len(books.Bans))
	}
	// The first refused call stops all workers; only calls already on their way are refused, too.
	if n := books.Bans[0].Calls; n == 0 || n > allowance/2 {
		t.Errorf("%d calls were made during the ban", n)
	}
}

// await polls a condition that another process brings about.
func await(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal(errors.Join(errors.New("it did not come about"), ctx.Err()))
		}
	}
}
