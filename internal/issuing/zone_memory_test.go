package issuing_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"issuance/internal/handler"
	"issuance/internal/handlertest"
	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/providers/ecticket"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/providers/ecticket/wire"
	"issuance/providers/pass2u"
	"issuance/providers/pass2u/pass2usim"
	"issuance/tasks/order"
)

// zoned is a provider that writes times of another zone, and an account of it that workers come and go for.
type zoned struct {
	*handlertest.Bench
	account providers.Account
	ref     order.Ref
	off     time.Duration // the clock of the next worker's machine
	// client makes a worker's.
	client func(m providers.Memory) providers.Provider
	// writes has the provider write all times off by so much.
	writes func(shift time.Duration)
	// own has the provider accept and issue another order, which the worker sees.
	own func(p providers.Provider)
	// older has another system make the order that long before, for the same customer or for one who is not shown.
	older func(by time.Duration, shown bool)
	// loses has it lose the answer to the order's first request; shown says whether the customer shows.
	loses func()
	doc   func(shown bool) string
}

func zonedECTicket(t *testing.T) *zoned {
	z := &zoned{Bench: handlertest.New(t, testredis.Start(t)), account: handlertest.ECTicket, ref: ref}
	sim := ecticketsim.New(ecticketsim.Config{Now: z.Clock.Now})
	url, merchant := serve(z.Bench, sim), ecticketsim.DefaultAccounts()[0]
	z.client = func(m providers.Memory) providers.Provider {
		p, err := ecticket.New(ecticket.Config{BaseURL: url, MerchantID: merchant.MerchantID, Now: z.now(), Memory: m, Log: z.Log,
			Keys: wire.Keys{HashKey: merchant.HashKey, HashIV: merchant.HashIV}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		return p
	}
	z.writes = func(shift time.Duration) { dated(sim, shift) }
	z.own = func(p providers.Provider) {
		once(sim, ecticketsim.None, nil)
		measured(z.Bench, p)
		accepts(t, p)
	}
	z.older = func(by time.Duration, shown bool) {
		x := theirs
		x.CustomerName, x.CustomerPhone, x.CustomerEmail = "", "", ""
		if shown {
			x.CustomerName, x.CustomerPhone, x.CustomerEmail = "王珊珊", "0912345678", handlertest.CustomerEmail
		}
		x.IssuedAt = z.Clock.Now().Add(-by)
		sim.AddStranger(x)
	}
	z.loses = func() { once(sim, ecticketsim.LoseAnswer, nil) }
	z.doc = func(shown bool) string {
		if shown {
			return soldTo
		}
		return `{"provider":"ecticket","request":{"MerchantTradeNo":"ORDER1","IssueType":"4","Operator":"Shop1","TicketInfo":[{"ItemName":"SPA課程體驗券","TicketPrice":3200,"TicketAmount":2}]}}`
	}
	return z
}

func zonedPass2U(t *testing.T) *zoned {
	w := &pass2uWorld{Bench: handlertest.New(t, testredis.Start(t))}
	w.sim = pass2usim.New(pass2usim.Config{Now: w.Clock.Now})
	t.Cleanup(w.sim.Close)
	z, url := &zoned{Bench: w.Bench, account: handlertest.Pass2U, ref: mailedRef}, serve(w.Bench, w.sim)
	z.client = func(m providers.Memory) providers.Provider {
		p, err := pass2u.New(pass2u.Config{BaseURL: url + path, APIKey: pass2usim.DefaultAPIKey, Now: z.now(), Memory: m, Log: w.Log})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		return p
	}
	z.writes = func(shift time.Duration) { writes(w.sim, stamps[0], shift) }
	z.own = func(p providers.Provider) {
		w.measured(p)
		n := fmt.Sprint("OWN", w.Clock.Now().Unix())
		if out := p.Issue(t.Context(), providers.Order{ID: n, Request: []byte(strings.ReplaceAll(mailedRequest, "ORDER1", n))}); out.Kind != providers.Done {
			t.Fatalf("%+v", out)
		}
	}
	z.older = func(by time.Duration, shown bool) {
		x := pass2usim.Stranger{ChannelOrderID: "ORDER1", Quantity: 2, CreatedAt: w.Clock.Now().Add(-by)}
		if shown {
			x.MailTo = handlertest.CustomerEmail
		}
		w.sim.AddStranger(x)
	}
	z.loses = func() {
		w.sim.SetFault(func(c pass2usim.Call) pass2usim.Fault {
			if c.OrderID == "ORDER1" && c.Op == pass2usim.Generate && c.N == 1 {
				return pass2usim.LoseAnswer
			}
			return pass2usim.None
		})
	}
	z.doc = func(shown bool) string {
		if shown {
			return mailedOrder
		}
		return fmt.Sprintf(`{"provider":"pass2u","request":{"productSaleId":%q,"channelOrderId":"ORDER1","quantity":2,"pickupType":"voucher"}}`, pass2usim.DefaultCampaign)
	}
	return z
}

func (z *zoned) now() func() time.Time {
	off := z.off
	return func() time.Time { return z.Clock.Now().Add(off) }
}

// worker is another process's client of the account. look has it read what others have learned, as it does every two seconds.
func (z *zoned) worker() (p providers.Provider, look func()) {
	facts := ledger.New(z.RDB, ledger.Options{Now: z.Clock.Now}).Facts(z.Log)
	p = z.client(facts.Of(z.account))
	look = func() {
		if err := facts.Refresh(context.Background()); err != nil {
			z.T.Error(err)
		}
	}
	look()
	return p, look
}

func eachZoned(t *testing.T, run func(t *testing.T, fresh func(t *testing.T) *zoned)) {
	for name, fresh := range map[string]func(t *testing.T) *zoned{"ecticket": zonedECTicket, "pass2u": zonedPass2U} {
		t.Run(name, func(t *testing.T) { run(t, fresh) })
	}
}

func (z *zoned) ends(what string, rec *ledger.Record, want order.State, within time.Duration) {
	z.T.Helper()
	code := ""
	if want == order.Review {
		code = string(order.CodeNumberTaken)
	}
	if took := rec.FinalAt.Sub(rec.FirstSentAt); rec.State != want || rec.Reason.Code != code || within > 0 && took > within {
		z.T.Errorf("%s: %s (%s: %s) after %s; want %s", what, rec.State, rec.Reason.Code, rec.Reason.Message, took, want)
	}
}

// What an order has shown of the zone, another worker knows at its next look, and one that is started later from the beginning,
// also where nothing was sold for weeks: lost answers become no reviews, and an older order is another's at once.
func TestTheZoneOutlivesTheWorkersThatHaveSeenIt(t *testing.T) {
	eachZoned(t, func(t *testing.T, fresh func(*testing.T) *zoned) {
		for _, shift := range []time.Duration{-8 * time.Hour, 0} {
			for _, idle := range []time.Duration{0, time.Minute, 5 * time.Hour, 29 * 24 * time.Hour} {
				for _, shown := range []bool{true, false} {
					for _, stranger := range []bool{false, true} {
						z := fresh(t)
						z.writes(shift)
						one, _ := z.worker()
						two, look := z.worker()
						z.own(one)
						if z.Clock.Advance(idle); idle == 0 {
							look() // it runs beside the first
						} else {
							two, _ = z.worker()
						}
						want := order.Issued
						if stranger {
							z.older(8*time.Hour, shown)
							want = order.Review
						}
						z.loses()
						z.ends(fmt.Sprintf("off by %s, after %s, customer shown %t, another's %t", shift, idle, shown, stranger), travels(z.Bench, two, z.doc(shown || stranger), z.ref), want, 3*time.Minute)
					}
				}
			}
		}
	})
}

// What was remembered long ago decides nothing by itself: the order that has shown the zone is asked for again, so that after a
// change of the zone another's order is not taken for ours.
func TestAZoneThatHasChangedMeanwhileMakesNoOtherOrderOurs(t *testing.T) {
	eachZoned(t, func(t *testing.T, fresh func(*testing.T) *zoned) {
		for _, stranger := range []bool{false, true} {
			z := fresh(t)
			z.writes(-8 * time.Hour)
			one, _ := z.worker()
			z.own(one)
			if shift, ok := one.(providers.ZoneTeller).Zone(t.Context()); !ok || shift != 8*time.Hour {
				t.Fatalf("%s, %t", shift, ok)
			}
			z.Clock.Advance(2 * time.Hour)
			z.writes(0)
			two, _ := z.worker()
			want := order.Issued
			if stranger {
				z.older(8*time.Hour, true)
				want = order.Review
			}
			z.loses()
			z.ends(fmt.Sprintf("another's %t", stranger), travels(z.Bench, two, z.doc(true), z.ref), want, 3*time.Minute)
		}
	})
}

// The machines' clocks may differ: what is remembered goes by the provider's.
func TestAZoneIsRememberedByTheProvidersClock(t *testing.T) {
	eachZoned(t, func(t *testing.T, fresh func(*testing.T) *zoned) {
		for _, off := range []time.Duration{-5 * time.Minute, 5 * time.Minute} {
			z := fresh(t)
			z.writes(-8 * time.Hour)
			z.off = off
			one, _ := z.worker()
			z.own(one)
			z.Clock.Advance(2 * time.Hour)
			z.off = 0
			two, _ := z.worker()
			z.loses()
			z.ends(fmt.Sprintf("clock off by %s", off), travels(z.Bench, two, z.doc(true), z.ref), order.Issued, 3*time.Minute)
		}
	})
}

// A zone that no order has shown for 30 days is as one that none has ever shown.
func TestAZoneThatNoOrderHasShownFor30DaysIsForgotten(t *testing.T) {
	eachZoned(t, func(t *testing.T, fresh func(*testing.T) *zoned) {
		z := fresh(t)
		z.writes(-8 * time.Hour)
		one, _ := z.worker()
		z.own(one)
		z.Clock.Advance(31 * 24 * time.Hour)
		two, _ := z.worker()
		z.loses()
		got := travels(z.Bench, two, z.doc(true), z.ref)
		if took := got.FinalAt.Sub(got.FirstSentAt); got.State != order.Review || took < 25*time.Minute {
			t.Errorf("%s (%s: %s) after %s", got.State, got.Reason.Code, got.Reason.Message, took)
		}
	})
}

// Redis may refuse what was learned: the orders go on.
func TestAZoneThatCannotBeRememberedCostsTheMemoryAlone(t *testing.T) {
	eachZoned(t, func(t *testing.T, fresh func(*testing.T) *zoned) {
		z := fresh(t)
		z.writes(-8 * time.Hour)
		one, _ := z.worker()
		if err := z.RDB.Set(t.Context(), keys.Facts(z.account), "no hash", 0).Err(); err != nil {
			t.Fatal(err)
		}
		z.own(one)
		z.loses()
		z.ends("the same worker", travels(z.Bench, one, z.doc(true), z.ref), order.Issued, 3*time.Minute)
	})
}

// While no order has shown the zone, an order that may be ours in another one is waited for, whether it shows its customer or not;
// once one has, it is ours, or another's.
func TestTheZoneIsWaitedForWhetherTheCustomerIsShownOrNot(t *testing.T) {
	eachZoned(t, func(t *testing.T, fresh func(*testing.T) *zoned) {
		for _, shown := range []bool{true, false} {
			for zone, want := range map[time.Duration]handler.Identity{-8 * time.Hour: handler.Ours, 0: handler.Taken} {
				z := fresh(t)
				z.writes(zone)
				p, _ := z.worker()
				var doc struct{ Request json.RawMessage }
				if err := json.Unmarshal([]byte(z.doc(shown || want == handler.Taken)), &doc); err != nil {
					t.Fatal(err)
				}
				o, sent := providers.Order{ID: "ORDER1", Request: doc.Request}, z.Clock.Now()
				if want == handler.Taken {
					z.older(8*time.Hour, shown)
				}
				z.loses()
				p.Issue(t.Context(), o)
				is := func() (handler.Identity, providers.Outcome) {
					z.Clock.Advance(time.Minute)
					f := p.LookUp(t.Context(), o)
					id, _, out := handler.Identify(t.Context(), p, o, &f, sent)
					return id, out
				}
				for range 8 {
					if id, out := is(); id != handler.Unproven || out.Kind != providers.Unknown {
						t.Fatalf("off by %s, customer shown %t: %d, %+v before an order has shown the zone", zone, shown, id, out)
					}
				}
				z.own(p)
				if id, out := is(); id != want || out.Kind != providers.Done {
					t.Errorf("off by %s, customer shown %t: %d, %+v; want %d", zone, shown, id, out, want)
				}
			}
		}
	})
}
