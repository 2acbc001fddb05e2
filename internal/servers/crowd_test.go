package servers_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"issuance/internal/fakeprovider"
	"issuance/internal/handlertest"
	"issuance/providers"
	"issuance/providers/ecticket"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/providers/ecticket/wire"
	"issuance/tasks"
	"issuance/tasks/order"
)

// Sixty refunds of one order choose their tickets one after the other, refund them at the same time, and share the lists
// to choose from and to be confirmed by.
func TestSixtyRefundsOfOneOrderTakeSeconds(t *testing.T) {
	j := newJourney(t)
	sim := ecticketsim.New(ecticketsim.Config{})
	at := httptest.NewServer(sim)
	t.Cleanup(at.Close)
	merchant := ecticketsim.DefaultAccounts()[0]
	p, err := ecticket.New(ecticket.Config{BaseURL: at.URL, MerchantID: merchant.MerchantID, Keys: wire.Keys{HashKey: merchant.HashKey, HashIV: merchant.HashIV}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	j.worker("w", p)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client := j.Client()
	const n = 60
	if _, err := client.Enqueue(ctx, fmt.Appendf(nil, `{"provider":"ecticket","request":{"MerchantTradeNo":"ORDER1","IssueType":"2","PrintType":"2","Operator":"Shop1",
		"CustomerName":"王珊珊","TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":%d}]}}`, n)); err != nil {
		t.Fatal(err)
	}
	if s, err := client.Wait(ctx, handlertest.ECTicket, "ORDER1"); err != nil || s.State != order.Issued {
		t.Fatalf("%+v, %v", s, err)
	}
	began := time.Now()
	for i := range n {
		if _, err := client.EnqueueRefund(ctx, fmt.Appendf(nil, `{"provider":"ecticket","refund_id":"R%d","request":{"MerchantTradeNo":"ORDER1","quantity":1}}`, i)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		if s, err := client.WaitRefund(ctx, handlertest.ECTicket, "ORDER1", fmt.Sprintf("R%d", i)); err != nil || !refunded(s, i) {
			t.Errorf("refund R%d: %+v, %v", i, s, err)
		}
	}
	took, calls := time.Since(began), sim.Books().Calls
	if took > 10*time.Second || calls["Refund"] != n || calls["QueryOrderInfo"] > n {
		t.Errorf("sixty refunds took %s and these calls: %v", took, calls)
	}
}

func refunded(s *tasks.Status, i int) bool {
	return slices.ContainsFunc(s.Refunds, func(r tasks.RefundStatus) bool {
		return r.RefundID == fmt.Sprintf("R%d", i) && r.State == order.Refunded
	})
}

// Two thousand refunds wait for orders of a bulk that nobody has begun: checkouts do not notice.
func TestRefundsThatWaitForABulkHoldNoCheckoutUp(t *testing.T) {
	j := newJourney(t)
	const waiting, checkouts = 2000, 30
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client := j.Client()
	for i := range waiting {
		if _, err := client.Enqueue(ctx, []byte(document(10_000+i)), tasks.InLane(order.Bulk)); err != nil {
			t.Fatal(err)
		}
		if _, err := client.EnqueueRefund(ctx, fmt.Appendf(nil, `{"provider":"ecticket","refund_id":"R1","request":{"MerchantTradeNo":"ORDER%d","all":true}}`, 10_000+i)); err != nil {
			t.Fatal(err)
		}
	}
	p := fakeprovider.New(t, providers.ECTicket)
	j.worker("w", p)
	j.until("every refund to have looked once", func() bool {
		q, err := j.inspector.GetQueueInfo("ecticket-checkout")
		return err == nil && q.Pending == 0 && q.Active == 0
	})
	var took []time.Duration
	for i := range checkouts {
		p.AnswerIssue(providers.Outcome{Kind: providers.Done, Result: &providers.Result{Ref: "REF"}})
		began := time.Now()
		if _, err := client.Enqueue(ctx, []byte(document(i))); err != nil {
			t.Fatal(err)
		}
		if s, err := client.Wait(ctx, handlertest.ECTicket, fmt.Sprintf("ORDER%d", i)); err != nil || s.State != order.Issued {
			t.Fatalf("%+v, %v", s, err)
		}
		took = append(took, time.Since(began))
	}
	if longest := slices.Max(took); longest > time.Second {
		t.Errorf("a checkout took %s beside %d waiting refunds", longest, waiting)
	}
}
