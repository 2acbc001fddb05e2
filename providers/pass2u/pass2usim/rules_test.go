package pass2usim_test

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"issuance/providers/pass2u/pass2usim"
)

func TestAnswersHaveTheDocumentedShapes(t *testing.T) {
	now := time.Date(2025, 3, 15, 5, 0, 0, 0, time.UTC)
	h := open(t, pass2usim.Config{Now: func() time.Time { return now }})
	status, a := h.call(prefix+"/generate", with(order("V1", 2, "voucher"), "mailTo", "kan@gmail.com"))
	if status != 200 || keys(a) != "channelOrderId createdTime expriationDate mailTo pass2uOrderId productSaleId vouchers" {
		t.Fatalf("%d %s", status, keys(a))
	}
	vouchers := a["vouchers"].([]any)
	if len(vouchers) != 2 || keys(vouchers[0].(map[string]any)) != "barcodeMessage status statusUpdateTime voucherUrl" {
		t.Errorf("%v", vouchers)
	}
	if a["createdTime"] != "2025-03-15T13:00:00+08:00" || a["expriationDate"] != "2026-03-15T13:00:00+08:00" {
		t.Errorf("%v", a)
	}
	status, a = h.call("/any/other/prefix/generate", order("O1", 5, "order"))
	if status != 200 || keys(a) != "channelOrderId createdTime expriationDate orderPasscode orderUrl pass2uOrderId productSaleId" {
		t.Errorf("%d %s", status, keys(a))
	}
	_, q := h.call(prefix+"/query", map[string]any{"productSaleId": pass2usim.DefaultCampaign, "pass2uOrderId": a["pass2uOrderId"], "pickupType": "order"})
	if d := cmp.Diff(a, q); d != "" {
		t.Error(d)
	}
	plain := open(t, pass2usim.Config{PlainSpelling: true})
	if _, a = plain.call("/generate", order("O1", 5, "order")); a["expirationDate"] == nil || a["expriationDate"] != nil {
		t.Error(keys(a))
	}
}

func TestEveryDocumentedRefusal(t *testing.T) {
	h := open(t, pass2usim.Config{})
	_, a := h.call("/generate", order("A", 2, "voucher"))
	_, other := h.call("/generate", order("B", 1, "voucher"))
	full := with(order("A", 1, "voucher"), "pass2uOrderId", a["pass2uOrderId"])
	ask := map[string]any{"productSaleId": pass2usim.DefaultCampaign, "channelOrderId": "A", "pickupType": "voucher"}
	for _, tc := range []struct {
		path string
		body map[string]any
		want string
	}{
		{"/generate", with(order("C", 1, "order"), "productSaleId", "nobody's"), pass2usim.MsgSaleUnknown},
		{"/generate", with(order("C", 1, "order"), "productSaleId", pass2usim.ExpiredCampaign), pass2usim.MsgSaleExpired},
		{"/generate", with(order("C", 4, "order"), "productSaleId", pass2usim.TinyCampaign), pass2usim.MsgStock},
		{"/generate", order("C", 1, "Order"), pass2usim.MsgPickupFormat},
		{"/generate", order("C", 0, "order"), pass2usim.MsgQuantityFormat},
		{"/generate", with(order("C", 0, "order"), "quantity", "2"), pass2usim.MsgQuantityFormat},
		{"/generate", with(order("C", 0, "order"), "quantity", 1.5), pass2usim.MsgQuantityFormat},
		{"/generate", order("", 1, "order"), pass2usim.MsgInvalidQuery},
		{"/generate", order("A", 1, "order"), pass2usim.MsgRepeated},
		{"/generate", with(order("A", 9, "order"), "productSaleId", pass2usim.TinyCampaign), pass2usim.MsgRepeated},
		{"/query", with(ask, "channelOrderId", "nobody's"), pass2usim.MsgOrderUnknown},
		{"/query", with(ask, "channelOrderId", "", "pass2uOrderId", "nobody's"), pass2usim.MsgRefUnknown},
		{"/query", with(ask, "pass2uOrderId", a["pass2uOrderId"]), pass2usim.MsgInvalidQuery},
		{"/query", with(ask, "channelOrderId", ""), pass2usim.MsgInvalidQuery},
		{"/query", with(ask, "productSaleId", "nobody's"), pass2usim.MsgSaleUnknown},
		{"/query", with(ask, "productSaleId", pass2usim.TinyCampaign), pass2usim.MsgOrderUnknown},
		{"/query", with(ask, "pickupType", ""), pass2usim.MsgPickupFormat},
		{"/query", with(ask, "pickupType", 7), pass2usim.MsgInvalidQuery},
		{"/refund", with(full, "pass2uOrderId", "nobody's"), pass2usim.MsgRefUnknown},
		{"/refund", with(full, "channelOrderId", "nobody's"), pass2usim.MsgOrderUnknown},
		{"/refund", with(full, "pass2uOrderId", other["pass2uOrderId"]), pass2usim.MsgInvalidQuery},
		{"/refund", with(full, "productSaleId", "nobody's"), pass2usim.MsgSaleUnknown},
		{"/refund", with(full, "pickupType", ""), pass2usim.MsgPickupFormat},
		{"/refund", with(full, "quantity", 0), pass2usim.MsgQuantityFormat},
		{"/refund", with(full, "quanity", 2), pass2usim.MsgQuantityFormat},
		{"/refund", with(full, "quantity", 3), pass2usim.MsgRefundableTooFew},
	} {
		status, a := h.call(prefix+tc.path, tc.body)
		if status != 400 || a["message"] != tc.want || a["type"] == "" || a["pass2uOrderId"] != nil {
			t.Errorf("%s %v: %d %v, want %s", tc.path, tc.body, status, a, tc.want)
		}
	}
	b := h.Books()
	if len(b.Orders) != 2 || b.Orders["A"].Generated != 1 || b.Orders["A"].Refunded() != 0 || b.Stock[pass2usim.TinyCampaign] != pass2usim.TinyStock {
		t.Errorf("a refusal had an effect: %+v", b)
	}
	h = open(t, pass2usim.Config{ErrorStatus: 200})
	if status, a := h.call("/query", ask); status != 200 || a["message"] != pass2usim.MsgOrderUnknown {
		t.Errorf("%d %v", status, a)
	}
}

