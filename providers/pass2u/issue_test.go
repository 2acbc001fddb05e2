package pass2u_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"issuance/providers"
	"issuance/providers/pass2u"
	"issuance/providers/pass2u/pass2usim"
)

func TestAVoucherOrderIsDoneWithEveryVoucher(t *testing.T) {
	now := time.Date(2025, 3, 15, 5, 0, 0, 0, time.UTC)
	for _, plain := range []bool{false, true} {
		s, sim := simulated(t, pass2usim.Config{Now: func() time.Time { return now }, PlainSpelling: plain}, nil)
		o := order("P1", 2, "voucher")
		out := s.Issue(ctx, o)
		if out.Kind != providers.Done || out.Result == nil {
			t.Fatal(out)
		}
		r := out.Result
		if len(r.Tickets) != 2 || r.Access != nil || r.Ref == "" || r.CreatedAt != "2025-03-15T13:00:00+08:00" || r.ExpiresAt != "2026-03-15T13:00:00+08:00" {
			t.Errorf("%+v", r)
		}
		for _, k := range r.Tickets {
			if k.UseStatus != providers.Unused || k.Barcode == "" || !strings.Contains(k.URL, "token=") {
				t.Errorf("%+v", k)
			}
		}
		if f := s.LookUp(ctx, o); f.State != providers.FoundIssued || !cmp.Equal(f.Result, r) {
			t.Errorf("look-up: %+v", f)
		}
		if list, out := s.Tickets(ctx, o); out.Kind != providers.Done || !cmp.Equal(list, r.Tickets) {
			t.Errorf("tickets: %v", out)
		}
		if need, n := s.NeedsTickets(o); need || n != 2 {
			t.Errorf("needs tickets: %t %d", need, n)
		}
		if b := sim.Books(); b.Orders["P1"].Generated != 1 || b.Calls[pass2usim.Generate] != 1 || b.Calls[pass2usim.Query] != 2 {
			t.Errorf("%+v", b)
		}
	}
}

func TestAnOrderTypeOrderIsDoneWithItsPageAndPasscode(t *testing.T) {
	s, sim := simulated(t, pass2usim.Config{}, nil)
	o := order("P1", 3, "order")
	out := s.Issue(ctx, o)
	if out.Kind != providers.Done || out.Result.Access == nil || len(out.Result.Access.Passcode) != 7 || out.Result.Access.URL == "" || out.Result.Tickets != nil {
		t.Fatalf("%v %+v", out, out.Result)
	}
	if f := s.LookUp(ctx, o); f.State != providers.FoundIssued || !cmp.Equal(f.Result, out.Result) {
		t.Errorf("%+v", f)
	}
	if list, out := s.Tickets(ctx, o); out.Kind != providers.Done || list != nil {
		t.Errorf("%v %v", list, out)
	}
	if need, n := s.NeedsTickets(o); need || n != 0 {
		t.Errorf("needs tickets: %t %d", need, n)
	}
	if b, _ := sim.Order("P1"); b.Quantity != 3 {
		t.Errorf("%+v", b)
	}
}

func TestTheRequestIsTheDocumentedOne(t *testing.T) {
	s, _ := simulated(t, pass2usim.Config{}, nil)
	s.Issue(ctx, orderOf("P00001", map[string]any{"productSaleId": pass2usim.DefaultCampaign, "channelOrderId": "P00001",
		"mailTo": "kan@gmail.com", "quantity": 2, "pickupType": "voucher"}))
	calls := s.rec.calls()
	if len(calls) != 1 || calls[0].path != base+"/generate" ||
		calls[0].body != `{"productSaleId":"02955ccca3352ef0734a4aecc9f86083","channelOrderId":"P00001","mailTo":"kan@gmail.com","quantity":2,"pickupType":"voucher"}` {
		t.Fatalf("%+v", calls)
	}
	h := calls[0].header
	if h.Get("Authorization") != "sandbox-key" || h.Get("Accept") != "application/json" || h.Get("Content-Type") != "application/json; charset=utf-8" {
		t.Errorf("%v", h)
	}
}

