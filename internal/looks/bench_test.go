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

func (f *fake) Host() string { return "ecticket.example" }

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

func (f *fake) StatusByWriteOffNo(_ context.Context, code string) (providers.TicketStatus, providers.Outcome) {
	out := f.answer("code " + code)
	for id, list := range f.orders {
		for _, t := range list {
			if t.WriteOffNo == code {
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
	_, err := b.Ledger.Record(ctx, ledger.Intake{Ref: r, Lane: order.Checkout, Fingerprint: "k.f", Shape: []byte(`{}`), Stub: []byte(stub), Document: "s1.k.doc"})
	b.must(err)
	c, err := b.Ledger.Claim(ctx, r, "test", time.Minute)
	b.must(err)
	_, _, err = b.Ledger.Submit(ctx, r, c.Record.Fence, ledger.Intent{Host: "ecticket.example", Lease: time.Minute, Ticket: -1})
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

func (b *bench) numbersOf(list ...string) seal.Sealed {
	s, err := vault.SealTickets(b.Ring, ref("A1"), list)
	b.must(err)
	return s
}

func (b *bench) nothingLeft() {
	b.t.Helper()
	if n, err := b.rdb.ZCard(b.t.Context(), keysLooks).Result(); n != 0 || err != nil {
		b.t.Errorf("%d looks are left, %v", n, err)
	}
}