func TestRefundPicksAmongTheRefundableAtRandom(t *testing.T) {
	firsts := map[int]bool{}
	for seed := range uint64(12) {
		h := open(t, pass2usim.Config{Seed: seed})
		_, a := h.call("/generate", order("A", 6, "voucher"))
		if err := h.Redeem("A", 1); err != nil {
			t.Fatal(err)
		}
		if err := h.Expire("A", 1); err != nil {
			t.Fatal(err)
		}
		_, r := h.call("/refund", with(order("A", 1, "voucher"), "pass2uOrderId", a["pass2uOrderId"]))
		for i, v := range r["vouchers"].([]any) {
			if v.(map[string]any)["status"] == "refund" {
				firsts[i] = true
			}
		}
		b, _ := h.Order("A")
		want := map[string]int{"notPickedup": 3, "redeemed": 1, "expired": 1, "refunded": 1}
		if d := cmp.Diff(want, b.Statuses); d != "" {
			t.Fatal(d)
		}
		_, r = h.call("/refund", with(order("A", 4, "voucher"), "pass2uOrderId", a["pass2uOrderId"]))
		if r["message"] != pass2usim.MsgRefundableTooFew {
			t.Errorf("%v", r)
		}
		h.call("/refund", with(order("A", 0, "voucher"), "pass2uOrderId", a["pass2uOrderId"], "quantity", nil, "quanity", 3))
		if b, _ = h.Order("A"); !cmp.Equal(b.Refunds, []int{1, 3}) {
			t.Errorf("%v", b.Refunds)
		}
	}
	if len(firsts) < 2 || firsts[0] || firsts[1] {
		t.Errorf("refunded positions: %v", firsts)
	}
}

