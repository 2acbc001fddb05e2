package looks

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"issuance/internal/ledger"
	"issuance/internal/notices"
	"issuance/internal/seal"
	"issuance/internal/testredis"
	"issuance/internal/vault"
	"issuance/providers"
	_ "issuance/providers/codecs"
	"issuance/tasks/order"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var shop = providers.Account{Provider: providers.ECTicket, Merchant: "2000132"}

func ref(id string) order.Ref { return order.Ref{Account: shop, OrderID: id} }

// fake is a provider whose orders the test writes down.
type fake struct {
	orders map[string][]providers.Ticket
	out    providers.Outcome // of the next call, unless it is zero
	single map[string]providers.UseStatus
	calls  []string
	during func() // what happens while a list is on its way
}

func (f *fake) Account() providers.Account { return shop }
func (f *fake) Host() string               { return "ecticket.example" }

func (f *fake) answer(call string) providers.Outcome {
	f.calls = append(f.calls, call)
	out := f.out
	if f.out = (providers.Outcome{}); out.Kind == "" {
		out.Kind = providers.Done
	}
	return out
}

func (f *fake) Tickets(_ context.Context, o providers.Order) ([]providers.Ticket, providers.Outcome) {
	out := f.answer("list " + o.ID)
	if f.during != nil {
		f.during()
	}
	return slices.Clone(f.orders[o.ID]), out
}

func (f *fake) TicketStatus(_ context.Context, no string) (providers.TicketStatus, providers.Outcome) {
	out := f.answer("ticket " + no)
	for id, list := range f.orders {
		for _, t := range list {
			if t.TicketNo == no {
				if s := f.single[no]; s != "" {
					t.UseStatus = s
				}
				return providers.TicketStatus{Ticket: t, OrderID: id}, out
			}
		}
	}
	return providers.TicketStatus{}, providers.Outcome{Kind: providers.Rejected}
}

func (f *fake) set(id, no string, s providers.UseStatus) {
	for i := range f.orders[id] {
		if f.orders[id][i].TicketNo == no {
			f.orders[id][i].UseStatus = s
		}
	}
}

// bench is a looker over a Redis of its own, with a clock that only the test moves.
type bench struct {
	*Looker
	t    *testing.T
	rdb  *redis.Client
	fake *fake
	at   time.Time
	log  strings.Builder
}

func start(t *testing.T) *bench {
	t.Helper()
	return startOver(t, testredis.Mini(t))
}