// Whatever happens to the answer, generate is called once; what is in doubt is Unknown, and the
// look-up then shows the truth.
func TestNoMisbehaviourMakesIssueCallTwiceOrGuess(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fault pass2usim.Fault
		kind  providers.Kind
		code  string
		after providers.FindingState
	}{
		{"lost answer", pass2usim.LoseAnswer, providers.Unknown, "broken_connection", providers.FoundIssued},
		{"5xx before", pass2usim.Error5xxBefore, providers.Unknown, "http_502", providers.Absent},
		{"5xx after", pass2usim.Error5xxAfter, providers.Unknown, "http_502", providers.FoundIssued},
		{"oops before", pass2usim.OopsBefore, providers.Unknown, pass2u.CodeOops, providers.Absent},
		{"oops after", pass2usim.OopsAfter, providers.Unknown, pass2u.CodeOops, providers.FoundIssued},
		{"garbage", pass2usim.Garbage, providers.Unknown, pass2u.CodeUnreadable, providers.FoundIssued},
		{"slow", pass2usim.SlowAfter(time.Microsecond), providers.Done, "", providers.FoundIssued},
		{"no answer in time", pass2usim.HangUntilClose, providers.Unknown, "timeout", providers.FoundIssued},
		{"403", pass2usim.Ban403, providers.Unknown, "http_403", providers.Unclear},
	} {
		for _, status := range []int{200, 400, 500} {
			t.Run(tc.name, func(t *testing.T) {
				s, sim := simulated(t, pass2usim.Config{ErrorStatus: status}, func(c *pass2u.Config) {
					if tc.code == "timeout" {
						c.Timeout = 200 * time.Millisecond
					}
				})
				sim.SetFault(func(c pass2usim.Call) pass2usim.Fault {
					if c.Op == pass2usim.Generate {
						return tc.fault
					}
					return pass2usim.None
				})
				o := order("P1", 2, "voucher")
				out := s.Issue(ctx, o)
				if out.Kind != tc.kind || out.Code != tc.code {
					t.Errorf("%v, want %s %s", out, tc.kind, tc.code)
				}
				if b := sim.Books(); b.Calls[pass2usim.Generate] != 1 {
					t.Errorf("%d calls", b.Calls[pass2usim.Generate])
				}
				if f := s.LookUp(ctx, o); f.State != tc.after {
					t.Errorf("look-up: %+v", f)
				}
			})
		}
	}
}

func TestRefusalsByTheBodyWhateverTheStatus(t *testing.T) {
	for _, status := range []int{200, 400, 404, 500} {
		s, sim := simulated(t, pass2usim.Config{ErrorStatus: status}, nil)
		for _, tc := range []struct {
			o    providers.Order
			code string
		}{
			{orderOf("P1", map[string]any{"channelOrderId": "P1", "productSaleId": pass2usim.ExpiredCampaign, "quantity": 1, "pickupType": "order"}), pass2u.CodeSaleExpired},
			{orderOf("P1", map[string]any{"channelOrderId": "P1", "productSaleId": "nobody", "quantity": 1, "pickupType": "order"}), pass2u.CodeSaleUnknown},
			{orderOf("P1", map[string]any{"channelOrderId": "P1", "productSaleId": pass2usim.TinyCampaign, "quantity": 4, "pickupType": "order"}), pass2u.CodeQuantityNotEnough},
		} {
			if out := s.Issue(ctx, tc.o); out.Kind != providers.Rejected || out.Code != tc.code {
				t.Errorf("status %d: %v, want %s", status, out, tc.code)
			}
		}
		o := order("P2", 1, "order")
		s.Issue(ctx, o)
		if out := s.Issue(ctx, o); out.Kind != providers.Unknown || !out.Exists || out.Code != pass2u.CodeRepeated {
			t.Errorf("status %d: %v", status, out)
		}
		sim.FailOrder("P3", pass2usim.MsgCreateFailed)
		if out := s.Issue(ctx, order("P3", 1, "order")); out.Kind != providers.Unknown || out.Exists || out.Code != pass2u.CodeCreateTradeFail {
			t.Errorf("status %d: %v", status, out)
		}
	}
}

