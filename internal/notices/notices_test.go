package notices

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"issuance/internal/keys"
	"issuance/internal/seal"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	shop = providers.Account{Provider: providers.ECTicket, Merchant: "2000132"}
	a1   = order.Ref{Account: shop, OrderID: "A1"}
	text = []byte(`{"MerchantTradeNo":"A1","TicketNo":"CB2SY20220302153"}`)
)

// bench is a store over a Redis of its own, with a clock that only the test moves.
type bench struct {
	*Store
	t    *testing.T
	rdb  *redis.Client
	ring *seal.Ring
	at   time.Time
}

func each(t *testing.T, run func(b *bench)) {
	t.Helper()
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		b := &bench{t: t, rdb: s.Client(), ring: seal.Sandbox(), at: time.Now().Truncate(time.Millisecond)}
		b.Store = New(b.rdb, shop)
		b.Now = func() time.Time { return b.at }
		run(b)
	})
}

func (b *bench) put(text []byte) bool {
	b.t.Helper()
	fresh, err := b.Put(b.t.Context(), b.ring, text)
	b.must(err)
	return fresh
}

func (b *bench) take() (Look, bool) {
	b.t.Helper()
	l, ok, err := b.Take(b.t.Context())
	b.must(err)
	return l, ok
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) stored() int64 { return b.rdb.XLen(b.t.Context(), keys.Notices(shop)).Val() }

// A notice is stored sealed, once, with the look it calls for; its text is in no key and no value.
func TestANoticeIsStoredSealedWithItsLook(t *testing.T) {
	each(t, func(b *bench) {
		if !b.put(text) || b.put(text) || b.stored() != 1 {
			b.t.Fatalf("%d notices are stored", b.stored())
		}
		l, ok := b.take()
		if !ok || l.Kind != OfNotice {
			b.t.Fatalf("%+v %t is due", l, ok)
		}
		if got, err := b.Open(b.t.Context(), b.ring, l.Name); err != nil || string(got) != string(text) {
			b.t.Errorf("it is opened as %q, %v", got, err)
		}
		for _, m := range b.rdb.XRange(b.t.Context(), keys.Notices(shop), "-", "+").Val() {
			if v := m.Values["sealed"].(string); strings.Contains(v, "CB2SY") || len(m.Values) != 1 {
				b.t.Errorf("stored in the clear: %v", m.Values)
			}
		}
		for _, k := range b.rdb.Keys(b.t.Context(), "*").Val() {
			if strings.Contains(k, "CB2SY") || strings.Contains(k, "A1") {
				b.t.Errorf("key %s", k)
			}
		}
		if got, err := b.Open(b.t.Context(), b.ring, "1-1"); got != nil || err != nil {
			b.t.Errorf("a notice that is not kept is %q, %v", got, err)
		}
	})
}

// The same text is a new notice in the next daily batch.
func TestARepetitionIsRecognisedForADay(t *testing.T) {
	each(t, func(b *bench) {
		b.put(text)
		for _, k := range b.rdb.Keys(b.t.Context(), keys.Notice(shop, "*")).Val() {
			if ttl := b.rdb.PTTL(b.t.Context(), k).Val(); ttl <= 19*time.Hour || ttl > Repeats {
				b.t.Errorf("recognised for %s", ttl)
			}
			b.must(b.rdb.Del(b.t.Context(), k).Err()) // as its expiry does
		}
		if !b.put(text) || b.stored() != 2 {
			b.t.Errorf("%d are stored", b.stored())
		}
	})
}

// Whatever of a notice Redis refuses to write, it is an error, and the repetition is stored.
func TestWhatCouldNotBeWrittenIsStoredWhenItComesAgain(t *testing.T) {
	each(t, func(b *bench) {
		for _, key := range []string{keys.Notices(shop), keys.Looks(shop)} { // XADD and ZADD are refused
			b.must(b.rdb.Set(b.t.Context(), key, "of another type", 0).Err())
			if _, err := b.Put(b.t.Context(), b.ring, text); err == nil {
				b.t.Errorf("%s cannot be written, and nothing is reported", key)
			}
			b.must(b.rdb.Del(b.t.Context(), key).Err())
		}
		if !b.put(text) {
			b.t.Error("a notice that was not stored is taken for a repetition")
		}
		if l, ok := b.take(); !ok || l.Kind != OfNotice {
			b.t.Error("no look is due")
		}
	})
}

// The mark of a notice is written last: where Redis refuses it, the notice is stored, and stored again.
func TestARefusedMarkLosesNothing(t *testing.T) {
	each(t, func(b *bench) {
		if b.rdb.Do(b.t.Context(), "ACL", "SETUSER", "default", "-set").Err() != nil {
			b.t.Skip("only a redis-server has users")
		}
		if _, err := b.Put(b.t.Context(), b.ring, text); err == nil || b.stored() != 1 {
			b.t.Errorf("%v; %d are stored", err, b.stored())
		}
		b.must(b.rdb.Do(b.t.Context(), "ACL", "SETUSER", "default", "+set").Err())
		if !b.put(text) || b.put(text) {
			b.t.Error("it is not recognised as it should be")
		}
	})
}