func startOver(t *testing.T, s *testredis.Server) *bench {
	t.Helper()
	b := &bench{t: t, rdb: s.Client(), fake: &fake{orders: map[string][]providers.Ticket{}, single: map[string]providers.UseStatus{}}, at: time.Now().Truncate(time.Millisecond)}
	now := func() time.Time { return b.at }
	store := notices.New(b.rdb, shop)
	store.Now = now
	b.Looker = New(Config{Provider: b.fake, Ledger: ledger.New(b.rdb, ledger.Options{Now: now}), Ring: seal.Sandbox(), Notices: store, Log: slog.New(slog.NewTextHandler(&b.log, nil))})
	return b
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// issued makes an order with tickets T1, T2, … behind its number, which the provider has issued.
func (b *bench) issued(id string, n int) {
	b.t.Helper()
	f := b.submitted(ref(id), fmt.Sprintf(`{"MerchantTradeNo":%q,"TicketInfo":[{"TicketAmount":%d}]}`, id, n))
	a, err := b.Ledger.Finish(b.t.Context(), ref(id), f, ledger.Ending{State: order.Issued, ProviderRef: "PROVIDER" + id})
	if b.must(err); !a.Applied {
		b.t.Fatalf("%+v", a)
	}
	for i := range n {
		b.fake.orders[id] = append(b.fake.orders[id], providers.Ticket{TicketNo: fmt.Sprintf("%sT%d", id, i+1), UseStatus: providers.Unused})
	}
}

func (b *bench) submitted(r order.Ref, stub string) (fence string) {
	b.t.Helper()
	ctx := b.t.Context()
	_, err := b.Ledger.Record(ctx, ledger.Intake{Ref: r, Lane: order.Checkout, Fingerprint: "k.f", Shape: []byte(`{}`), Document: "s1.k.doc"})
	b.must(err)
	c, err := b.Ledger.Claim(ctx, r, "test", time.Minute)
	b.must(err)
	_, _, err = b.Ledger.Submit(ctx, r, c.Record.Fence, ledger.Intent{Host: "ecticket.example", Stub: []byte(stub), Lease: time.Minute, Ticket: -1})
	b.must(err)
	return c.Record.Fence
}

func (b *bench) notice(text string) {
	b.t.Helper()
	_, err := b.Notices.Put(b.t.Context(), b.Ring, []byte(text))
	b.must(err)
}

// look makes what is due, some time later.
func (b *bench) look(later time.Duration) {
	b.t.Helper()
	b.at = b.at.Add(later)
	_, err := b.Due(b.t.Context())
	b.must(err)
}

// saw are the events of tickets: the place, the status and the code of each.
func (b *bench) saw() (out []string) {
	b.t.Helper()
	list, err := b.Ledger.Events(b.t.Context(), "0", 1000, 0)
	b.must(err)
	for _, e := range list {
		if e.Ticket > 0 {
			out = append(out, strings.TrimSpace(fmt.Sprintf("%s/%d %s %s", e.OrderID, e.Ticket, e.State, e.Code)))
		}
	}
	return out
}

func (b *bench) wantSaw(want ...string) {
	b.t.Helper()
	if got := b.saw(); !slices.Equal(got, want) {
		b.t.Errorf("events %q, want %q\n%s", got, want, b.log.String())
	}
}

func (b *bench) wantSawAnyOrder(want ...string) {
	b.t.Helper()
	if got := slices.Sorted(slices.Values(b.saw())); !slices.Equal(got, want) {
		b.t.Errorf("events %q, want %q", got, want)
	}
}

func (b *bench) wantCalls(want ...string) {
	b.t.Helper()
	if !slices.Equal(b.fake.calls, want) {
		b.t.Errorf("calls %q, want %q", b.fake.calls, want)
	}
	b.fake.calls = nil
}

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

// A notice that names tickets alone finds their order, wherever in it they stand.
func TestATicketFindsItsOrder(t *testing.T) {
	b := start(t)
	b.issued("A1", 1)
	b.issued("B1", 1)
	b.fake.set("A1", "A1T1", providers.Redeemed)
	b.fake.set("B1", "B1T1", providers.Redeemed)
	b.notice(`{"List":[{"TicketNo":"A1T1"},{"TicketNo":"UNKNOWN"}]}`)
	b.look(0)
	b.wantCalls("ticket A1T1", "ticket UNKNOWN", "list A1")
	b.notice(`{"MerchantTradeNo":"A1","TicketNo":["A1T1","B1T1"]}`) // the one is known now, the other is another order's
	b.look(time.Second)
	b.look(time.Minute)
	b.wantCalls("list A1", "ticket B1T1", "list B1")
	b.wantSaw("A1/1 redeemed", "B1/1 redeemed")
}

// The provider's own id of an order is found by a search; what names nothing known is reported and done.
func TestTheProvidersIDIsSearchedFor(t *testing.T) {
	b := start(t)
	b.issued("A1", 1)
	b.fake.set("A1", "A1T1", providers.Redeemed)
	b.notice(`{"TicketTradeNo":"PROVIDERA1"}`)
	b.look(0)
	b.wantSaw("A1/1 redeemed")
	b.notice(`{"TicketTradeNo":"PROVIDERA2"}`)
	b.look(0)
	if !strings.Contains(b.log.String(), "names no order") || strings.Contains(b.log.String(), "PROVIDERA2") {
		t.Errorf("log: %s", b.log.String())
	}
	if _, ok, err := b.Notices.Take(t.Context()); ok || err != nil {
		t.Error("a look is left", err)
	}
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

// A list that lacks tickets concludes nothing, and one that takes something back is checked with the ticket itself.
func TestAListThatLagsConcludesNothing(t *testing.T) {
	b := start(t)
	b.issued("A1", 2)
	all := b.fake.orders["A1"]
	b.fake.orders["A1"] = all[:1]
	b.must(b.Notices.Want(t.Context(), ref("A1")))
	b.look(0)
	if list, err := b.Ledger.TicketList(t.Context(), ref("A1")); err != nil || len(list.Tickets) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	b.fake.orders["A1"] = all
	b.fake.set("A1", "A1T1", providers.Redeemed)
	b.look(time.Hour)
	b.fake.calls = nil
	b.fake.set("A1", "A1T1", providers.Unused) // the list is behind, the ticket is not
	b.fake.single["A1T1"] = providers.Redeemed
	b.must(b.Notices.Want(t.Context(), ref("A1")))
	b.look(time.Minute)
	b.wantCalls("list A1", "ticket A1T1")
	b.fake.single["A1T1"] = providers.Unused // it was cancelled, and the ticket is redeemed once more
	b.must(b.Notices.Want(t.Context(), ref("A1")))
	b.look(time.Minute)
	b.fake.set("A1", "A1T1", providers.Redeemed)
	b.must(b.Notices.Want(t.Context(), ref("A1")))
	b.look(time.Minute)
	b.wantSaw("A1/1 redeemed", "A1/1 redeemed")
}

// Refunds of ours are ours, those of others are marked, and one under way leaves its ticket undecided.
func TestRefundsByOthersAreMarked(t *testing.T) {
	b := start(t)
	ctx := t.Context()
	b.issued("A1", 3)
	r := ref("A1").Refund("R1")
	_, err := b.Ledger.Record(ctx, ledger.Intake{Ref: r, Lane: order.Checkout, Fingerprint: "k.f", Shape: []byte(`{}`), Document: "s1.k.doc"})
	b.must(err)
	c, err := b.Ledger.Claim(ctx, r, "test", time.Hour)
	b.must(err)
	plan, err := vault.SealPlan(b.Ring, r, []string{"A1T1"})
	b.must(err)
	a, err := b.Ledger.WritePlan(ctx, r, c.Record.Fence, ledger.Plan{Sealed: plan, Count: 1, Baseline: -1, Tickets: []ledger.PlannedTicket{{State: order.TicketPlanned}}})
	b.must(err)
	sent, _, err := b.Ledger.Submit(ctx, r, c.Record.Fence, ledger.Intent{Host: "ecticket.example", Lease: time.Hour, Ticket: 0})
	if b.must(err); !a.Applied || !sent.Applied {
		t.Fatalf("plan %+v, intent %+v, claim %+v", a, sent, c)
	}
	b.fake.set("A1", "A1T1", providers.Refunded)
	b.fake.set("A1", "A1T2", providers.Refunded)
	b.must(b.Notices.Want(ctx, ref("A1")))
	b.look(0)
	b.wantSaw("A1/2 refunded refunded_elsewhere")
	_, err = b.Ledger.SettleTicket(ctx, r, c.Record.Fence, 0, ledger.Settlement{State: order.TicketRefunded})
	b.must(err)
	b.look(time.Minute)
	b.wantSaw("A1/2 refunded refunded_elsewhere", "A1/1 refunded")
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

func (b *bench) numbersOf(list ...string) seal.Sealed {
	s, err := vault.SealTickets(b.Ring, ref("A1"), list)
	b.must(err)
	return s
}

// A notice of many tickets is gone through a few at a time and none is asked for twice, whatever comes between.
func TestALongNoticeGetsThrough(t *testing.T) {
	b := start(t)
	var list []string
	for i := range 23 {
		list = append(list, fmt.Sprintf(`{"TicketNo":"ELSEWHERE%d"}`, i))
	}
	b.issued("A1", 1)
	b.fake.set("A1", "A1T1", providers.Redeemed)
	b.notice(`{"List":[` + strings.Join(list, ",") + `,{"TicketNo":"A1T1"}]}`)
	for len(b.saw()) == 0 {
		if len(b.fake.calls) == 7 || len(b.fake.calls) == 11 {
			b.fake.out = providers.Outcome{Kind: providers.Held, RetryAfter: time.Hour}
			if pause, err := b.Due(t.Context()); err != nil || pause != time.Hour {
				t.Fatalf("pause %s, %v", pause, err)
			}
		}
		if b.look(time.Hour); len(b.fake.calls) > 30 {
			t.Fatalf("calls %v", b.fake.calls)
		}
	}
	slices.Sort(b.fake.calls)
	if n := len(slices.Compact(b.fake.calls)); n != 25 {
		t.Errorf("%d different calls: %v", n, b.fake.calls)
	}
	b.nothingLeft()
}

func (b *bench) nothingLeft() {
	b.t.Helper()
	if n, err := b.rdb.ZCard(b.t.Context(), keysLooks).Result(); n != 0 || err != nil {
		b.t.Errorf("%d looks are left, %v", n, err)
	}
}

// Orders of another system of the merchant's cost a call for each of their tickets and no search of the records.
func TestOrdersOfAnotherSystemAreNotSearchedFor(t *testing.T) {
	b := start(t)
	b.issued("A1", 1)
	b.fake.orders["OTHERSYSTEM1"] = []providers.Ticket{{TicketNo: "O1", UseStatus: providers.Redeemed}}
	b.rdb.AddHook(refusing("SCAN", t))
	b.notice(`{"TicketNo":"O1","TicketTradeNo":"PROVIDERA1"}`)
	b.notice(`{"MerchantTradeNo":"OTHERSYSTEM1","TicketTradeNo":"PROVIDERA1","RefundAmount":100}`)
	b.look(0)
	b.wantCalls("ticket O1")
	b.wantSaw()
	b.nothingLeft()
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
		_, err := b.Ledger.Record(ctx, ledger.Intake{Ref: ref(id), Lane: order.Checkout, Fingerprint: "k.f", Shape: []byte(`{}`), Document: "s1.k.doc"})
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
	_, _, err = b.Ledger.Submit(ctx, ref("QUEUED"), c.Record.Fence, ledger.Intent{Host: "ecticket.example", Stub: []byte(`{"TicketInfo":[{"TicketAmount":1}]}`), Lease: time.Minute, Ticket: -1})
	b.must(err)
	_, err = b.Ledger.Finish(ctx, ref("QUEUED"), c.Record.Fence, ledger.Ending{State: order.Issued})
	b.must(err)
	b.look(unissued)
	b.wantCalls("list QUEUED")
	b.wantSaw("QUEUED/1 redeemed")
	b.nothingLeft()
}