func TestOpeningAVoucherLinkPicksItUp(t *testing.T) {
	h := open(t, pass2usim.Config{})
	_, a := h.call("/generate", order("A", 2, "voucher"))
	link := a["vouchers"].([]any)[0].(map[string]any)["voucherUrl"].(string)
	for _, url := range []string{link, strings.Replace(link, "token=", "token=x", 1), h.srv.URL + "/v/1"} {
		res, err := h.srv.Client().Get(url)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	b := h.Books()
	if b.LinksOpened != 1 || b.Orders["A"].Statuses["pickedup"] != 1 || b.Strays != 0 {
		t.Errorf("%+v", b)
	}
}

func TestMailGoesOutOnEveryCallThatAsksForIt(t *testing.T) {
	h := open(t, pass2usim.Config{})
	h.call("/generate", with(order("A", 1, "order"), "mailTo", "a@b.tw"))
	ask := map[string]any{"productSaleId": pass2usim.DefaultCampaign, "channelOrderId": "A", "pickupType": "order"}
	h.call("/query", ask)
	if b, _ := h.Order("A"); b.Mails != 1 || b.MailTo != "a@b.tw" {
		t.Errorf("%+v", b)
	}
	h.call("/query", with(ask, "mailTo", "c@d.tw"))
	if b, _ := h.Order("A"); b.Mails != 2 || b.MailTo != "c@d.tw" || b.Calls[pass2usim.Query] != 2 {
		t.Errorf("%+v", b)
	}
}

func TestTooManyCallsAreABanWhichEnds(t *testing.T) {
	now := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	h := open(t, pass2usim.Config{Now: func() time.Time { return now }, CallsPerSecond: 5, Burst: 2, BanFor: time.Minute})
	var got []int
	step := func(d time.Duration) {
		now = now.Add(d)
		status, _ := h.call("/query", order("A", 1, "order"))
		got = append(got, status)
	}
	step(0)
	step(0)
	for range 10 {
		step(200 * time.Millisecond)
	}
	step(0) // one too many
	step(59 * time.Second)
	step(time.Second)
	want := []int{400, 400, 400, 400, 400, 400, 400, 400, 400, 400, 400, 400, 403, 403, 400}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if b := h.Books(); b.Bans != 1 || b.CallsWhileBanned != 1 || b.Calls[pass2usim.Query] != 15 {
		t.Errorf("%+v", b)
	}
}

func TestOnlyTheAccountIsServed(t *testing.T) {
	h := open(t, pass2usim.Config{})
	if status, body := h.post("/query", "other-key", "{}"); status != 401 || !strings.Contains(body, `"message"`) || !strings.Contains(body, `"type"`) {
		t.Errorf("%d %s", status, body)
	}
	h = open(t, pass2usim.Config{AllowedIPs: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, AuthStatus: 403})
	if status, _ := h.post("/query", pass2usim.DefaultAPIKey, "{}"); status != 403 {
		t.Error(status)
	}
	h = open(t, pass2usim.Config{AllowedIPs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
	if status, _ := h.post("/query", pass2usim.DefaultAPIKey, "{}"); status != 400 {
		t.Error(status)
	}
}

func TestPaths(t *testing.T) {
	for _, tc := range []struct {
		base   bool
		path   string
		status int
	}{
		{false, prefix + "/query", 400}, {false, prefix, 404}, {false, prefix + "/query/", 404}, {false, prefix + "/generate/", 404},
		{false, prefix + "/refund", 400}, {true, prefix, 400}, {true, prefix + "/", 404}, {true, prefix + "/query", 404},
	} {
		h := open(t, pass2usim.Config{QueryAtBase: tc.base})
		if status, _ := h.call(tc.path, order("A", 0, "order")); status != tc.status {
			t.Errorf("base %t, %s: %d, want %d", tc.base, tc.path, status, tc.status)
		}
	}
	h := open(t, pass2usim.Config{})
	if res, err := h.srv.Client().Get(h.srv.URL + prefix + "/query"); err != nil || res.StatusCode != 405 {
		t.Errorf("%v %v", res, err)
	} else {
		res.Body.Close()
	}
	if h.Books().Strays != 1 {
		t.Error("a stray request is not on the books")
	}
}

func TestAChosenOrderFailsUntilItIsLetGo(t *testing.T) {
	h := open(t, pass2usim.Config{})
	h.FailOrder("A", pass2usim.MsgCreateFailed)
	if _, a := h.call("/generate", order("A", 1, "order")); a["message"] != pass2usim.MsgCreateFailed {
		t.Errorf("%v", a)
	}
	h.FailOrder("A", "")
	if status, _ := h.call("/generate", order("A", 1, "order")); status != 200 {
		t.Error(status)
	}
}

func TestConcurrentOrdersNeverOversellNorRepeat(t *testing.T) {
	h := open(t, pass2usim.Config{Campaigns: []pass2usim.Campaign{{ProductSaleID: pass2usim.DefaultCampaign, Stock: 20}}})
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			h.call("/generate", order(fmt.Sprintf("A%d", i%20), 2, "voucher"))
			h.Books()
		})
	}
	wg.Wait()
	b := h.Books()
	sold := 0
	for id, o := range b.Orders {
		if o.Generated != 1 || o.Quantity != 2 {
			t.Errorf("%s: %+v", id, o)
		}
		sold += o.Quantity
	}
	if sold != 20 || b.Stock[pass2usim.DefaultCampaign] != 0 {
		t.Errorf("sold %d, left %v", sold, b.Stock)
	}
}

func TestHelpersRefuseWhatCannotBe(t *testing.T) {
	h := open(t, pass2usim.Config{})
	h.call("/generate", order("A", 2, "voucher"))
	if err := h.PickUp("A", 1); err != nil {
		t.Error(err)
	}
	if err := h.Redeem("A", 3); err == nil {
		t.Error("redeemed three of two")
	}
	if err := h.Redeem("B", 1); err == nil {
		t.Error("redeemed an unknown order's")
	}
	if b, _ := h.Order("A"); b.Statuses["pickedup"] != 1 || b.Statuses["notPickedup"] != 1 {
		t.Errorf("%v", b.Statuses)
	}
}
