package ecticket_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"issuance/providers"
	"issuance/providers/ecticket"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/providers/ecticket/wire"
)

// start runs a simulator and a client of it, on one clock.
func start(t *testing.T, cfg ecticketsim.Config, change ...func(*ecticket.Config)) (*ecticketsim.Sim, *ecticket.Client, *clock) {
	t.Helper()
	now := &clock{now: time.Date(2026, 3, 2, 7, 30, 0, 0, time.UTC)}
	cfg.Now = now.Now
	sim := ecticketsim.New(cfg)
	s := httptest.NewServer(sim)
	t.Cleanup(s.Close)
	change = append([]func(*ecticket.Config){func(c *ecticket.Config) { c.Now = now.Now }}, change...)
	return sim, client(t, s.URL, change...), now
}

func electronic(id string, amount int) providers.Order {
	return providers.Order{ID: id, Request: json.RawMessage(fmt.Sprintf(`{"MerchantTradeNo":%q,"IssueType":"3","IsImmediate":"2","Operator":"AngelaChan",
		"CustomerName":"王珊珊","CustomerPhone":"0912345678","CustomerEmail":"abc@gmail.com",
		"TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":%d,"StartDate":"20260401"}]}`, id, amount))}
}

func TestAnOrdersWholeLife(t *testing.T) {
	for _, variant := range wire.Variants() {
		sim, c, _ := start(t, ecticketsim.Config{Encoding: variant})
		ctx := t.Context()
		if f := c.LookUp(ctx, serialOrder); f.State != providers.Absent {
			t.Fatalf("%s: before: %+v", variant, f)
		}
		out := c.Issue(ctx, serialOrder)
		if out.Kind != providers.Accepted || out.Result.Ref == "" {
			t.Fatalf("%s: issue: %+v", variant, out)
		}
		if f := c.LookUp(ctx, serialOrder); f.State != providers.FoundPending {
			t.Fatalf("%s: before the job: %+v", variant, f)
		}
		if _, out := c.Tickets(ctx, serialOrder); out.Kind != providers.Unknown {
			t.Fatalf("%s: tickets before the job: %+v", variant, out)
		}
		sim.RunJob()
		if f := c.LookUp(ctx, serialOrder); f.State != providers.FoundIssued {
			t.Fatalf("%s: after the job: %+v", variant, f)
		}
		tickets, out := c.Tickets(ctx, serialOrder)
		if _, want := c.NeedsTickets(serialOrder); out.Kind != providers.Done || len(tickets) != want {
			t.Fatalf("%s: %d tickets, %+v", variant, len(tickets), out)
		}
		for _, ticket := range tickets {
			if ticket.TicketNo == "" || ticket.WriteOffNo == "" || ticket.UseStatus != providers.Unused || ticket.FaceValue == 0 || ticket.ItemName == "" {
				t.Fatalf("%s: ticket %+v", variant, ticket)
			}
		}
		if out := c.RefundTicket(ctx, providers.TicketRefund{TicketNo: tickets[0].TicketNo, Operator: "Op", StoreID: "TP1001"}); out.Kind != providers.Done {
			t.Fatalf("%s: refund: %+v", variant, out)
		}
		if err := sim.Redeem(tickets[1].TicketNo, "KH2001"); err != nil {
			t.Fatal(err)
		}
		for i, want := range []providers.UseStatus{providers.Refunded, providers.Redeemed, providers.Unused} {
			s, out := c.TicketStatus(ctx, tickets[i].TicketNo)
			if out.Kind != providers.Done || s.UseStatus != want || s.OrderID != serialOrder.ID || s.IssuedBy != merchant {
				t.Errorf("%s: status of ticket %d: %+v, %+v", variant, i, s, out)
			}
			if want == providers.Refunded && (s.RefundedAt != "20260302 15:30" || s.RefundedBy != merchant || s.RefundStoreID != "TP1001") {
				t.Errorf("%s: refund: %+v", variant, s)
			}
			if want == providers.Redeemed && (s.RedeemedAt != "20260302 15:30" || s.RedeemStoreID != "KH2001") {
				t.Errorf("%s: redemption: %+v", variant, s)
			}
			if by, out := c.StatusByWriteOffNo(ctx, tickets[i].WriteOffNo); out.Kind != providers.Done || by.UseStatus != want {
				t.Errorf("%s: status by code: %+v", variant, out)
			}
		}
		info, out := c.OrderInfo(ctx, serialOrder)
		if out.Kind != providers.Done || info.RefundCount != 1 || info.RedeemCount != 1 || info.UnusedCount != 4 || info.Ref == "" {
			t.Errorf("%s: order: %+v, %+v", variant, info, out)
		}
		// A ticket that is not unused cannot be refunded, and a number cannot be used again.
		if out := c.RefundTicket(ctx, providers.TicketRefund{TicketNo: tickets[0].TicketNo, Operator: "Op"}); out.Kind != providers.Rejected {
			t.Errorf("%s: second refund: %+v", variant, out)
		}
		if out := c.Issue(ctx, serialOrder); out.Kind != providers.Rejected {
			t.Errorf("%s: second issue: %+v", variant, out)
		}
		if o, _ := sim.Books().Order(serialOrder.ID); o.TimesIssued != 1 {
			t.Errorf("%s: issued %d times", variant, o.TimesIssued)
		}
	}
}