// cut is a connection that fails before a command is sent, or loses its answer.
type cut struct {
	testredis.Hook
	before, after bool
}

var errCut = errors.New("cut")

func (c *cut) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if c.before {
			cmd.SetErr(errCut)
			return errCut
		}
		err := next(ctx, cmd)
		if err == nil && c.after {
			cmd.SetErr(errCut)
			return errCut
		}
		return err
	}
}

// Every write that fails is reported; what took effect without an answer is done once when it is repeated.
func TestAFailedConnectionIsReportedAndNothingIsDoneTwice(t *testing.T) {
	each(t, func(b *bench) {
		c := &cut{}
		b.rdb.AddHook(c)
		b.must(b.Want(b.t.Context(), a1))
		look, _ := b.take()
		writes := map[string]func() error{
			"put":    func() error { _, err := b.Put(b.t.Context(), b.ring, text); return err },
			"want":   func() error { return b.Want(b.t.Context(), a1) },
			"take":   func() error { _, _, err := b.Take(b.t.Context()); return err },
			"putOff": func() error { return b.PutOff(b.t.Context(), look, time.Minute, Unclear) },
			"done":   func() error { return b.Done(b.t.Context(), look) },
		}
		for name, write := range writes {
			for _, how := range []cut{{before: true}, {after: true}} {
				*c = how
				if err := write(); !errors.Is(err, errCut) {
					b.t.Errorf("%s, %+v: %v", name, how, err)
				}
			}
			*c = cut{}
		}
		if b.put(text) || b.stored() != 1 {
			b.t.Errorf("a notice whose answer was lost is stored %d times", b.stored())
		}
	})
}

// An order is looked at once however often it is wanted, and once more when it is wanted while a look is under way.
func TestLooksAreCoalescedAndNoneIsLost(t *testing.T) {
	each(t, func(b *bench) {
		ctx := b.t.Context()
		for range 5 {
			b.must(b.Want(ctx, a1))
		}
		l, ok := b.take()
		if !ok || l.Kind != OfOrder || l.Name != "A1" {
			b.t.Fatalf("%+v is due", l)
		}
		if _, again := b.take(); again {
			b.t.Error("a look that is under way is taken twice")
		}
		b.must(b.Want(ctx, a1)) // while it is under way
		b.must(b.Done(ctx, l))
		l, ok = b.take()
		if !ok {
			b.t.Fatal("what was wanted during the look is lost")
		}
		b.must(b.Done(ctx, l))
		if wanted, err := b.Wanted(ctx, a1); wanted || err != nil {
			b.t.Error("a look that is done is still wanted", err)
		}
	})
}

// A look that was put off says why, until it is taken again or done; asked for anew, only that no call could leave still counts.
func TestALookThatIsPutOffSaysWhy(t *testing.T) {
	each(t, func(b *bench) {
		ctx := b.t.Context()
		is := func(want Reason, wantTried bool) {
			b.t.Helper()
			if why, tried, err := b.Tried(ctx, a1); why != want || tried != wantTried || err != nil {
				b.t.Errorf("%q, %t, %v, want %q, %t", why, tried, err, want, wantTried)
			}
		}
		for _, why := range Reasons() {
			b.must(b.Want(ctx, a1))
			l, _ := b.take()
			b.must(b.PutOff(ctx, l, time.Minute, why))
			is(why, true)
			b.must(b.Want(ctx, a1))
			if why == Held {
				is(Held, true)
			} else {
				is("", false)
			}
			l, _ = b.take()
			is("", true)
			b.must(b.PutOff(ctx, l, time.Minute, why))
			b.at = b.at.Add(time.Minute)
			l, _ = b.take()
			b.must(b.Done(ctx, l))
			is("", false)
		}
		if n := b.rdb.Exists(ctx, keys.LookReasons(shop)).Val(); n != 0 {
			b.t.Error("reasons are left of looks that are done")
		}
	})
}

// A look survives whoever has taken it, and one that is put off comes again.
func TestALookIsDueUntilItIsDone(t *testing.T) {
	each(t, func(b *bench) {
		ctx := b.t.Context()
		tried := func(want bool) {
			b.t.Helper()
			if why, is, err := b.Tried(ctx, a1); is != want || why != "" || err != nil {
				b.t.Errorf("tried is %t (%q), %v", is, why, err)
			}
		}
		tried(false)
		b.must(b.Want(ctx, a1))
		tried(false)
		b.take() // and dies
		tried(true)
		b.at = b.at.Add(lease)
		l, ok := b.take()
		if !ok {
			b.t.Fatal("it died with its taker")
		}
		b.must(b.PutOff(ctx, l, time.Minute, ""))
		tried(true)
		b.must(b.WantTickets(ctx, "1-1", time.Hour))
		if n, err := b.Due(ctx); n != 0 || err != nil {
			b.t.Errorf("%d are due, %v", n, err)
		}
		if _, early := b.take(); early {
			b.t.Error("it comes too early")
		}
		b.at = b.at.Add(time.Minute)
		if n, err := b.Due(ctx); n != 1 || err != nil {
			b.t.Errorf("%d are due, %v", n, err)
		}
		if l, ok = b.take(); !ok || l.Name != "A1" {
			b.t.Fatalf("%+v %t", l, ok)
		}
		b.must(b.Done(ctx, l))
		b.at = b.at.Add(time.Hour)
		if l, ok = b.take(); !ok || l.Kind != OfTickets || l.Name != "1-1" {
			b.t.Errorf("%+v %t", l, ok)
		}
	})
}

