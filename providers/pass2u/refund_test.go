package pass2u_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"issuance/providers"
	"issuance/providers/pass2u"
	"issuance/providers/pass2u/pass2usim"
)

// issued is an order that the simulator has.
func issued(t *testing.T, s stage, id string, n int, pickup string) providers.Order {
	t.Helper()
	o := order(id, n, pickup)
	out := s.Issue(ctx, o)
	if out.Kind != providers.Done {
		t.Fatal(out)
	}
	o.Ref = out.Result.Ref
	s.rec.calls()
	return o
}

func TestABaselineCountsWhatIsRefundedAndWhatCanBe(t *testing.T) {
	s, sim := simulated(t, pass2usim.Config{}, nil)
	o := issued(t, s, "P1", 7, "voucher")
	for _, err := range []error{sim.Redeem("P1", 1), sim.Expire("P1", 1), sim.PickUp("P1", 2)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if out := s.RefundCount(ctx, o, 2); out.Kind != providers.Done || out.Result.Ref != o.Ref || out.Result.Tickets != nil {
		t.Fatal(out)
	}
	b, out := s.RefundBaseline(ctx, o)
	if want := (providers.Baseline{Provable: true, Total: 7, Refunded: 2, Refundable: 3, RefundedAt: b.RefundedAt}); !reflect.DeepEqual(b, want) || len(b.RefundedAt) != 2 || out.Kind != providers.Done || out.Result.Ref != o.Ref {
		t.Errorf("%+v %v", b, out)
	}
}

func TestAnOrderTypeBaselineProvesNothing(t *testing.T) {
	s, _ := simulated(t, pass2usim.Config{}, nil)
	o := issued(t, s, "P1", 3, "order")
	b, out := s.RefundBaseline(ctx, o)
	if !reflect.DeepEqual(counts(b), providers.Baseline{}) || out.Kind != providers.Done || out.Result.Ref != o.Ref {
		t.Errorf("%+v %v", b, out)
	}
	if calls := s.rec.calls(); len(calls) != 1 || !json.Valid([]byte(calls[0].body)) || calls[0].path != base+"/query" {
		t.Errorf("%v", calls)
	}
	if out := s.RefundCount(ctx, o, 3); out.Kind != providers.Done {
		t.Errorf("%v", out)
	}
}

// Whether an order of pickupType "order" shows its vouchers when it is asked for as one of vouchers, the document leaves open.
// Where it does, that is the proof; whatever else comes, it is as if it had not been asked for.
func TestAnOrderTypeBaselineProvesWhatItsVouchersShow(t *testing.T) {
	s, _ := simulated(t, pass2usim.Config{PagesShowVouchers: true}, nil)
	o := issued(t, s, "P1", 3, "order")
	if out := s.RefundCount(ctx, o, 2); out.Kind != providers.Done {
		t.Fatal(out)
	}
	if b, out := s.RefundBaseline(ctx, o); !reflect.DeepEqual(counts(b), providers.Baseline{Provable: true, Total: 3, Refunded: 2, Refundable: 1}) || out.Kind != providers.Done {
		t.Errorf("%+v %v", b, out)
	}
	page := shown(fields{"orderUrl": "http://x.invalid/o", "orderPasscode": "1"}, 0)
	for name, replies := range map[string][]reply{
		"its page":           {{200, page}},
		"an order of none":   {{200, shown(nil, 0)}},
		"one voucher of two": {{200, shown(nil, 1)}},
		"a rejection":        {{400, refusal(pass2usim.MsgPickupFormat)}, {200, page}},
		"an error":           {{500, refusal(pass2usim.MsgOops)}, {200, page}},
		"an unknown text":    {{422, refusal("Not A Voucher Order.")}, {200, page}},
		"a page of HTML":     {{500, "<html>"}, {200, page}},
	} {
		s := scripted(t, nil, replies...)
		if b, out := s.RefundBaseline(ctx, order("A", 2, "order")); !reflect.DeepEqual(b, providers.Baseline{}) || out.Kind != providers.Done || out.Result.Ref != "R1" {
			t.Errorf("%s: %+v %v", name, b, out)
		}
	}
}

// A query that leaves tickets out must not pass for proof that nothing was refunded.
func TestABaselineThatDoesNotShowEveryTicketProvesNothing(t *testing.T) {
	o := order("P1", 3, "voucher")
	s := scripted(t, nil, reply{200, yes("P1", "notPickedup", "notPickedup")}, reply{200, yes("P1")}, reply{200, yes("P2", "refund", "refund", "refund")},
		reply{400, refusal(pass2usim.MsgOrderUnknown)}, reply{500, refusal(pass2usim.MsgOops)}, reply{200, yes("P1", "refund", "onLoan", "redeemed")})
	if b, out := s.RefundBaseline(ctx, o); b.Provable || out.Kind != providers.Done || b.Total != 2 {
		t.Errorf("%+v %v", b, out)
	}
	for _, want := range []struct {
		kind providers.Kind
		code string
	}{
		{providers.Unknown, pass2u.CodeNoVouchers}, {providers.Unknown, pass2u.CodeUnauthentic},
		{providers.Rejected, pass2u.CodeOrderUnknown}, {providers.Unknown, pass2u.CodeOops},
	} {
		if b, out := s.RefundBaseline(ctx, o); !reflect.DeepEqual(counts(b), providers.Baseline{}) || out.Kind != want.kind || out.Code != want.code {
			t.Errorf("%+v %v, want %v", b, out, want)
		}
	}
	if b, out := s.RefundBaseline(ctx, o); !reflect.DeepEqual(counts(b), providers.Baseline{Total: 3, Refunded: 1}) || out.Kind != providers.Done {
		t.Errorf("a ticket in a status nobody documents may be about to be refunded: %+v %v", b, out)
	}
}

// Whatever happens to the answer, a refund is sent once, and the next baseline shows the truth.
func TestNoMisbehaviourMakesARefundCallTwice(t *testing.T) {
	for _, tc := range []struct {
		name     string
		fault    pass2usim.Fault
		code     string
		refunded int
	}{
		{"lost answer", pass2usim.LoseAnswer, "broken_connection", 2},
		{"5xx before", pass2usim.Error5xxBefore, "http_502", 0},
		{"5xx after", pass2usim.Error5xxAfter, "http_502", 2},
		{"oops before", pass2usim.OopsBefore, pass2u.CodeOops, 0},
		{"oops after", pass2usim.OopsAfter, pass2u.CodeOops, 2},
		{"garbage", pass2usim.Garbage, pass2u.CodeUnreadable, 2},
		{"403", pass2usim.Ban403, "http_403", 0},
	} {
		for _, status := range []int{200, 400} {
			t.Run(tc.name, func(t *testing.T) {
				s, sim := simulated(t, pass2usim.Config{ErrorStatus: status, BanFor: 1}, nil)
				o := issued(t, s, "P1", 5, "voucher")
				sim.SetFault(func(c pass2usim.Call) pass2usim.Fault {
					if c.Op == pass2usim.Refund {
						return tc.fault
					}
					return pass2usim.None
				})
				if out := s.RefundCount(ctx, o, 2); out.Kind != providers.Unknown || out.Code != tc.code || out.Result != nil {
					t.Errorf("%v", out)
				}
				if got := s.rec.paths(); !cmp.Equal(got, []string{"/refund"}) {
					t.Errorf("%v", got)
				}
				if b, out := s.RefundBaseline(ctx, o); !b.Provable || b.Refunded != tc.refunded {
					t.Errorf("%+v %v", b, out)
				}
			})
		}
	}
}

func TestTooFewRefundableTicketsIsADefiniteRejection(t *testing.T) {
	for _, status := range []int{200, 400, 500} {
		s, sim := simulated(t, pass2usim.Config{ErrorStatus: status}, nil)
		o := issued(t, s, "P1", 2, "voucher")
		if out := s.RefundCount(ctx, o, 3); out.Kind != providers.Rejected || out.Code != "refundable_quantity_not_enough" {
			t.Errorf("%v", out)
		}
		if b, _ := sim.Order("P1"); b.Refunded() != 0 || b.Calls[pass2usim.Refund] != 1 {
			t.Errorf("%+v", b)
		}
	}
}

// spelled are the keys in which the refunds so far said how many.
func spelled(t *testing.T, s stage) (keys []string) {
	t.Helper()
	for _, c := range s.rec.calls() {
		var m map[string]any
		if err := json.Unmarshal([]byte(c.body), &m); err != nil {
			t.Fatal(err)
		}
		for _, k := range []string{"quantity", "quanity"} {
			if m[k] != nil {
				keys = append(keys, k)
			}
		}
	}
	return keys
}

// A rejection of the spelling does not prove that nothing was refunded, so whoever sends the other one looks first.
func TestARejectionOfTheSpellingIsNotFollowedByAnotherRequest(t *testing.T) {
	for _, c := range []struct{ configured, taken string }{{"", "quanity"}, {"quantity", "quanity"}, {"quanity", "quantity"}} {
		s, sim := simulated(t, pass2usim.Config{RefundQuantityKey: c.taken}, func(p *pass2u.Config) { p.RefundQuantityKey = c.configured })
		o := issued(t, s, "P1", 5, "voucher")
		if out := s.RefundCount(ctx, o, 2); out.Kind != providers.Rejected || out.Code != pass2u.CodeQuantityFormat || !s.Respells(out.Code) {
			t.Fatalf("%v", out)
		}
		if got := spelled(t, s); len(got) != 1 || got[0] == c.taken {
			t.Errorf("%q", got)
		}
		if out := s.RefundCountRespelled(ctx, o, 2); out.Kind != providers.Done {
			t.Fatalf("%v", out)
		}
		// What was accepted is kept, and a rejection of it is no reason to change it.
		if out := s.RefundCount(ctx, o, 2); out.Kind != providers.Done || s.Respells(pass2u.CodeQuantityFormat) {
			t.Errorf("%v", out)
		}
		if got := spelled(t, s); !cmp.Equal(got, []string{c.taken, c.taken}) {
			t.Errorf("%q", got)
		}
		if b, _ := sim.Order("P1"); !cmp.Equal(b.Refunds, []int{2, 2}) {
			t.Errorf("%v", b.Refunds)
		}
	}
}

func TestOnlyAnAnswerThatHasReadTheNumberKeepsItsSpelling(t *testing.T) {
	o := order("P1", 3, "voucher")
	o.Ref = "R1"
	for body, kept := range map[string]bool{
		refusal(pass2usim.MsgQuantityFormat): false, "": false, refusal(pass2usim.MsgOops): false, refusal(pass2usim.MsgSaleUnknown): false,
		refusal(pass2usim.MsgRefundableTooFew): true, yes("P1", "refund"): true,
	} {
		s := scripted(t, nil, reply{200, body})
		s.RefundCount(ctx, o, 1)
		if s.Respells(pass2u.CodeQuantityFormat) == kept || s.Respells(pass2u.CodeRefundableNotEnough) {
			t.Errorf("%s: its spelling is kept: %t", body, !kept)
		}
	}
	s := scripted(t, func(c *pass2u.Config) { c.RefundQuantityKey = "quanity" }, reply{200, `{"message":"quantity format error?"}`})
	if out := s.RefundCount(ctx, o, 1); out.Kind != providers.Unknown { // not that message
		t.Errorf("%v", out)
	}
}

// The key, or this machine's address, may have been refused on the way back: nothing but a look shows that nothing was refunded.
func TestARefundIsInDoubtWhereItsCredentialsAreRefused(t *testing.T) {
	o := order("P1", 3, "voucher")
	o.Ref = "R1"
	for _, r := range []reply{{401, "<html>"}, {401, `{"message":"Unauthorized"}`}, {403, `{"message":"Invalid API key."}`}} {
		s := scripted(t, nil, r, r)
		if out := s.RefundCount(ctx, o, 1); out.Kind != providers.Unknown || out.Code != pass2u.CodeCredentials || !out.Alarm || out.RetryAfter == 0 {
			t.Errorf("%d: %+v", r.status, out)
		}
		if _, out := s.RefundBaseline(ctx, o); out.Kind != providers.Held {
			t.Errorf("%d: %+v", r.status, out)
		}
	}
}

func TestARefundAsksForPass2uIdWhereItIsNotKnown(t *testing.T) {
	s, sim := simulated(t, pass2usim.Config{}, nil)
	o := issued(t, s, "P1", 2, "voucher")
	ref := o.Ref
	o.Ref = ""
	if out := s.RefundCount(ctx, o, 1); out.Kind != providers.Done {
		t.Fatal(out)
	}
	if got := s.rec.paths(); !cmp.Equal(got, []string{"/query", "/refund"}) {
		t.Errorf("%v", got)
	}
	// An order issued elsewhere is described by the refund document.
	elsewhere := orderOf("P1", map[string]any{"channelOrderId": "P1", "pass2uOrderId": ref, "productSaleId": pass2usim.DefaultCampaign, "pickupType": "voucher", "quantity": 1})
	if b, out := s.RefundBaseline(ctx, elsewhere); !reflect.DeepEqual(counts(b), providers.Baseline{Provable: true, Total: 2, Refunded: 1, Refundable: 1}) {
		t.Errorf("%+v %v", b, out)
	}
	s.rec.calls()
	if out := s.RefundCount(ctx, elsewhere, 1); out.Kind != providers.Done {
		t.Errorf("%v", out)
	}
	if got := s.rec.paths(); !cmp.Equal(got, []string{"/refund"}) {
		t.Errorf("%v", got)
	}
	if b, _ := sim.Order("P1"); b.Refunded() != 2 {
		t.Errorf("%+v", b)
	}
	if out := s.RefundCount(ctx, order("P9", 1, "voucher"), 1); out.Kind != providers.Rejected || out.Code != pass2u.CodeOrderUnknown {
		t.Errorf("%v", out)
	}
}

// Of an order without a record, only its number and its campaign are known: Pass2U shows the rest.
func TestAnOrderIsRefundedByItsNumberAndItsCampaign(t *testing.T) {
	for _, pickup := range []string{"voucher", "order"} {
		t.Run(pickup, func(t *testing.T) {
			s, sim := simulated(t, pass2usim.Config{}, nil)
			issued(t, s, "P1", 3, pickup)
			bare := orderOf("P1", map[string]any{"channelOrderId": "P1", "productSaleId": pass2usim.DefaultCampaign})
			f := s.LookUp(ctx, bare)
			if f.State != providers.FoundIssued || f.Result.Ref == "" || f.Sight == nil || f.Sight.Differs != "" {
				t.Errorf("%+v", f)
			}
			want := providers.Baseline{}
			if pickup == "voucher" {
				want = providers.Baseline{Provable: true, Total: 3, Refundable: 3}
			}
			if b, out := s.RefundBaseline(ctx, bare); out.Kind != providers.Done || !reflect.DeepEqual(b, want) {
				t.Errorf("%+v, %v", b, out)
			}
			s.rec.calls()
			if out := s.RefundCount(ctx, bare, 2); out.Kind != providers.Done {
				t.Errorf("%v", out)
			}
			calls := s.rec.calls()
			if last := calls[len(calls)-1]; !strings.Contains(last.body, `"pickupType":"`+pickup+`"`) || !strings.Contains(last.body, f.Result.Ref) {
				t.Errorf("%s %s", last.path, last.body)
			}
			if b, _ := sim.Order("P1"); b.Refunded() != 2 {
				t.Errorf("%+v", b)
			}
		})
	}
}

// The documents do not say how a question by the other pickupType is answered: it is asked by both before the order
// is called absent.
func TestAnOrderIsAbsentOnlyByBothPickupTypes(t *testing.T) {
	bare := orderOf("P1", map[string]any{"channelOrderId": "P1", "productSaleId": pass2usim.DefaultCampaign})
	page := `{"pass2uOrderId":"R1","productSaleId":"` + pass2usim.DefaultCampaign + `","channelOrderId":"P1","orderUrl":"http://x.invalid/o","orderPasscode":"9005445"}`
	for _, tc := range []struct {
		first, second reply
		want          providers.FindingState
	}{
		{reply{400, refusal("channelOrderId Does Not Exist")}, reply{200, page}, providers.FoundIssued},
		{reply{400, refusal("pickupType Format Error.")}, reply{200, page}, providers.FoundIssued},
		{reply{400, refusal("channelOrderId Does Not Exist")}, reply{400, refusal("channelOrderId Does Not Exist")}, providers.Absent},
		{reply{400, refusal("channelOrderId Does Not Exist")}, reply{400, refusal("pickupType Format Error.")}, providers.Unclear},
		{reply{400, refusal("channelOrderId Does Not Exist")}, reply{500, ""}, providers.Unclear},
	} {
		s := scripted(t, nil, tc.first, tc.second)
		if f := s.LookUp(ctx, bare); f.State != tc.want {
			t.Errorf("%s, then %s: %+v", tc.first.body, tc.second.body, f)
		}
	}
	s := scripted(t, nil, reply{400, refusal("productSaleId Does Not Exist.")})
	if f := s.LookUp(ctx, bare); f.State != providers.Unclear {
		t.Errorf("%+v", f)
	}
}

// While only the question for the id is in doubt, no refund has been sent.
func TestAnUnclearQuestionBeforeARefundIsNotSent(t *testing.T) {
	for _, r := range []reply{{500, ""}, {200, yes("P2", "notPickedup")}} {
		s := scripted(t, nil, r)
		if out := s.RefundCount(ctx, order("P1", 1, "voucher"), 1); out.Kind != providers.NotSent {
			t.Errorf("%v", out)
		}
	}
}

func TestARefundAnswerAboutAnotherOrderIsUnknown(t *testing.T) {
	o := order("P1", 1, "voucher")
	o.Ref = "R1"
	s := scripted(t, nil, reply{200, yes("P2", "refund")}, reply{200, yes("P1", "refund")})
	if out := s.RefundCount(ctx, o, 1); out.Kind != providers.Unknown || out.Code != pass2u.CodeUnauthentic {
		t.Errorf("%v", out)
	}
	if out := s.RefundCount(ctx, o, 0); out.Kind != providers.Rejected || out.Code != pass2u.CodeInvalid {
		t.Errorf("%v", out)
	}
	if out := s.RefundCount(ctx, o, 1); out.Kind != providers.Done {
		t.Errorf("%v", out)
	}
}

// counts is a baseline without its times.
func counts(b providers.Baseline) providers.Baseline {
	b.RefundedAt = nil
	return b
}
