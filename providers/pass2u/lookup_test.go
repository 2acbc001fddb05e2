package pass2u_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"issuance/providers"
	"issuance/providers/pass2u"
	"issuance/providers/pass2u/pass2usim"
)

func TestAnUnknownOrderIsAbsent(t *testing.T) {
	for _, status := range []int{200, 400, 404, 405, 500} {
		s, _ := simulated(t, pass2usim.Config{ErrorStatus: status}, nil)
		f := s.LookUp(ctx, order("P1", 1, "voucher"))
		if f.State != providers.Absent || f.Outcome.Code != pass2u.CodeOrderUnknown || f.Result != nil {
			t.Errorf("status %d: %+v", status, f)
		}
		if got := s.rec.paths(); !cmp.Equal(got, []string{"/query"}) {
			t.Errorf("status %d: %v: an error of Pass2U's is no missing path", status, got)
		}
	}
}

func TestAQueryHoldsExactlyOneIdAndNeverMailTo(t *testing.T) {
	s, sim := simulated(t, pass2usim.Config{}, nil)
	o := orderOf("P1", map[string]any{"channelOrderId": "P1", "productSaleId": pass2usim.DefaultCampaign, "quantity": 2, "pickupType": "voucher", "mailTo": "kan@gmail.com"})
	o.Ref = s.Issue(ctx, o).Result.Ref
	s.rec.calls()
	s.LookUp(ctx, o)
	s.Tickets(ctx, o)
	s.RefundBaseline(ctx, o)
	s.RefundCount(ctx, o, 1)
	s.LookUp(ctx, providers.Order{Ref: o.Ref, Request: []byte(`{"productSaleId":"` + pass2usim.DefaultCampaign + `","pickupType":"voucher"}`)})
	calls := s.rec.calls()
	byChannel := `{"channelOrderId":"P1","productSaleId":"` + pass2usim.DefaultCampaign + `","pickupType":"voucher"}`
	byRef := `{"pass2uOrderId":"` + o.Ref + `","productSaleId":"` + pass2usim.DefaultCampaign + `","pickupType":"voucher"}`
	want := []string{byChannel, byChannel, byChannel, "", byRef}
	for i, c := range calls {
		if strings.Contains(c.body, "mailTo") || want[i] != "" && c.body != want[i] {
			t.Errorf("call %d: %s %s", i, c.path, c.body)
		}
	}
	if b, _ := sim.Order("P1"); b.Mails != 1 || len(calls) != len(want) {
		t.Errorf("%d mails, %d calls", b.Mails, len(calls))
	}
}

func TestALookUpThatLearnedNothingIsUnclear(t *testing.T) {
	for _, tc := range []struct {
		name string
		r    reply
		kind providers.Kind
		code string
	}{
		{"oops", reply{500, refusal(pass2usim.MsgOops)}, providers.Unknown, pass2u.CodeOops},
		{"campaign unknown: no word on the order", reply{400, refusal(pass2usim.MsgSaleUnknown)}, providers.Unknown, pass2u.CodeSaleUnknown},
		{"criteria", reply{400, refusal(pass2usim.MsgInvalidQuery)}, providers.Unknown, pass2u.CodeInvalidQuery},
		{"another id's refusal", reply{400, refusal(pass2usim.MsgRefUnknown)}, providers.Unknown, pass2u.CodeRefUnknown},
		{"undocumented", reply{400, refusal("Maintenance.")}, providers.Unknown, "http_400"},
		{"gateway", reply{502, "<html>"}, providers.Unknown, "http_502"},
		{"another order", reply{200, yes("P2", "notPickedup")}, providers.Unknown, pass2u.CodeUnauthentic},
		{"too many tickets", reply{200, yes("P1", "notPickedup", "redeemed")}, providers.Unknown, pass2u.CodeCountMismatch},
		{"too fast", reply{403, "<html>"}, providers.Held, "http_403"},
		{"too many requests", reply{429, ""}, providers.Held, "http_429"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := scripted(t, nil, tc.r)
			f := s.LookUp(ctx, order("P1", 1, "voucher"))
			if f.State != providers.Unclear || f.Outcome.Kind != tc.kind || f.Outcome.Code != tc.code || f.Result != nil {
				t.Errorf("%+v", f)
			}
		})
	}
	s := scripted(t, nil)
	for _, o := range []providers.Order{{ID: "P1", Request: []byte(`{`)}, {ID: "P1", Request: []byte(`{}`)}, {Request: order("", 1, "order").Request}, {ID: "P2", Request: order("P1", 1, "order").Request}} {
		if f := s.LookUp(ctx, o); f.State != providers.Unclear || f.Outcome.Code != pass2u.CodeInvalid {
			t.Errorf("%+v", f)
		}
	}
}