func TestPaperAndGiftOrdersAreIssuedAtOnceAndStillAskedFor(t *testing.T) {
	_, c, _ := start(t, ecticketsim.Config{})
	if out := c.Issue(t.Context(), giftOrder); out.Kind != providers.Accepted {
		t.Fatal(out)
	}
	if f := c.LookUp(t.Context(), giftOrder); f.State != providers.FoundIssued {
		t.Errorf("%+v", f)
	}
	list, out := c.Tickets(t.Context(), giftOrder)
	if out.Kind != providers.Done || len(list) != 3 || list[0].ExpireDate != "20991231" {
		t.Errorf("%+v, %+v", list, out)
	}
}

func TestAFailedOrderSaysWhyWithoutTheCustomer(t *testing.T) {
	sim, c, _ := start(t, ecticketsim.Config{})
	o := electronic("E1", 2)
	sim.FailOrder("E1", "customer 王珊珊 0912345678 is blocked")
	if out := c.Issue(t.Context(), o); out.Kind != providers.Accepted {
		t.Fatal(out)
	}
	sim.RunJob()
	if f := c.LookUp(t.Context(), o); f.State != providers.FoundFailed || f.Outcome.Message != "customer *** *** is blocked" {
		t.Errorf("%+v", f)
	}
	if _, out := c.Tickets(t.Context(), o); out.Kind != providers.Rejected || out.Code != "status_2" {
		t.Errorf("%+v", out)
	}
}

func TestALostAnswerIsInDoubtAndFoundByALookUp(t *testing.T) {
	for _, kind := range []ecticketsim.FaultKind{
		ecticketsim.LoseAnswer, ecticketsim.Error5xxAfter, ecticketsim.Garbage, ecticketsim.WrongChecksum,
	} {
		sim, c, _ := start(t, ecticketsim.Config{})
		sim.SetFault(func(call ecticketsim.Call) ecticketsim.Fault {
			if call.Op == ecticketsim.OpIssue {
				return ecticketsim.Fault{Kind: kind}
			}
			return ecticketsim.Fault{}
		})
		if out := c.Issue(t.Context(), serialOrder); out.Kind != providers.Unknown || out.Settled() {
			t.Errorf("fault %v: %+v", kind, out)
		}
		if f := c.LookUp(t.Context(), serialOrder); f.State != providers.FoundPending {
			t.Errorf("fault %v: %+v", kind, f)
		}
		if n := sim.Books().Calls["Issue"]; n != 1 {
			t.Errorf("fault %v: Issue was called %d times", kind, n)
		}
	}
}

func TestACallThatDidNotArriveIsAbsent(t *testing.T) {
	for _, kind := range []ecticketsim.FaultKind{ecticketsim.CutBefore, ecticketsim.Error5xxBefore, ecticketsim.Ban403} {
		sim, c, _ := start(t, ecticketsim.Config{})
		sim.SetFault(func(call ecticketsim.Call) ecticketsim.Fault {
			if call.N == 1 {
				return ecticketsim.Fault{Kind: kind}
			}
			return ecticketsim.Fault{}
		})
		if out := c.Issue(t.Context(), serialOrder); out.Kind != providers.Unknown {
			t.Errorf("fault %v: %+v", kind, out)
		}
		if f := c.LookUp(t.Context(), serialOrder); f.State != providers.Absent {
			t.Errorf("fault %v: %+v", kind, f)
		}
	}
}

