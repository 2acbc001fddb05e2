package looks

import (
	"encoding/json"
	"net/http/httptest"
	"testing"
	"time"

	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/providers/ecticket"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/providers/ecticket/wire"
	"issuance/tasks/order"
)

// simulated is ECTicket's simulator under the name of the tests' host.
type simulated struct{ *ecticket.Client }

func (simulated) Host() string { return "ecticket.example" }

// simulate has the bench ask ECTicket's simulator, which has issued an order, and lets some time pass.
func (b *bench) simulate(id string) (sim *ecticketsim.Sim, tickets []providers.Ticket) {
	b.t.Helper()
	now := func() time.Time { return b.at }
	sim = ecticketsim.New(ecticketsim.Config{Now: now})
	web := httptest.NewServer(sim)
	b.t.Cleanup(web.Close)
	account := ecticketsim.DefaultAccounts()[0]
	client, err := ecticket.New(ecticket.Config{BaseURL: web.URL, MerchantID: shop.Merchant, Keys: wire.Keys{HashKey: account.HashKey, HashIV: account.HashIV}, Now: now})
	b.must(err)
	b.t.Cleanup(client.Close)
	b.Provider = simulated{client}
	request := `{"MerchantTradeNo":"` + id + `","IssueType":"4","Operator":"me","TicketInfo":[{"ItemName":"一日入場券","TicketPrice":500,"TicketAmount":2}]}`
	fence := b.submitted(ref(id), request)
	o := providers.Order{ID: id, Request: json.RawMessage(request)}
	if out := client.Issue(b.t.Context(), o); out.Kind != providers.Accepted {
		b.t.Fatalf("%+v", out)
	}
	sim.RunJob()
	_, err = b.Ledger.Finish(b.t.Context(), ref(id), fence, ledger.Ending{State: order.Issued})
	b.must(err)
	b.at = b.at.Add(time.Hour)
	tickets, out := client.Tickets(b.t.Context(), o)
	if out.Kind != providers.Done || len(tickets) != 2 {
		b.t.Fatalf("%v %+v", tickets, out)
	}
	return sim, tickets
}

// A list that is older than the notice shows the ticket as it was: the order is looked at again until the list can be
// expected to be newer.
func TestAListOlderThanTheNoticeConcludesNothing(t *testing.T) {
	for _, lag := range []time.Duration{0, 30 * time.Second, 5 * time.Minute, 10 * time.Minute} {
		b := start(t)
		sim, tickets := b.simulate("A1")
		sim.SetLag(ecticketsim.Lag{OrderInfo: lag, TicketStatus: lag})
		b.must(sim.RefundInOffice(tickets[1].TicketNo))
		b.notice(`{"MerchantTradeNo":"A1"}`)
		b.look(0)
		if lag > 0 {
			b.wantSaw()
		}
		for range 15 {
			b.look(time.Minute)
		}
		b.wantSaw("A1/2 refunded refunded_elsewhere")
		b.nothingLeft()
	}
}

// Where nothing has happened, a notice costs a handful of calls, ever more rarely, whatever number of notices says so; and
// where nothing is left that could happen, one.
func TestLooksThatShowNothingNewEnd(t *testing.T) {
	b := start(t)
	b.issued("A1", 2)
	var at []time.Duration
	began := b.at
	b.notice(`{"MerchantTradeNo":"A1"}`)
	for range 60 {
		b.look(time.Minute)
		b.notice(`{"TicketTradeNo":"SOMETHING","MerchantTradeNo":"A1","n":1}`) // another one, and then its repetitions
		for range b.fake.calls {
			at = append(at, b.at.Sub(began))
		}
		b.fake.calls = nil
	}
	b.nothingLeft()
	if len(at) < 1+mostStale || len(at) > 2*(1+mostStale) || at[len(at)-1] < 10*time.Minute || at[len(at)-1] > 20*time.Minute {
		t.Errorf("looks after %v", at)
	}
	b.issued("B1", 1)
	b.fake.set("B1", "B1T1", providers.Redeemed)
	b.notice(`{"MerchantTradeNo":"B1","n":1}`)
	b.look(time.Minute)
	b.notice(`{"MerchantTradeNo":"B1","n":2}`)
	for range 60 {
		b.look(time.Minute)
	}
	b.wantCalls("list B1", "list B1")
	b.wantSaw("B1/1 redeemed")
}

// Looks that are to be made again are made by another process as well, and held by the call budget as any look is.
func TestALookThatIsMadeAgainOutlivesItsProcess(t *testing.T) {
	b := start(t)
	b.issued("A1", 1)
	b.notice(`{"MerchantTradeNo":"A1"}`)
	b.look(0)
	b.Looker = New(b.Config)
	b.fake.set("A1", "A1T1", providers.Redeemed)
	b.fake.out = providers.Outcome{Kind: providers.Held, RetryAfter: 10 * time.Minute}
	b.look(time.Minute)
	b.wantSaw()
	b.look(10 * time.Minute)
	b.wantSaw("A1/1 redeemed")
	b.nothingLeft()
}
