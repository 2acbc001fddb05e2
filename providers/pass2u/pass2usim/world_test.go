package pass2usim_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"issuance/providers/pass2u/pass2usim"
)

// at is a clock that only the test moves.
type at struct{ t time.Time }

func (c *at) now() time.Time { return c.t }

func clocked() (*at, pass2usim.Config) {
	c := &at{time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)}
	return c, pass2usim.Config{Now: c.now}
}

// asked is a query for an order.
func asked(id string) map[string]any {
	return map[string]any{"productSaleId": pass2usim.DefaultCampaign, "channelOrderId": id, "pickupType": "voucher"}
}

func statuses(a map[string]any) (all []string) {
	list, _ := a["vouchers"].([]any)
	for _, v := range list {
		all = append(all, v.(map[string]any)["status"].(string))
	}
	return all
}

func TestQueriesLagBehindGenerateAndRefund(t *testing.T) {
	clock, cfg := clocked()
	h := open(t, cfg)
	h.SetLag(pass2usim.Lag{Generate: 8 * time.Second, Refund: 5 * time.Second})
	h.SetLagOf("B", pass2usim.Lag{})
	_, a := h.call("/generate", order("A", 2, "voucher"))
	h.call("/generate", order("B", 2, "voucher"))
	if _, q := h.call("/query", asked("A")); q["message"] != pass2usim.MsgOrderUnknown {
		t.Errorf("right after generate: %v", q)
	}
	if _, q := h.call("/query", asked("B")); len(statuses(q)) != 2 {
		t.Errorf("an order that does not lag: %v", q)
	}
	if _, again := h.call("/generate", order("A", 2, "voucher")); again["message"] != pass2usim.MsgRepeated {
		t.Errorf("generate lags: %v", again)
	}
	clock.t = clock.t.Add(8 * time.Second)
	h.PickUp("A", 1)
	clock.t = clock.t.Add(time.Minute)
	refund := with(asked("A"), "pass2uOrderId", a["pass2uOrderId"], "quantity", 2)
	if _, r := h.call("/refund", refund); !cmp.Equal(statuses(r), []string{"refund", "refund"}) {
		t.Errorf("the refund's own answer lags: %v", r)
	}
	if _, q := h.call("/query", asked("A")); !cmp.Equal(statuses(q), []string{"pickedup", "notPickedup"}) {
		t.Errorf("right after the refund: %v", q)
	}
	if b, _ := h.Order("A"); b.Refunded() != 2 {
		t.Errorf("%+v", b)
	}
	clock.t = clock.t.Add(5 * time.Second)
	if _, q := h.call("/query", asked("A")); !cmp.Equal(statuses(q), []string{"refund", "refund"}) {
		t.Errorf("after the lag: %v", q)
	}
}

func TestAStrangersOrderHasTheNumber(t *testing.T) {
	clock, cfg := clocked()
	h := open(t, cfg)
	h.AddStranger(pass2usim.Stranger{ChannelOrderID: "A", Quantity: 3, CreatedAt: clock.t.AddDate(0, -2, 0)})
	h.AddStranger(pass2usim.Stranger{ChannelOrderID: "B", PickupType: "order"})
	if _, a := h.call("/generate", order("A", 2, "voucher")); a["message"] != pass2usim.MsgRepeated {
		t.Errorf("%v", a)
	}
	if _, q := h.call("/query", asked("A")); len(statuses(q)) != 3 || q["createdTime"] != "2024-11-01T08:00:00+08:00" {
		t.Errorf("%v", q)
	}
	if _, q := h.call("/query", asked("B")); q["orderUrl"] == nil || q["createdTime"] != "2024-01-01T08:00:00+08:00" {
		t.Errorf("%v", q)
	}
	h.call("/generate", order("C", 1, "voucher"))
	b := h.Books()
	if !b.Orders["A"].Stranger || b.Orders["C"].Stranger || b.Orders["A"].Calls[pass2usim.Generate] != 1 {
		t.Errorf("%+v", b.Orders)
	}
}

func on(op pass2usim.Op, f pass2usim.Fault) func(pass2usim.Call) pass2usim.Fault {
	return func(c pass2usim.Call) pass2usim.Fault {
		if c.Op == op {
			return f
		}
		return pass2usim.None
	}
}

func TestWhatTookEffectIsAnsweredByAnAuthenticRejection(t *testing.T) {
	h := open(t, pass2usim.Config{})
	h.SetFault(on(pass2usim.Generate, pass2usim.RejectAfter))
	if _, a := h.call("/generate", order("A", 2, "voucher")); a["message"] != pass2usim.MsgRepeated {
		t.Errorf("%v", a)
	}
	b, ok := h.Order("A")
	if !ok || b.Generated != 1 {
		t.Fatalf("%+v", b)
	}
	h.SetFault(on(pass2usim.Refund, pass2usim.RejectAfter))
	if _, r := h.call("/refund", with(asked("A"), "pass2uOrderId", b.Pass2uOrderID, "quantity", 1)); r["message"] != pass2usim.MsgRefundableTooFew {
		t.Errorf("%v", r)
	}
	if b, _ = h.Order("A"); b.Refunded() != 1 || len(b.Refunds) != 1 {
		t.Errorf("%+v", b)
	}
}