func TestAnOrderWithoutAllItsVouchersIsPending(t *testing.T) {
	s := scripted(t, nil, reply{200, yes("P1", "notPickedup")}, reply{200, yes("P1", "notPickedup")})
	o := order("P1", 2, "voucher")
	if f := s.LookUp(ctx, o); f.State != providers.FoundPending || f.Result == nil || f.Result.Ref != "R1" {
		t.Errorf("%+v", f)
	}
	if list, out := s.Tickets(ctx, o); out.Kind != providers.Accepted || len(list) != 1 {
		t.Errorf("%v %v", list, out)
	}
}

func TestAnotherPass2uIdIsAnotherOrder(t *testing.T) {
	s := scripted(t, nil, reply{200, yes("P1", "notPickedup")})
	o := order("P1", 1, "voucher")
	o.Ref = "R2"
	if f := s.LookUp(ctx, o); f.State != providers.Unclear || f.Outcome.Code != pass2u.CodeUnauthentic {
		t.Errorf("%+v", f)
	}
}

func TestEveryVoucherStatus(t *testing.T) {
	s := scripted(t, nil, reply{200, yes("P1", "notPickedup", "pickedup", "redeemed", "refunded", "refund", "expired", "REFUND ", "onLoan")})
	list, out := s.Tickets(ctx, order("P1", 8, "voucher"))
	var got []providers.UseStatus
	for _, k := range list {
		got = append(got, k.UseStatus)
	}
	want := []providers.UseStatus{providers.Unused, providers.PickedUp, providers.Redeemed, providers.Refunded, providers.Refunded, providers.Invalid, providers.Refunded, "onLoan"}
	if d := cmp.Diff(want, got); d != "" || out.Kind != providers.Done {
		t.Errorf("%v %s", out, d)
	}
}

func TestTheQueryPathIsFoundOutOnceAndKept(t *testing.T) {
	for _, tc := range []struct {
		name          string
		atBase        bool // the server's
		status        int
		baseFirst     bool // the client's
		first, second []string
	}{
		{"overview", false, 404, false, []string{"/query"}, []string{"/query"}},
		{"detail section", true, 404, false, []string{"/query", ""}, []string{""}},
		{"detail section, 405", true, 405, false, []string{"/query", ""}, []string{""}},
		{"base first", true, 404, true, []string{""}, []string{""}},
		{"base first, wrongly", false, 405, true, []string{"", "/query"}, []string{"/query"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, _ := simulated(t, pass2usim.Config{QueryAtBase: tc.atBase, WrongPathStatus: tc.status}, func(c *pass2u.Config) { c.QueryAtBase = tc.baseFirst })
			o := order("P1", 1, "voucher")
			for _, want := range [][]string{tc.first, tc.second} {
				if f := s.LookUp(ctx, o); f.State != providers.Absent {
					t.Errorf("%+v", f)
				}
				if got := s.rec.paths(); !cmp.Equal(got, want) {
					t.Errorf("asked %q, want %q", got, want)
				}
			}
		})
	}
}

func TestNoPathIsKeptThatNeverAnswered(t *testing.T) {
	s := scripted(t, nil, reply{404, "<html>"}, reply{404, `{"message":"No such route"}`}, // a gateway's JSON is no Pass2U error
		reply{405, ""}, reply{502, ""}, reply{404, ""}, reply{200, yes("P1", "notPickedup")}, reply{404, ""})
	o := order("P1", 1, "voucher")
	if f := s.LookUp(ctx, o); f.State != providers.Unclear || f.Outcome.Code != "http_404" || !f.Outcome.Alarm {
		t.Errorf("%+v", f)
	}
	if f := s.LookUp(ctx, o); f.State != providers.Unclear || f.Outcome.Code != "http_502" {
		t.Errorf("%+v", f)
	}
	if f := s.LookUp(ctx, o); f.State != providers.FoundIssued {
		t.Errorf("%+v", f)
	}
	if f := s.LookUp(ctx, o); f.State != providers.Unclear { // known by now: asked there only
		t.Errorf("%+v", f)
	}
	if got := s.rec.paths(); !cmp.Equal(got, []string{"/query", "", "/query", "", "/query", "", ""}) {
		t.Errorf("%q", got)
	}
}

func TestAReadIsTriedTwiceWhenTheConnectionBreaksAndAMutationNever(t *testing.T) {
	cut := reply{}
	o := order("P1", 1, "voucher")
	s := scripted(t, nil, cut, reply{200, yes("P1", "notPickedup")})
	if f := s.LookUp(ctx, o); f.State != providers.FoundIssued {
		t.Errorf("%+v", f)
	}
	s = scripted(t, nil, cut, cut)
	if f := s.LookUp(ctx, o); f.State != providers.Unclear || f.Outcome.Kind != providers.Unknown || f.Outcome.Code != "broken_connection" {
		t.Errorf("%+v", f)
	}
	s = scripted(t, nil, cut)
	if out := s.Issue(ctx, o); out.Kind != providers.Unknown {
		t.Errorf("%v", out)
	}
	s = scripted(t, nil, cut)
	o.Ref = "R1"
	if out := s.RefundCount(ctx, o, 1); out.Kind != providers.Unknown {
		t.Errorf("%v", out)
	}
}
