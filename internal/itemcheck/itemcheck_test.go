package itemcheck_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"issuance/internal/itemcheck"
	"issuance/internal/keys"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/providers/ecticket"
	"issuance/providers/ecticket/ecticketdoc"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/providers/ecticket/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var merchant = providers.Account{Provider: "ecticket", Merchant: "2000132"}

// shop is a merchant with a simulator and a Redis.
type shop struct {
	sim    *ecticketsim.Sim
	client *ecticket.Client
	redis  *testredis.Server
	now    time.Time
}

func newShop(t *testing.T, server *testredis.Server) *shop {
	t.Helper()
	s := &shop{redis: server, now: time.Date(2026, 3, 2, 7, 30, 0, 0, time.UTC)}
	clock := func() time.Time { return s.now }
	s.sim = ecticketsim.New(ecticketsim.Config{Now: clock})
	web := httptest.NewServer(s.sim)
	t.Cleanup(web.Close)
	account := ecticketsim.DefaultAccounts()[0]
	client, err := ecticket.New(ecticket.Config{BaseURL: web.URL, MerchantID: account.MerchantID,
		Keys: wire.Keys{HashKey: account.HashKey, HashIV: account.HashIV}, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	s.client = client
	return s
}

// checker is what another process would have.
func (s *shop) checker() *itemcheck.Checker {
	return itemcheck.New(s.redis.Client(), s.client, itemcheck.Options{Account: merchant, Now: func() time.Time { return s.now }})
}

// check wants the answers to cost so many calls.
func (s *shop) check(t *testing.T, c *itemcheck.Checker, calls int, orders ...*ecticketdoc.Order) [][]providers.Violation {
	t.Helper()
	before := s.calls()
	found, err := c.Check(t.Context(), orders)
	if err != nil {
		t.Fatal(err)
	}
	if n := s.calls() - before; n != calls {
		t.Errorf("%d calls, want %d", n, calls)
	}
	return found
}

func (s *shop) calls() (n int) {
	for _, calls := range s.sim.Books().Calls {
		n += calls
	}
	return n
}

// order is a paper order of items; "!" behind one gives it an ExpireDate.
func order(number string, items ...string) *ecticketdoc.Order {
	o := &ecticketdoc.Order{IssueType: "2", PrintType: "2", Operator: "A"}
	if strings.HasPrefix(number, "F") {
		o.FreeTradeNo = number
	} else {
		o.MerchantTradeNo = number
	}
	for _, it := range items {
		line := ecticketdoc.Item{ItemNo: strings.TrimSuffix(it, "!"), TicketAmount: 1}
		if strings.HasSuffix(it, "!") {
			line.ExpireDate = "20270101"
		}
		o.TicketInfo = append(o.TicketInfo, line)
	}
	return o
}

func texts(found []providers.Violation) (out []string) {
	for _, v := range found {
		out = append(out, v.Path+": "+v.Rule)
	}
	return out
}

// What Check reports ECTicket rejects, and what Check lets pass ECTicket accepts.
func TestTheRulesAreECTickets(t *testing.T) {
	s := newShop(t, testredis.Mini(t))
	c := s.checker()
	for i, test := range []struct {
		gift  bool
		items []string
		want  []string
	}{
		{false, []string{"VQT04959", "VNS21400"}, nil},
		{true, []string{"GFT00001!", "GFT00002!"}, nil},
		{false, []string{"GFT00001!", "VQT04959"}, nil},
		{false, []string{"VQT04959", "NOSUCH"}, []string{"request.TicketInfo[1].ItemNo: must be an item of the merchant's catalogue at ECTicket; see: enqueue items"}},
		{false, []string{"XA210010"}, []string{"request.TicketInfo[0].ItemNo: must be listed; list it in ECPay's back office"}},
		{true, []string{"GFT00001"}, []string{"request.TicketInfo[0].ExpireDate: is required: the item is a gift voucher"}},
		{false, []string{"VQT04959!"}, []string{"request.TicketInfo[0].ExpireDate: must be left out: the item is a pickup voucher"}},
		{true, []string{"GFT00001!", "VQT04959"}, []string{"request.FreeTradeNo: must be MerchantTradeNo instead: item VQT04959 is a pickup voucher"}},
		{false, []string{"GFT00001!", "GFT00002!"}, []string{"request.MerchantTradeNo: must be FreeTradeNo instead: every item is a gift voucher"}},
		{true, []string{"VQT04959!", "XA210010", "NOSUCH"}, []string{
			"request.TicketInfo[0].ExpireDate: must be left out: the item is a pickup voucher",
			"request.TicketInfo[1].ItemNo: must be listed; list it in ECPay's back office",
			"request.TicketInfo[2].ItemNo: must be an item of the merchant's catalogue at ECTicket; see: enqueue items",
			"request.FreeTradeNo: must be MerchantTradeNo instead: item XA210010 is a pickup voucher"}},
	} {
		o := order(fmt.Sprintf("M%d", i), test.items...)
		if test.gift {
			o = order(fmt.Sprintf("F%d", i), test.items...)
		}
		found, err := c.Check(t.Context(), []*ecticketdoc.Order{o})
		if err != nil {
			t.Fatal(err)
		}
		if got := texts(found[0]); !slices.Equal(got, test.want) {
			t.Errorf("%v: %q, want %q", test.items, got, test.want)
		}
		raw, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		out := s.client.Issue(t.Context(), providers.Order{ID: o.ID(), Request: raw})
		if (out.Kind == providers.Rejected) != (len(test.want) > 0) {
			t.Errorf("%v: ECTicket says %s (%s)", test.items, out.Kind, out.Message)
		}
	}
}

// An item that ECTicket describes for some issue types cannot be issued as another; one without
// any description can.
func TestIssueTypes(t *testing.T) {
	s := newShop(t, testredis.Mini(t))
	item := ecticketsim.Item{ItemNo: "STORE1", ItemName: "超商限定券", TicketType: "1", ItemStatus: "1",
		InstructionsList: []ecticketsim.Instruction{{IssueType: "1", Description: "x"}, {IssueType: "1", Description: "y"}}}
	s.sim.PutItem(item)
	item.ItemNo, item.InstructionsList = "ANY1", nil
	s.sim.PutItem(item)
	found := s.check(t, s.checker(), 1, order("M1", "STORE1"), order("M2", "ANY1"))
	if got := found[0]; len(got) != 1 || got[0].Rule != "must be an item that can be issued as IssueType 2" || got[0].Shape != "item of IssueType 1" || len(found[1]) != 0 {
		t.Errorf("found %v", found)
	}
	serial := order("M3", "NOSUCH")
	serial.IssueType = ecticketdoc.SerialOnly
	if found := s.check(t, s.checker(), 0, serial); len(found[0]) != 0 {
		t.Errorf("serial numbers need no catalogue: %v", found[0])
	}
}

// Items cost one call for each twenty, once in ten minutes, whichever process asks.
func TestFewCalls(t *testing.T) {
	testredis.Each(t, func(t *testing.T, server *testredis.Server) {
		s := newShop(t, server)
		var orders []*ecticketdoc.Order
		for n := 1; n <= 40; n++ {
			orders = append(orders, order(fmt.Sprintf("M%d", n), fmt.Sprintf("DEMO%04d", n), "VQT04959"))
		}
		c := s.checker()
		for i, found := range s.check(t, c, 3, orders...) { // 41 items
			if len(found) != 0 {
				t.Errorf("order %d: %v", i, found)
			}
		}
		s.check(t, c, 0, orders...)
		other := s.checker()
		s.check(t, other, 0, orders...)
		s.check(t, other, 1, append(orders, order("M41", "VNS21400"))...)
		s.now = s.now.Add(10 * time.Minute)
		s.check(t, c, 3, orders...)
		s.check(t, s.checker(), 0, orders...)
		if n, err := s.redis.Client().HLen(t.Context(), keys.Items(merchant)).Result(); err != nil || n != 42 {
			t.Errorf("%d items are cached for the merchant, %v", n, err)
		}
	})
}

// A violation is always of this moment: an item that has been listed, or put into the catalogue, since
// another process asked is no violation.
func TestAViolationWasLookedUpJustNow(t *testing.T) {
	s := newShop(t, testredis.Mini(t))
	orders := []*ecticketdoc.Order{order("M1", "XA210010", "VQT04959"), order("M2", "NEW1"), order("M3", "VNS21400")}
	first := s.check(t, s.checker(), 1, orders...)
	if len(first[0]) != 1 || len(first[1]) != 1 || len(first[2]) != 0 {
		t.Fatalf("found %v", first)
	}
	listed := ecticketsim.Item{ItemNo: "XA210010", ItemName: "展覽門票(第10期)", TicketType: "1", ItemStatus: "1"}
	s.sim.PutItem(listed)
	listed.ItemNo = "NEW1"
	s.sim.PutItem(listed)
	c := s.checker()
	for i, found := range s.check(t, c, 1, orders...) { // NEW1, which is not kept, and with it the others
		if len(found) != 0 {
			t.Errorf("order %d: %v", i, found)
		}
	}
	// Alone, what is kept is asked for again.
	listed.ItemNo, listed.ItemStatus = "XA210010", "0"
	s.sim.PutItem(listed)
	s.now = s.now.Add(10 * time.Minute)
	s.check(t, s.checker(), 1, orders[0])
	listed.ItemStatus = "1"
	s.sim.PutItem(listed)
	if found := s.check(t, s.checker(), 1, orders[0]); len(found[0]) != 0 {
		t.Errorf("a violation from another process's answer: %v", found)
	}
	s.now = s.now.Add(-10 * time.Minute)
	listed.ItemNo, listed.ItemStatus = "NEW1", "0"
	s.sim.PutItem(listed)
	if found := s.check(t, c, 0, orders...); len(found[1]) != 0 {
		t.Errorf("asked again within ten minutes: %v", found)
	}
}

// counter answers like ECTicket, or rejects everything, as it does for a wrong account.
type counter struct {
	*shop
	refuses bool
	asked   [][]string
}

func (c *counter) Items(ctx context.Context, itemNos []string) ([]ecticket.Item, providers.Outcome) {
	c.asked = append(c.asked, slices.Clone(itemNos))
	if c.refuses {
		return nil, providers.Outcome{Kind: providers.Rejected, Code: "10100050", Message: "no such merchant"}
	}
	return c.client.Items(ctx, itemNos)
}

// A rejected query means "no such items" only from an account that has listed others: what is wrong with
// the account is not wrong with the orders.
func TestARejectedAccountIsNoViolation(t *testing.T) {
	many := func(prefix string, n int) (orders []*ecticketdoc.Order) {
		for i := range n {
			orders = append(orders, order(fmt.Sprintf("M%d", i), fmt.Sprintf("%s%d", prefix, i)))
		}
		return orders
	}
	check := func(s *shop, source *counter, orders ...*ecticketdoc.Order) ([][]providers.Violation, error) {
		c := itemcheck.New(s.redis.Client(), source, itemcheck.Options{Account: merchant, Now: func() time.Time { return s.now }})
		return c.Check(t.Context(), orders)
	}
	s := newShop(t, testredis.Mini(t))
	source := &counter{shop: s, refuses: true}
	var noAnswer *itemcheck.NoAnswerError
	found, err := check(s, source, many("NO", 50)...)
	if !errors.As(err, &noAnswer) || found != nil || noAnswer.Outcome.Code != "10100050" || !strings.Contains(err.Error(), "10100050: no such merchant") || len(source.asked) != 2 {
		t.Errorf("a refused account: %v, %v after %d calls", found, err, len(source.asked))
	}
	// The whole catalogue is asked for once, and not again for anybody: an item that it listed is
	// asked for along with the others.
	source = &counter{shop: s}
	found, err = check(s, source, many("NO", 50)...)
	if err != nil || len(source.asked) != 4 || source.asked[1] != nil {
		t.Fatalf("%v after %d calls: %v", err, len(source.asked), source.asked)
	}
	for i := range found {
		if len(found[i]) != 1 || found[i][0].Shape != "no such item" {
			t.Errorf("order %d: %v", i, found[i])
		}
	}
	source = &counter{shop: s}
	found, err = check(s, source, many("NO", 20)...)
	if err != nil || len(source.asked) != 2 || len(source.asked[0]) != 20 || len(source.asked[1]) != 1 || len(found[19]) != 1 {
		t.Errorf("%v after %v", err, source.asked)
	}
	// That the account was accepted for others proves nothing.
	source = &counter{shop: s, refuses: true}
	if found, err := check(s, source, many("NO", 1)...); !errors.As(err, &noAnswer) || found != nil {
		t.Errorf("a refused account whose items others know: %v, %v", found, err)
	}
}

// When ECTicket does not answer, no order is reported right or wrong.
func TestNoAnswerIsNoViolation(t *testing.T) {
	s := newShop(t, testredis.Start(t))
	s.sim.Ban("2000132")
	found, err := s.checker().Check(t.Context(), []*ecticketdoc.Order{order("M1", "NOSUCH")})
	var noAnswer *itemcheck.NoAnswerError
	if !errors.As(err, &noAnswer) || noAnswer.Outcome.Kind != providers.Held || found != nil {
		t.Errorf("during a ban: %v, %v", found, err)
	}
	s.redis.Kill()
	if found, err := s.checker().Check(t.Context(), []*ecticketdoc.Order{order("M1", "VQT04959")}); err == nil || found != nil {
		t.Errorf("without Redis: %v, %v", found, err)
	}
}
