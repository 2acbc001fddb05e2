package issuing_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"issuance/internal/handler"
	"issuance/internal/handlertest"
	"issuance/internal/issuing"
	"issuance/pollers"
	"issuance/providers"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/providers/pass2u"
	"issuance/providers/pass2u/pass2usim"
	"issuance/tasks/order"
)

// site is a simulator with a client of the product's, whose first answer about an order is lost and whose questions are
// behind it.
type site struct {
	name string
	doc  string
	ref  order.Ref
	open func(b *handlertest.Bench, lag time.Duration) providers.Provider
}

func serve(b *handlertest.Bench, h http.Handler) string {
	server := httptest.NewServer(h)
	b.T.Cleanup(server.Close)
	return server.URL
}

var sites = []site{
	{"ecticket", `{"provider":"ecticket","request":{"MerchantTradeNo":"ORDER1","IssueType":"2","PrintType":"2","Operator":"Shop1","CustomerName":"王珊珊",
		"TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":2}]}}`, ref,
		func(b *handlertest.Bench, lag time.Duration) providers.Provider {
			sim := ecticketsim.New(ecticketsim.Config{Now: b.Clock.Now})
			sim.SetLag(ecticketsim.Lag{IssueResult: lag, OrderInfo: lag})
			sim.SetFault(func(c ecticketsim.Call) ecticketsim.Fault {
				if c.N == 1 {
					return ecticketsim.Fault{Kind: ecticketsim.LoseAnswer}
				}
				return ecticketsim.Fault{}
			})
			return clientOf(b, sim)
		}},
	{"pass2u", fmt.Sprintf(`{"provider":"pass2u","request":{"productSaleId":%q,"channelOrderId":"ORDER1","quantity":2,"pickupType":"voucher"}}`, pass2usim.DefaultCampaign),
		order.Ref{Account: handlertest.Pass2U, OrderID: "ORDER1"},
		func(b *handlertest.Bench, lag time.Duration) providers.Provider {
			sim := pass2usim.New(pass2usim.Config{Now: b.Clock.Now})
			b.T.Cleanup(sim.Close)
			sim.SetLag(pass2usim.Lag{Generate: lag})
			sim.SetFault(func(c pass2usim.Call) pass2usim.Fault {
				if c.Op == pass2usim.Generate && c.N == 1 {
					return pass2usim.LoseAnswer
				}
				return pass2usim.None
			})
			c, err := pass2u.New(pass2u.Config{BaseURL: serve(b, sim) + "/api/v1/public/product", APIKey: pass2usim.DefaultAPIKey, Now: b.Clock.Now})
			if err != nil {
				b.T.Fatal(err)
			}
			b.T.Cleanup(c.Close)
			return c
		}},
}

// The answer is lost and the order invisible for a while: it is issued soon after it can be seen, once, at both providers.
func TestAnInvisibleOrderIsFoundSoonAfterItCanBeSeen(t *testing.T) {
	for _, s := range sites {
		for _, lag := range []time.Duration{0, 15 * time.Second, 20 * time.Second, 2 * time.Minute} {
			t.Run(fmt.Sprintf("%s/%s", s.name, lag), func(t *testing.T) {
				b := handlertest.Mini(t)
				p := s.open(b, lag)
				task := b.Enqueue(s.doc)
				f := &follower{}
				c := handler.Config{Provider: p, Ledger: b.Ledger, Ring: b.Ring, Worker: "w", Rules: b.ProviderRules, Log: b.Log}
				poll := pollers.New(pollers.Config{Provider: p, Ledger: b.Ledger, Ring: b.Ring, Log: b.Log})
				for range 100 {
					var err error
					switch rec := b.Record(s.ref); {
					case rec.State.Final():
						if rec.State != order.Issued {
							t.Fatalf("%s (%s)", rec.State, rec.Reason.Code)
						}
						if late := b.Clock.Now().Sub(handlertest.Start.Add(lag)); late > 30*time.Second {
							t.Errorf("issued %s after it could be seen", late)
						}
						return
					case rec.State == order.Accepted:
						err = b.Run(poll, b.PollTask(s.ref))
					default:
						err = b.Run(issuing.New(c, f), task)
					}
					if err != nil {
						b.Clock.Advance(b.Waits(err))
					}
				}
				t.Fatalf("still %s", b.Record(s.ref).State)
			})
		}
	}
}
