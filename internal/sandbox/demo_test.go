package sandbox

import (
	"strings"
	"testing"
	"time"

	"issuance/providers"
	"issuance/tasks"
	"issuance/tasks/order"
)

var accounts = map[providers.Name]providers.Account{
	providers.ECTicket: {Provider: providers.ECTicket, Merchant: "2000132"},
	providers.Pass2U:   {Provider: providers.Pass2U, Merchant: "main"},
}

func everything(providers.Name, tasks.Lane) bool { return true }

// At any time of any size a demo's documents keep the providers' rules and have numbers of their own.
func TestDemoDocumentsAreValid(t *testing.T) {
	for _, now := range []time.Time{
		time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		time.Date(2026, 1, 31, 16, 30, 0, 0, time.UTC), // already February in Taiwan
		time.Date(2028, 2, 29, 23, 59, 59, 0, time.UTC),
	} {
		rules := tasks.Rules{MerchantID: "2000132", Now: func() time.Time { return now }}
		seen := map[order.Ref]bool{}
		for _, o := range demoOrders(40, now, accounts, everything) {
			parsed, err := tasks.ParseOrder(o.raw, rules)
			if err != nil {
				t.Fatalf("%s: %v", o.raw, err)
			}
			if parsed.Ref() != o.ref || seen[o.ref] {
				t.Errorf("%s is called %s, seen before: %v", parsed, o.ref, seen[o.ref])
			}
			seen[o.ref] = true
			if o.refund != nil {
				r, err := tasks.ParseRefund(o.refund.raw, rules)
				if err != nil || r.Ref() != o.refund.ref {
					t.Errorf("%s: %v", o.refund.raw, err)
				}
			}
		}
		for _, o := range demoOrders(40, now.Add(time.Millisecond), accounts, everything) {
			if seen[o.ref] {
				t.Errorf("%s was in an earlier demo", o.ref)
			}
		}
	}
	if _, err := tasks.ParseOrder(demoOrders(MaxDemo, time.Now(), accounts, everything)[MaxDemo-1].raw, tasks.Rules{MerchantID: "2000132"}); err != nil {
		t.Errorf("the last order of the largest demo: %v", err)
	}
}

// The default demo has every issue type, both kinds of vouchers, both pickup types, both
// providers, one order that fails, one that needs review, and one refund.
func TestDemoIsMixed(t *testing.T) {
	var all strings.Builder
	fails, reviews, refunds := 0, 0, 0
	for _, o := range demoOrders(12, time.Now(), accounts, everything) {
		all.Write(o.raw)
		switch o.want {
		case order.Failed:
			fails++
		case order.Review:
			reviews++
		}
		if o.refund != nil {
			refunds++
		}
	}
	for _, want := range []string{`"IssueType":"1"`, `"IssueType":"2"`, `"IssueType":"3"`, `"IssueType":"4"`, `"MerchantTradeNo"`, `"FreeTradeNo"`,
		`"IsImmediate":"2"`, `"pickupType":"order"`, `"pickupType":"voucher"`} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("the demo has no %s", want)
		}
	}
	if fails != 1 || reviews != 1 || refunds != 1 {
		t.Errorf("%d fail, %d need review, %d refunds", fails, reviews, refunds)
	}
}

// A demo keeps to the lanes that are served, and still has its failure and its refund.
func TestDemoKeepsToServedLanes(t *testing.T) {
	for _, only := range providers.All() {
		orders := demoOrders(8, time.Now(), accounts, func(p providers.Name, l tasks.Lane) bool { return p == only && l != tasks.Bulk })
		fails, refunds := 0, 0
		for _, o := range orders {
			if o.ref.Account.Provider != only || o.lane != tasks.Checkout {
				t.Errorf("%s in lane %s", o.ref, o.lane)
			}
			if o.want == order.Failed {
				fails++
			}
			if o.refund != nil {
				refunds++
			}
		}
		if len(orders) != 8 || fails != 1 || refunds != 1 {
			t.Errorf("%s: %d orders, %d fail, %d refunds", only, len(orders), fails, refunds)
		}
	}
	if orders := demoOrders(8, time.Now(), accounts, func(providers.Name, tasks.Lane) bool { return false }); len(orders) != 0 {
		t.Error(orders)
	}
	if n := len(demoOrders(0, time.Now(), accounts, everything)); n != 0 {
		t.Error(n)
	}
}

// The printed example is a valid document whose number has not been used.
func TestExample(t *testing.T) {
	number, text := Example(time.Now())
	o, err := tasks.ParseOrder([]byte(text), tasks.Rules{MerchantID: "2000132"})
	if err != nil || o.ID != number {
		t.Fatalf("%v %v", o, err)
	}
}

// Every kind of document is described in words.
func TestKinds(t *testing.T) {
	ecticket := order.Ref{Account: accounts[providers.ECTicket], OrderID: "A"}
	pass2u := order.Ref{Account: accounts[providers.Pass2U], OrderID: "A"}
	refund := ecticket.Refund("R7")
	for _, c := range []struct {
		r           order.Ref
		shape, want string
	}{
		{ecticket, `{"IssueType":"1","tickets":8,"TicketInfo":[{"TicketAmount":8}]}`, "convenience store ticket ×8"},
		{ecticket, `{"IssueType":"2","tickets":2,"TicketInfo":[{}]}`, "paper ticket ×2"},
		{ecticket, `{"IssueType":"3","IsImmediate":"1","tickets":2,"TicketInfo":[{}]}`, "electronic ticket ×2"},
		{ecticket, `{"IssueType":"3","IsImmediate":"2","tickets":2,"TicketInfo":[{"StartDate":"20300101"}]}`, "electronic presale ticket ×2"},
		{ecticket, `{"IssueType":"3","IsImmediate":"1","tickets":2,"TicketInfo":[{"ExpireDate":"20300101"}]}`, "electronic gift voucher ×2"},
		{ecticket, `{"IssueType":"4","tickets":3,"TicketInfo":[{}]}`, "serial number ×3"},
		{ecticket, `{"IssueType":"9","tickets":3}`, "order"},
		{ecticket, ``, "order"},
		{pass2u, `{"pickupType":"voucher","quantity":2}`, "voucher links ×2"},
		{pass2u, `{"pickupType":"order","quantity":3}`, "order page with passcode ×3"},
		{pass2u, `{}`, "order"},
		{refund, `{"quantity":1}`, "refund R7 of 1 ticket"},
		{refund, `{"all":true}`, "refund R7 of all tickets"},
		{refund, `{"TicketNo":"2 ticket numbers"}`, "refund R7 of 2 ticket numbers"},
		{refund, `?`, "refund R7"},
	} {
		if got := describe(c.r, []byte(c.shape)); got != c.want {
			t.Errorf("%s is called %q, not %q", c.shape, got, c.want)
		}
	}
}
