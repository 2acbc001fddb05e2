package refunding_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/handler"
	"issuance/internal/handlertest"
	"issuance/internal/keys"
	"issuance/internal/refunding"
	"issuance/providers"
	ecpay "issuance/providers/ecticket"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/providers/ecticket/wire"
	channel "issuance/providers/pass2u"
	"issuance/providers/pass2u/pass2usim"
	"issuance/tasks/order"
)

// simulated is a bench whose provider is a simulator, with a client of the product's between them.
type simulated struct {
	*handlertest.Bench
	account providers.Account
	client  providers.Provider
}

func (s *simulated) serve(h http.Handler) string {
	server := httptest.NewServer(h)
	s.T.Cleanup(server.Close)
	return server.URL
}

// toEnd runs a task until it is done, each time when its wait is over, or so many times.
func (s *simulated) toEnd(task *asynq.Task, most int) {
	s.T.Helper()
	for range most {
		err := s.Run(s.worker(), task)
		if err == nil {
			return
		}
		s.Clock.Advance(s.Waits(err))
	}
}

// worker is a fresh one: lists are kept by this machine's clock, which stands still for the bench's.
func (s *simulated) worker() asynq.Handler {
	s.T.Helper()
	h, err := refunding.New(refunding.Config{Config: handler.Config{Provider: s.client, Ledger: s.Ledger, Ring: s.Ring, Worker: "w", Rules: s.ProviderRules, Log: s.Log}})
	if err != nil {
		s.T.Fatal(err)
	}
	return h
}

// issue has the provider issue an order that the ledger knows, or whose record is past its retention.
func (s *simulated) issue(document string, forgotten bool) {
	s.T.Helper()
	var d struct{ Request json.RawMessage }
	if err := json.Unmarshal([]byte(document), &d); err != nil {
		s.T.Fatal(err)
	}
	out := s.client.Issue(s.T.Context(), providers.Order{ID: "ORDER1", Request: d.Request})
	if out.Kind != providers.Done && out.Kind != providers.Accepted {
		s.T.Fatal(out)
	}
	r := s.OrderIn(order.Issued, document)
	if err := s.RDB.HSet(s.T.Context(), keys.Record(r), "ref", out.Result.Ref, "h", "").Err(); err != nil {
		s.T.Fatal(err)
	}
	if err := s.RDB.HSet(s.T.Context(), keys.Details(r), "host", providers.Site(s.client)).Err(); err != nil {
		s.T.Fatal(err)
	}
	if forgotten {
		s.Redis.FastForward(401 * 24 * time.Hour)
	}
}

// ends runs a refund's task until it has ended, and expects how.
func (s *simulated) ends(id string, task *asynq.Task, want order.State, refunded int) {
	s.T.Helper()
	for range 200 {
		err := s.Run(s.worker(), task)
		if err == nil {
			break
		}
		s.Clock.Advance(s.Waits(err))
	}
	rec := s.Record(order.Ref{Account: s.account, OrderID: "ORDER1", RefundID: id})
	if rec.State != want || rec.Refunded != refunded {
		s.T.Errorf("refund %s is %s (%q: %s) with %d refunded, want %s with %d", id, rec.State, rec.Reason.Code, rec.Reason.Message, rec.Refunded, want, refunded)
	}
}

const paperOrder = `{"provider":"ecticket","request":{"MerchantTradeNo":"ORDER1","IssueType":"2","PrintType":"2","Operator":"Shop1","CustomerName":"王珊珊",
	"TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":4}]}}`

func atECTicket(t *testing.T) (*simulated, *ecticketsim.Sim) {
	t.Helper()
	return atECTicketAs(t, ecticketsim.DefaultAccounts()[0])
}

// atECTicketAs is ECTicket whose calls are made with the keys of an account, which may be the platform's.
func atECTicketAs(t *testing.T, caller ecticketsim.Account) (*simulated, *ecticketsim.Sim) {
	t.Helper()
	s := &simulated{Bench: handlertest.Mini(t), account: handlertest.ECTicket}
	sim := ecticketsim.New(ecticketsim.Config{Now: s.Clock.Now})
	config := ecpay.Config{BaseURL: s.serve(sim), MerchantID: ecticketsim.DefaultAccounts()[0].MerchantID, Now: s.Clock.Now,
		Keys: wire.Keys{HashKey: caller.HashKey, HashIV: caller.HashIV}}
	if caller.MerchantID != config.MerchantID {
		config.PlatformID = caller.MerchantID
	}
	c, err := ecpay.New(config)
	if err != nil {
		t.Fatal(err)
	}
	s.client = c
	t.Cleanup(c.Close)
	return s, sim
}

func atPass2U(t *testing.T) (*simulated, *pass2usim.Sim) {
	t.Helper()
	return atPass2UAs(t, pass2usim.Config{KeepAnswers: true})
}