func TestWhatIsNoAuthenticConfirmationIsUnknown(t *testing.T) {
	sale := pass2usim.DefaultCampaign
	for _, tc := range []struct {
		name   string
		pickup string
		r      reply
		kind   providers.Kind
		code   string
		alarm  bool
	}{
		{"the document's own example, about P100001", "voucher", reply{200, `{"pass2uOrderId":"123932ewxrtg","productSaleId":"` + sale + `","channelOrderId":"P100001","vouchers":[{"barcodeMessage":"1","status":"notPickedup"},{"barcodeMessage":"2","status":"notPickedup"}]}`}, providers.Unknown, pass2u.CodeUnauthentic, false},
		{"another campaign", "voucher", reply{200, strings.Replace(yes("P1", "notPickedup", "notPickedup"), sale, "other", 1)}, providers.Unknown, pass2u.CodeUnauthentic, false},
		{"no number at all", "voucher", reply{200, `{"pass2uOrderId":"R1"}`}, providers.Unknown, pass2u.CodeUnauthentic, false},
		{"one voucher of two", "voucher", reply{200, yes("P1", "notPickedup")}, providers.Accepted, pass2u.CodeIncomplete, false},
		{"two vouchers, one of them blank", "voucher", reply{200, strings.Replace(strings.Replace(yes("P1", "notPickedup", "notPickedup"), "B1", "", 1), "http://x.invalid/v/1?token=t", "", 1)}, providers.Accepted, pass2u.CodeIncomplete, false},
		{"no vouchers", "voucher", reply{200, yes("P1")}, providers.Accepted, pass2u.CodeIncomplete, false},
		{"three vouchers for two", "voucher", reply{200, yes("P1", "notPickedup", "notPickedup", "notPickedup")}, providers.Unknown, pass2u.CodeCountMismatch, true},
		{"an order's page instead of vouchers", "voucher", reply{200, strings.Replace(yes("P1"), `"vouchers":[]`, `"orderUrl":"u","orderPasscode":"1"`, 1)}, providers.Unknown, pass2u.CodeWrongPickup, true},
		{"vouchers instead of an order's page", "order", reply{200, yes("P1", "notPickedup", "notPickedup")}, providers.Unknown, pass2u.CodeWrongPickup, true},
		{"no passcode", "order", reply{200, strings.Replace(yes("P1"), `"vouchers":[]`, `"orderUrl":"u"`, 1)}, providers.Accepted, pass2u.CodeIncomplete, false},
		{"a passcode as number", "order", reply{200, strings.Replace(yes("P1"), `"vouchers":[]`, `"orderUrl":"u","orderPasscode":9005445`, 1)}, providers.Done, "", false},
		{"a quantity as text", "order", reply{200, strings.Replace(yes("P1"), `"vouchers":[]`, `"quantity":"2","orderUrl":"u","orderPasscode":"1"`, 1)}, providers.Done, "", false},
		{"another quantity", "order", reply{200, strings.Replace(yes("P1"), `"vouchers":[]`, `"quantity":3,"orderUrl":"u","orderPasscode":"1"`, 1)}, providers.Unknown, pass2u.CodeCountMismatch, true},
		{"a confirmation under HTTP 500", "voucher", reply{500, yes("P1", "notPickedup", "notPickedup")}, providers.Unknown, "http_500", false},
		{"a redirect", "voucher", reply{307, ""}, providers.Unknown, "http_307", false},
		{"nothing", "voucher", reply{200, ""}, providers.Unknown, pass2u.CodeUnreadable, false},
		{"a list", "voucher", reply{200, "[]"}, providers.Unknown, pass2u.CodeUnreadable, false},
		{"an empty object", "voucher", reply{200, "{}"}, providers.Unknown, pass2u.CodeUnreadable, false},
		{"a page", "voucher", reply{200, "<html>"}, providers.Unknown, pass2u.CodeUnreadable, false},
		{"more than any answer", "voucher", reply{200, strings.Repeat(" ", 9<<20)}, providers.Unknown, "answer_too_large", false},
		{"a message nobody documents", "voucher", reply{400, refusal("Odd Things.")}, providers.Unknown, "http_400", false},
		{"such a message under HTTP 200", "voucher", reply{200, refusal("Odd Things.")}, providers.Unknown, pass2u.CodeUnknownText, false},
		{"a message that is no answer to generate", "voucher", reply{400, refusal(pass2usim.MsgOrderUnknown)}, providers.Unknown, pass2u.CodeOrderUnknown, false},
		{"a wrong base URL", "voucher", reply{404, "<html>"}, providers.Unknown, "http_404", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := scripted(t, nil, tc.r)
			out := s.Issue(ctx, order("P1", 2, tc.pickup))
			if out.Kind != tc.kind || out.Code != tc.code || out.Alarm != tc.alarm || out.Exists {
				t.Errorf("%v (alarm %t), want %s %s", out, out.Alarm, tc.kind, tc.code)
			}
			if (out.Kind == providers.Done || out.Kind == providers.Accepted) != (out.Result != nil) {
				t.Errorf("result: %v", out.Result)
			}
		})
	}
}

func TestAnInvalidOrderIsNotSent(t *testing.T) {
	s := scripted(t, nil)
	for _, o := range []providers.Order{
		{ID: "P1", Request: []byte(`{`)},
		{ID: "P1"},
		order("P1", 0, "voucher"),
		{ID: "P2", Request: order("P1", 1, "voucher").Request},
	} {
		if out := s.Issue(ctx, o); out.Kind != providers.Rejected || out.Code != pass2u.CodeInvalid {
			t.Errorf("%v", out)
		}
	}
}

