package looks

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"issuance/internal/ledger"
	"issuance/internal/notices"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

// However many notices name an order, it is asked for once, and what they claim is not believed.
func TestANoticeIsAReasonToAskAndNothingMore(t *testing.T) {
	b := start(t)
	b.issued("A1", 2)
	for i := range 20 {
		b.notice(fmt.Sprintf(`{"MerchantTradeNo":"A1","UseStatus":3,"RefundAmount":9999,"n":%d}`, i))
	}
	b.fake.set("A1", "A1T2", providers.Redeemed)
	b.look(0)
	b.wantCalls("list A1")
	b.wantSaw("A1/2 redeemed")
	b.notice(`{"MerchantTradeNo":"A1","again":true}`)
	b.look(time.Hour)
	b.wantCalls("list A1")
	b.wantSaw("A1/2 redeemed")
}

// A look is repeated until it is answered, ever more rarely.
func TestALookIsRepeatedUntilItIsAnswered(t *testing.T) {
	for _, kind := range []providers.Kind{providers.Unknown, providers.NotSent} {
		b := start(t)
		b.issued("A1", 1)
		b.fake.set("A1", "A1T1", providers.Redeemed)
		b.must(b.Notices.Want(t.Context(), ref("A1")))
		var waits []time.Duration
		for range 8 {
			b.fake.out = providers.Outcome{Kind: kind}
			b.look(0)
			if len(b.fake.calls) != 1 {
				t.Fatalf("%s: calls %v after %v", kind, b.fake.calls, waits)
			}
			b.fake.calls = nil
			wait := time.Duration(0)
			for b.fake.out = (providers.Outcome{}); ; wait += time.Minute {
				if n, err := b.rdb.ZCount(t.Context(), keysLooks, "-inf", fmt.Sprint(b.at.UnixMilli())).Result(); n == 1 || err != nil {
					break
				}
				b.at = b.at.Add(time.Minute)
			}
			waits = append(waits, wait)
		}
		if !slices.IsSorted(waits) || waits[0] != time.Minute || waits[7] != time.Hour {
			t.Errorf("%s: repeated after %v", kind, waits)
		}
		b.look(0)
		b.wantSaw("A1/1 redeemed")
	}
}

// A look that was not answered says why, for whoever waits for it.
func TestALookSaysWhyItWasNotAnswered(t *testing.T) {
	b := start(t)
	b.issued("A1", 2)
	for kind, want := range map[providers.Kind]notices.Reason{
		providers.Rejected: notices.Unfound,
		providers.Unknown:  notices.Unclear,
		providers.NotSent:  notices.Unclear,
		providers.Held:     notices.Held,
	} {
		b.must(b.Notices.Want(t.Context(), ref("A1")))
		b.fake.out = providers.Outcome{Kind: kind, RetryAfter: time.Second}
		_, err := b.Due(t.Context())
		b.must(err)
		if why, tried, err := b.Notices.Tried(t.Context(), ref("A1")); why != want || !tried || err != nil {
			t.Errorf("%s: %q, %t, %v, want %q", kind, why, tried, err, want)
		}
	}
}

// keysLooks is where the looks are.
const keysLooks = "issuance:{notices:ecticket:2000132}:looks"

// When the call budget has nothing to spare, no other look is tried until it has.
func TestAFloodWaitsForTheBudget(t *testing.T) {
	b := start(t)
	for i := range 5 {
		b.issued(fmt.Sprint("A", i), 1)
		b.must(b.Notices.Want(t.Context(), ref(fmt.Sprint("A", i))))
	}
	b.fake.out = providers.Outcome{Kind: providers.Held, RetryAfter: 10 * time.Minute}
	pause, err := b.Due(t.Context())
	if err != nil || pause != 10*time.Minute || len(b.fake.calls) != 1 {
		t.Errorf("pause %s, %v, calls %v", pause, err, b.fake.calls)
	}
	b.look(10 * time.Minute)
	if len(b.fake.calls) != 6 {
		t.Errorf("calls %v", b.fake.calls)
	}
}

// Only issued orders are asked for; one that will be issued is, once it is.
func TestAnOrderThatIsNotIssuedIsAskedForLater(t *testing.T) {
	b := start(t)
	fence := b.submitted(ref("A1"), `{"MerchantTradeNo":"A1","TicketInfo":[{"TicketAmount":1}]}`)
	b.fake.orders["A1"] = []providers.Ticket{{TicketNo: "A1T1", UseStatus: providers.Redeemed}}
	b.notice(`{"MerchantTradeNo":"A1"}`)
	b.must(b.Notices.Want(t.Context(), ref("NONE")))
	b.look(0)
	b.wantCalls()
	_, err := b.Ledger.Finish(t.Context(), ref("A1"), fence, ledger.Ending{State: order.Issued})
	b.must(err)
	b.look(soon)
	b.wantSaw("A1/1 redeemed")
	_, err = b.Ledger.Erase(t.Context(), ref("A1"), "ann")
	b.must(err)
	b.fake.calls = nil
	b.must(b.Notices.Want(t.Context(), ref("A1")))
	b.look(time.Second)
	b.wantCalls()
}