func atPass2UAs(t *testing.T, config pass2usim.Config) (*simulated, *pass2usim.Sim) {
	t.Helper()
	s := &simulated{Bench: handlertest.Mini(t), account: handlertest.Pass2U}
	config.Now = s.Clock.Now
	sim := pass2usim.New(config)
	t.Cleanup(sim.Close)
	c, err := channel.New(channel.Config{BaseURL: s.serve(sim) + "/api/v1/public/product", APIKey: pass2usim.DefaultAPIKey, Now: s.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	s.client = c
	t.Cleanup(c.Close)
	return s, sim
}

func soldAs(pickup string) string {
	return fmt.Sprintf(`{"provider":"pass2u","request":{"productSaleId":%q,"channelOrderId":"ORDER1","quantity":4,"pickupType":%q}}`, pass2usim.DefaultCampaign, pickup)
}

// Of an order whose record is past its retention only the number is known: the rest is looked up at the provider.
func TestAnOrderWhoseRecordIsGoneIsRefundedByItsNumber(t *testing.T) {
	t.Run("ecticket", func(t *testing.T) {
		for _, wish := range []string{"tickets", "quantity", "all"} {
			s, sim := atECTicket(t)
			s.issue(paperOrder, true)
			refund := map[string]any{"MerchantTradeNo": "ORDER1"}
			refunded := 2
			switch wish {
			case "tickets":
				list := sim.Books().Orders[0].Tickets
				refund["TicketNo"] = []string{list[3].TicketNo, list[1].TicketNo}
			case "quantity":
				refund["quantity"] = 2
			default:
				refund["all"], refunded = true, 4
			}
			request, err := json.Marshal(refund)
			if err != nil {
				t.Fatal(err)
			}
			task := s.EnqueueRefund(`{"provider":"ecticket","refund_id":"R1","request":` + string(request) + `}`)
			s.ends("R1", task, order.Refunded, refunded)
			if done := refundedAt(sim); done != refunded {
				t.Errorf("by %s: %d tickets are refunded", wish, done)
			}
		}
	})
	t.Run("pass2u", func(t *testing.T) {
		for _, pickup := range []string{"voucher", "order"} {
			for _, wish := range []string{`"quantity":2`, `"all":true`} {
				s, sim := atPass2U(t)
				s.issue(soldAs(pickup), true)
				// Pass2U finds no order without its campaign.
				task := s.EnqueueRefund(fmt.Sprintf(`{"provider":"pass2u","refund_id":"R1","request":{"channelOrderId":"ORDER1","productSaleId":%q,%s}}`, pass2usim.DefaultCampaign, wish))
				want, refunded := order.Refunded, 2
				switch {
				case wish == `"all":true` && pickup == "order":
					want, refunded = order.Failed, 0 // Pass2U does not say how many there are
				case wish == `"all":true`:
					refunded = 4
				}
				s.ends("R1", task, want, refunded)
				if b, _ := sim.Order("ORDER1"); b.Refunded() != refunded {
					t.Errorf("%s of pickupType %s: %d tickets are refunded", wish, pickup, b.Refunded())
				}
			}
		}
	})
}

func refundedAt(sim *ecticketsim.Sim) int {
	return len(slices.DeleteFunc(sim.Books().Orders[0].Tickets, func(t ecticketsim.TicketBook) bool { return t.UseStatus != ecticketsim.Refunded }))
}

// A list that shows none of an issued order's tickets is one that lags, also where nobody knows how many there are.
func TestAnOrderWhoseRecordIsGoneAndWhoseListLagsIsWaitedFor(t *testing.T) {
	s, sim := atECTicket(t)
	sim.SetLag(ecticketsim.Lag{List: 40 * time.Second})
	s.issue(paperOrder, true)
	task := s.EnqueueRefund(`{"provider":"ecticket","refund_id":"R1","request":{"MerchantTradeNo":"ORDER1","all":true}}`)
	s.ends("R1", task, order.Refunded, 4)
	if done := refundedAt(sim); done != 4 {
		t.Errorf("%d tickets are refunded", done)
	}
}

// Something on the way repeats the confirmation of the order's first refund to the second one.
func TestARepeatedConfirmationRefundsWhatItSays(t *testing.T) {
	for _, lag := range []time.Duration{0, 20 * time.Second} {
		s, sim := atPass2U(t)
		sim.SetLag(pass2usim.Lag{Refund: lag})
		s.issue(soldAs("voucher"), false)
		replays := 0
		sim.SetFault(func(c pass2usim.Call) pass2usim.Fault {
			if c.Op == pass2usim.Refund && c.N == 2 {
				replays++
				return pass2usim.Replay
			}
			return pass2usim.None
		})
		for n, id := range []string{"R1", "R2"} {
			task := s.EnqueueRefund(fmt.Sprintf(`{"provider":"pass2u","refund_id":%q,"request":{"channelOrderId":"ORDER1","quantity":1}}`, id))
			s.ends(id, task, order.Refunded, 1)
			if b, _ := sim.Order("ORDER1"); b.Refunded() != n+1 {
				t.Errorf("lag %s: after %s, %d tickets are refunded", lag, id, b.Refunded())
			}
		}
		if replays != 1 {
			t.Errorf("%d confirmations were repeated", replays)
		}
	}
}