func TestWrongKeysAreAnAlarm(t *testing.T) {
	sim, c, _ := start(t, ecticketsim.Config{}, func(cfg *ecticket.Config) { cfg.Keys.HashKey = "0000000000000000" })
	if out := c.Issue(t.Context(), serialOrder); out.Kind != providers.Unknown || !out.Alarm || !strings.HasPrefix(out.Code, "trans_") {
		t.Errorf("%+v", out)
	}
	if f := c.LookUp(t.Context(), serialOrder); f.State != providers.Unclear || f.Outcome.Kind != providers.Held || !f.Outcome.Alarm {
		t.Errorf("%+v", f)
	}
	if len(sim.Books().Orders) != 0 {
		t.Error("an order was taken")
	}
}

func TestAPlatformCallsWithItsOwnKeys(t *testing.T) {
	_, c, _ := start(t, ecticketsim.Config{}, func(cfg *ecticket.Config) {
		cfg.PlatformID, cfg.Keys = "3002599", wire.Keys{HashKey: "b15bd8514fed472c", HashIV: "9c8458263def47cd"}
	})
	if out := c.Issue(t.Context(), serialOrder); out.Kind != providers.Accepted {
		t.Errorf("%+v", out)
	}
}

func TestItemsOfTheCatalogue(t *testing.T) {
	sim, c, _ := start(t, ecticketsim.Config{})
	items, out := c.Items(t.Context(), nil)
	if out.Kind != providers.Done || len(items) != 55 || sim.Books().Calls["BatchQueryItemInfo"] != 3 {
		t.Fatalf("%d items in %d calls, %+v", len(items), sim.Books().Calls["BatchQueryItemInfo"], out)
	}
	items, out = c.Items(t.Context(), []string{"GFT00001", "XA210010", "VTMT5062"})
	if out.Kind != providers.Done || len(items) != 3 {
		t.Fatalf("%d items, %+v", len(items), out)
	}
	for _, it := range items {
		if it.Gift != (it.ItemNo == "GFT00001") || it.Listed != (it.ItemNo != "XA210010") || len(it.Instructions) == 0 {
			t.Errorf("%+v", it)
		}
	}
	if _, out = c.Items(t.Context(), []string{"NOSUCH"}); out.Kind != providers.Rejected {
		t.Errorf("%+v", out)
	}
}

func TestEscrowGoesByItsOwnPaths(t *testing.T) {
	sim, c, _ := start(t, ecticketsim.Config{}, func(cfg *ecticket.Config) { cfg.Mode = ecticket.EscrowUse })
	o := serialOrder
	o.Request = json.RawMessage(strings.Replace(string(o.Request), `"IssueType"`, `"PaymentProvider":"2","IssueType"`, 1))
	if out := c.Issue(t.Context(), o); out.Kind != providers.Accepted {
		t.Fatalf("%+v", out)
	}
	sim.RunJob()
	list, _ := c.Tickets(t.Context(), o)
	if out := c.RefundTicket(t.Context(), providers.TicketRefund{TicketNo: list[0].TicketNo, Operator: "Op"}); out.Kind != providers.Done {
		t.Errorf("%+v", out)
	}
	if b, _ := sim.Books().Order(o.ID); !b.Escrow {
		t.Error("the order came by the path of pure issuance")
	}
}

func TestALateClockIsRefusedAndSaysSo(t *testing.T) {
	_, c, now := start(t, ecticketsim.Config{}, func(cfg *ecticket.Config) {
		late := cfg.Now
		cfg.Now = func() time.Time { return late().Add(-11 * time.Minute) }
	})
	now.add(time.Second)
	if f := c.LookUp(t.Context(), serialOrder); f.Outcome.Kind != providers.Held || !f.Outcome.Alarm || !strings.Contains(f.Outcome.Message, "11m0s") {
		t.Errorf("%+v", f)
	}
}