func TestCallsThatNeverLeftAreNotSent(t *testing.T) {
	nobody := func(c *pass2u.Config) { c.BaseURL = "http://127.0.0.1:1" + base }
	s := scripted(t, nobody)
	o := order("P1", 1, "voucher")
	if out := s.Issue(ctx, o); out.Kind != providers.NotSent || out.Code != "connect" {
		t.Errorf("%v", out)
	}
	if out := s.RefundCount(ctx, providers.Order{ID: "P1", Request: o.Request, Ref: "R1"}, 1); out.Kind != providers.NotSent {
		t.Errorf("%v", out)
	}
	if f := s.LookUp(ctx, o); f.State != providers.Unclear || f.Outcome.Kind != providers.NotSent {
		t.Errorf("%+v", f)
	}
}

func TestRefusedCredentialsHoldEveryCallAndNeedAPerson(t *testing.T) {
	for _, status := range []int{401, 400, 200, 403} {
		s, sim := simulated(t, pass2usim.Config{AuthStatus: status, APIKey: "another-key"}, nil)
		o := order("P1", 1, "voucher")
		o.Ref = "R1"
		outs := []providers.Outcome{s.LookUp(ctx, o).Outcome}
		issue, refund := s.Issue(ctx, o), s.RefundCount(ctx, o, 1)
		if status == 401 || status == 403 {
			outs = append(outs, issue)
		} else if issue.Kind != providers.Unknown {
			t.Errorf("status %d: %v", status, issue) // the look-up that follows is held
		}
		if refund.Kind != providers.Unknown { // likewise
			t.Errorf("status %d: %v", status, refund)
		}
		for _, out := range outs {
			if out.Kind != providers.Held || !out.Alarm || out.Code != pass2u.CodeCredentials || out.RetryAfter <= 0 {
				t.Errorf("status %d: %v", status, out)
			}
		}
		if b := sim.Books(); b.Calls[pass2usim.Generate] != 1 || len(b.Orders) != 0 {
			t.Errorf("%+v", b)
		}
	}
	s := scripted(t, nil, reply{http.StatusUnauthorized, "<html>"}, reply{403, refusal("IP Address Is Not Listed.")})
	for range 2 {
		if out := s.Issue(ctx, order("P1", 1, "voucher")); out.Kind != providers.Held || !out.Alarm {
			t.Errorf("%v", out)
		}
	}
}

// The words of a refusal may stand in the complaint of a call that did all it was asked for, and
// so may Pass2U's id. "Certainly without effect" would have the call made again.
func TestWordsOfARefusalProveNothingAboutACallThatMayHaveHadItsEffect(t *testing.T) {
	mail := refusal("Order created. SMTP authentication failed.")
	both := strings.Replace(yes("P1", "notPickedup"), "{", `{"message":"Oops! Something Went Wrong.",`, 1)
	for _, r := range []reply{{200, mail}, {400, mail}, {500, mail}, {503, mail}, {200, both}, {500, both}} {
		s := scripted(t, nil, r, r, r)
		o := order("P1", 1, "voucher")
		o.Ref = "R1"
		for _, out := range []providers.Outcome{s.Issue(ctx, o), s.RefundCount(ctx, o, 1)} {
			if out.Kind != providers.Unknown {
				t.Errorf("HTTP %d %s: %v", r.status, r.body, out)
			}
		}
		if b, out := s.RefundBaseline(ctx, o); out.Kind == providers.Done {
			t.Errorf("HTTP %d %s: %+v %v", r.status, r.body, b, out)
		}
	}
}

// A confirmation that only says so once more is a confirmation.
func TestAPoliteMessageIsNoComplaint(t *testing.T) {
	for _, message := range []string{"", " ", "OK", "Success.", "successfully"} {
		s := scripted(t, nil, reply{200, strings.Replace(yes("P1", "notPickedup"), "{", `{"message":"`+message+`",`, 1)})
		if out := s.Issue(ctx, order("P1", 1, "voucher")); out.Kind != providers.Done {
			t.Errorf("%q: %v", message, out)
		}
	}
	s := scripted(t, nil, reply{200, strings.Replace(yes("P1", "notPickedup"), "{", `{"message":"Not successful",`, 1)})
	if out := s.Issue(ctx, order("P1", 1, "voucher")); out.Kind != providers.Unknown {
		t.Errorf("%v", out)
	}
}