func TestAnOldConfirmationIsSentAgainAndNothingHappens(t *testing.T) {
	h := open(t, pass2usim.Config{})
	_, a := h.call("/generate", order("A", 3, "voucher"))
	refund := with(asked("A"), "pass2uOrderId", a["pass2uOrderId"], "quantity", 1)
	_, first := h.call("/refund", refund)
	h.SetFault(func(pass2usim.Call) pass2usim.Fault { return pass2usim.Replay })
	if _, again := h.call("/refund", refund); !cmp.Equal(first, again) {
		t.Error(cmp.Diff(first, again))
	}
	if _, other := h.call("/generate", order("B", 1, "voucher")); other["channelOrderId"] != "A" {
		t.Errorf("%v", other)
	}
	if b := h.Books(); b.Orders["A"].Refunded() != 1 || len(b.Orders) != 1 {
		t.Errorf("%+v", b.Orders)
	}
	fresh := open(t, pass2usim.Config{})
	fresh.SetFault(func(pass2usim.Call) pass2usim.Fault { return pass2usim.Replay })
	if status, _ := fresh.call("/generate", order("A", 1, "voucher")); status != 200 {
		t.Error(status)
	}
}

func TestAnOutageMeetsEveryCallAndCountsThem(t *testing.T) {
	for _, c := range []struct {
		name   string
		fault  pass2usim.Fault
		status int
		retry  string
	}{
		{"cut", pass2usim.CutBefore, 0, ""}, {"5xx", pass2usim.Error5xxBefore, 502, ""}, {"503", pass2usim.Unavailable503("120"), 503, "120"},
		{"429", pass2usim.TooMany429("Wed, 01 Jan 2025 00:02:00 GMT"), 429, "Wed, 01 Jan 2025 00:02:00 GMT"}, {"503 without a time", pass2usim.Unavailable503(""), 503, ""},
		{"a page", pass2usim.GarbageBefore, 200, ""}, {"nothing", pass2usim.EmptyBefore, 200, ""}, {"oops", pass2usim.OopsBefore, 400, ""},
	} {
		clock, cfg := clocked()
		cfg.CallsPerSecond = 1000
		h := open(t, cfg)
		h.StartOutage(c.fault, time.Minute)
		for _, path := range []string{"/generate", "/query", "/query"} {
			if status, body := h.call(path, order("A", 1, "voucher")); status != c.status || body["pass2uOrderId"] != nil {
				t.Errorf("%s: %d %v", c.name, status, body)
			}
		}
		if _, found := h.Order("A"); found {
			t.Errorf("%s took effect", c.name)
		}
		if c.retry != "" {
			req, _ := http.NewRequest("POST", h.srv.URL+prefix+"/query", strings.NewReader("{}"))
			res, err := h.srv.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.Header.Get("Retry-After") != c.retry || res.Header.Get("Date") != "Wed, 01 Jan 2025 00:00:00 GMT" {
				t.Errorf("%s: %v", c.name, res.Header)
			}
		}
		clock.t = clock.t.Add(time.Minute)
		if status, _ := h.call("/generate", order("A", 1, "voucher")); status != 200 {
			t.Errorf("%s: after the outage %d", c.name, status)
		}
		b := h.Books()
		if len(b.Outages) != 1 || b.Outages[0].Calls[pass2usim.Generate] != 1 || b.Outages[0].Calls[pass2usim.Query] < 2 || b.Bans != 0 {
			t.Errorf("%s: %+v", c.name, b)
		}
	}
	h := open(t, pass2usim.Config{})
	if h.EndOutage() != 0 {
		t.Error("an outage that never was had calls")
	}
	h.StartOutage(pass2usim.EmptyBefore, 0)
	h.call("/query", asked("A"))
	if n := h.EndOutage(); n != 1 {
		t.Errorf("%d calls", n)
	}
	if status, _ := h.call("/generate", order("A", 1, "voucher")); status != 200 {
		t.Error(status)
	}
}

func TestAHangingOutageEndsWithItsCallers(t *testing.T) {
	h := open(t, pass2usim.Config{})
	h.StartOutage(pass2usim.HangBefore, 0)
	h.srv.Client().Timeout = 20 * time.Millisecond
	if status, _ := h.call("/generate", order("A", 1, "voucher")); status != 0 {
		t.Error(status)
	}
	if _, found := h.Order("A"); found || h.EndOutage() != 1 {
		t.Error("a call that nobody answered took effect, or was not counted")
	}
}

func TestOneOrderIsForbiddenAndNoOther(t *testing.T) {
	h := open(t, pass2usim.Config{})
	h.ForbidOrder("A")
	for range 2 {
		if status, _ := h.call("/generate", order("A", 1, "voucher")); status != 403 {
			t.Error(status)
		}
	}
	if status, _ := h.call("/generate", order("B", 1, "voucher")); status != 200 {
		t.Error(status)
	}
	h.AllowOrder("A")
	if status, _ := h.call("/generate", order("A", 1, "voucher")); status != 200 || h.Books().Bans != 0 {
		t.Error(status)
	}
}

func TestTheClockMayBeMinutesOff(t *testing.T) {
	_, cfg := clocked()
	h := open(t, cfg)
	h.SetClockOff(5 * time.Minute)
	if _, a := h.call("/generate", order("A", 1, "voucher")); a["createdTime"] != "2025-01-01T08:05:00+08:00" {
		t.Errorf("%v", a)
	}
}