func TestWhatANoticeNames(t *testing.T) {
	for body, want := range map[string]Names{
		`{"MerchantTradeNo":"A1","TicketNo":"T1","UseStatus":2}`:                                      {Orders: []string{"A1", "T1", "2"}, Tickets: []string{"T1"}},
		`{"Tickets":[{"ticket_no":" T2 "},{"x":{"FreeTradeNo":"G1"}}],"n":20220302153064}`:            {Orders: []string{"T2", "G1", "20220302153064"}, Tickets: []string{"T2"}},
		`{"anything":"CB2SY20220302153"}`:                                                             {Orders: []string{"CB2SY20220302153"}, Tickets: []string{"CB2SY20220302153"}},
		`{"Remark":"退款 完成","Date":"20220305 16:30","TicketNo":["T1","T1","T3"],"no":null,"yes":true}`: {Orders: []string{"T1", "T3"}, Tickets: []string{"T1", "T3"}},
		`no JSON`: {}, ``: {}, `"A1"`: {Orders: []string{"A1"}},
		`{"TicketNo":"T1","TicketNo":"T2"}`:             {Orders: []string{"T1", "T2"}, Tickets: []string{"T1", "T2"}}, // the same field twice
		`{"TicketNo":"T1,T2;T3"}`:                       {Orders: []string{"T1", "T2", "T3"}, Tickets: []string{"T1", "T2", "T3"}},
		`{"List":"[{\"TicketNo\":\"T1\"}]","n":"A1"}`:   {Orders: []string{"T1", "A1"}, Tickets: []string{"T1"}},                   // JSON in a string
		`{"TicketNo":[["T1"],{"x":"A1"},"T2"],"y":"B1"`: {Orders: []string{"T1", "A1", "T2", "B1"}, Tickets: []string{"T1", "T2"}}, // cut off
		"\ufeff" + `{"FreeTradeNo":"G1"}`:               {Orders: []string{"G1"}},
		`TicketNo=T1&MerchantTradeNo=A1`:                {Orders: []string{"A1", "T1"}, Tickets: []string{"T1"}},
		strings.Repeat("[", 100_000):                    {},
	} {
		if got := Read([]byte(body)); !slices.Equal(got.Orders, want.Orders) || !slices.Equal(got.Tickets, want.Tickets) {
			t.Errorf("%.200s names %+v, want %+v", body, got, want)
		}
	}
	numbered := Read([]byte(`{"merchant_trade_no":"A1","x":{"FreeTradeNo":"G1"},"MerchantTradeNo":["A2",""],"TicketTradeNo":"P1","TradeNo":"P2"}`)).Numbered
	if !slices.Equal(numbered, []string{"A1", "G1", "A2"}) {
		t.Errorf("order numbers %v", numbered)
	}
}

// Every ticket of the largest notice is taken, and of more than that no more than the bound.
func TestNoTicketOfALongNoticeIsLeftOut(t *testing.T) {
	for count, want := range map[int]int{3000: 3000, 2 * mostNames: mostNames} {
		var list []string
		for i := range count {
			list = append(list, fmt.Sprintf(`{"TicketNo":"T%015d","UseStatus":2}`, i))
		}
		if got := Read([]byte("[" + strings.Join(list, ",") + "]")); len(got.Tickets) != want {
			t.Errorf("%d of %d tickets", len(got.Tickets), count)
		}
	}
}

// Whatever a notice says, what is taken from it is of the form of numbers, bounded, and each once.
func FuzzRead(f *testing.F) {
	for _, s := range []string{string(text), `{"a":"[{\"TicketNo\":\"T1\"}"}`, `TicketNo=T1;x&y=%zz`, strings.Repeat(`{"a":`, 500), `{"a":1e999,"b":-0}`, `{"TicketNo":"T1","TicketNo":["T1,T2"]}`,
		`[{"WriteOffNo":"w00000000000001145"},{"x":"[{\"y\":{\"WriteOffNo\":\"W1,W1\"}"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got := Read(text)
		for _, list := range [][]string{got.Orders, got.Tickets, got.Numbered, got.Codes} {
			sorted := slices.Sorted(slices.Values(list))
			if len(list) > mostNames || len(slices.Compact(sorted)) != len(list) {
				t.Errorf("%d names, some twice", len(list))
			}
			for _, name := range list {
				if !orderForm.MatchString(name) {
					t.Errorf("%q is taken", name)
				}
			}
		}
	})
}