// A look whose result cannot be written is made again; of two at the same time, nothing is published twice.
func TestALookThatCannotBeRecordedIsRepeated(t *testing.T) {
	b := start(t)
	b.issued("A1", 1)
	b.fake.set("A1", "A1T1", providers.Redeemed)
	const tickets = "issuance:{ecticket:2000132:A1}:tickets"
	b.fake.during = func() { b.must(b.rdb.Set(t.Context(), tickets, "of another type", 0).Err()) }
	b.must(b.Notices.Want(t.Context(), ref("A1")))
	b.look(0)
	b.must(b.rdb.Del(t.Context(), tickets).Err())
	b.wantSaw()
	b.fake.during = func() { // another worker is faster
		b.fake.during = nil
		_, err := b.Ledger.SeeTickets(t.Context(), ref("A1"), &ledger.TicketList{}, []ledger.TicketSight{{Status: providers.Redeemed}}, b.numbersOf("A1T1"))
		b.must(err)
	}
	b.look(time.Hour)
	b.look(time.Hour)
	b.wantSaw("A1/1 redeemed")
}

// A flood of notices costs a call for every order, and none while the call budget has nothing to spare.
func TestAFloodCostsACallForEachOrder(t *testing.T) {
	b := startOver(t, testredis.Start(t)) // the embedded one is slow with so many
	const orders, flood = 50, 10_000
	for i := range orders {
		b.issued(fmt.Sprint("A", i), 1)
		b.fake.set(fmt.Sprint("A", i), fmt.Sprintf("A%dT1", i), providers.Redeemed)
	}
	for i := range flood { // within a minute
		b.at = b.at.Add(time.Minute / flood)
		b.notice(fmt.Sprintf(`{"MerchantTradeNo":"A%d","n":%d}`, i%orders, i))
	}
	answered, spare, calls := 0, 3, 0
	b.fake.during = func() {
		if answered++; answered == spare { // the next call is held until a minute later
			answered, b.fake.out = 0, providers.Outcome{Kind: providers.Held, RetryAfter: time.Minute}
		}
	}
	for len(b.saw()) < orders {
		pause, err := b.Due(t.Context())
		b.must(err)
		if len(b.fake.calls) > spare+1 {
			t.Fatalf("%d calls without a pause", len(b.fake.calls))
		}
		calls += len(b.fake.calls)
		b.fake.calls = nil
		b.at = b.at.Add(max(pause, time.Second))
	}
	if most := orders + orders/(spare-1) + 2; calls > most {
		t.Errorf("%d calls, those that were held included, for %d orders", calls, orders)
	}
	b.look(time.Hour)
	b.nothingLeft()
}

// A notice about an order that waits to be sent has it asked for once it is issued; about one that was cancelled or
// erased, never.
func TestNoticesOfOrdersInEveryState(t *testing.T) {
	b := start(t)
	ctx := t.Context()
	for _, id := range []string{"QUEUED", "CANCELLED"} {
		_, err := b.Ledger.Record(ctx, ledger.Intake{Ref: ref(id), Lane: order.Checkout, Fingerprint: "k.f", Shape: []byte(`{}`), Stub: []byte(`{"TicketInfo":[{"TicketAmount":1}]}`), Document: "s1.k.doc"})
		b.must(err)
	}
	_, err := b.Ledger.Cancel(ctx, ref("CANCELLED"), "ann", "test")
	b.must(err)
	b.issued("ERASED", 1)
	b.fake.set("ERASED", "ERASEDT1", providers.Redeemed)
	_, err = b.Ledger.Erase(ctx, ref("ERASED"), "ann")
	b.must(err)
	b.notice(`{"MerchantTradeNo":"QUEUED"}`)
	b.notice(`{"MerchantTradeNo":"CANCELLED"}`)
	b.notice(`{"MerchantTradeNo":"ERASED"}`)
	b.look(0)
	b.wantCalls()
	b.fake.orders["QUEUED"] = []providers.Ticket{{TicketNo: "Q1", UseStatus: providers.Redeemed}}
	c, err := b.Ledger.Claim(ctx, ref("QUEUED"), "test", time.Minute)
	b.must(err)
	_, _, err = b.Ledger.Submit(ctx, ref("QUEUED"), c.Record.Fence, ledger.Intent{Host: "ecticket.example", Lease: time.Minute, Ticket: -1})
	b.must(err)
	_, err = b.Ledger.Finish(ctx, ref("QUEUED"), c.Record.Fence, ledger.Ending{State: order.Issued})
	b.must(err)
	b.look(unissued)
	b.wantCalls("list QUEUED")
	b.wantSaw("QUEUED/1 redeemed")
	b.nothingLeft()
}
