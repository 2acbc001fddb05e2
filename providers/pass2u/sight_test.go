package pass2u_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"issuance/providers"
	"issuance/providers/pass2u"
	"issuance/providers/pass2u/pass2usim"
)

type fields = map[string]any

// shown is an answer for order("A", 2, pickup) with changes.
func shown(change fields, n int) string {
	f := fields{"pass2uOrderId": "R1", "productSaleId": pass2usim.DefaultCampaign, "channelOrderId": "A", "createdTime": "2026-03-01T12:00:07+08:00"}
	var list []any
	for i := range n {
		list = append(list, fields{"barcodeMessage": fmt.Sprint("B", i), "status": "notPickedup", "voucherUrl": "http://x.invalid/v"})
	}
	if n > 0 {
		f["vouchers"] = list
	}
	maps.Copy(f, change)
	b, err := json.Marshal(f)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestWhatAnOrderShowsIsComparedWithTheRequest(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 7, 0, providers.Taiwan)
	page := fields{"orderUrl": "http://x.invalid/o", "orderPasscode": "1"}
	with := func(f fields, more fields) fields { f = maps.Clone(f); maps.Copy(f, more); return f }
	for _, tc := range []struct {
		name, pickup, body string
		state              providers.FindingState
		sight              providers.Sight
	}{
		{"ours", "voucher", shown(nil, 2), providers.FoundIssued, providers.Sight{CreatedAt: at, Precision: time.Second}},
		{"no time", "voucher", shown(fields{"createdTime": nil}, 2), providers.FoundIssued, providers.Sight{}},
		{"a time without seconds or zone", "voucher", shown(fields{"createdTime": "2026-03-01 12:00"}, 2), providers.FoundIssued,
			providers.Sight{CreatedAt: at.Truncate(time.Minute), Precision: time.Minute}},
		{"one voucher of two", "voucher", shown(nil, 1), providers.FoundPending, providers.Sight{CreatedAt: at, Precision: time.Second, Partial: true}},
		{"no voucher", "voucher", shown(nil, 0), providers.FoundPending, providers.Sight{CreatedAt: at, Precision: time.Second, Partial: true}},
		{"three vouchers of two", "voucher", shown(nil, 3), providers.Unclear, providers.Sight{CreatedAt: at, Precision: time.Second, Differs: "quantity"}},
		{"another quantity", "voucher", shown(fields{"quantity": 1}, 1), providers.Unclear, providers.Sight{CreatedAt: at, Precision: time.Second, Differs: "quantity"}},
		{"another campaign", "voucher", shown(fields{"productSaleId": "other"}, 2), providers.Unclear, providers.Sight{CreatedAt: at, Precision: time.Second, Differs: "productSaleId"}},
		{"another pickupType", "voucher", shown(page, 0), providers.Unclear, providers.Sight{CreatedAt: at, Precision: time.Second, Differs: "pickupType"}},
		{"ours, by order", "order", shown(page, 0), providers.FoundIssued, providers.Sight{CreatedAt: at, Precision: time.Second}},
		{"another quantity, by order", "order", shown(with(page, fields{"quantity": 3}), 0), providers.Unclear, providers.Sight{CreatedAt: at, Precision: time.Second, Differs: "quantity"}},
		{"vouchers instead of a page", "order", shown(nil, 2), providers.Unclear, providers.Sight{CreatedAt: at, Precision: time.Second, Differs: "pickupType"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := scripted(t, nil, reply{200, tc.body}).LookUp(ctx, order("A", 2, tc.pickup))
			if f.State != tc.state || f.Sight == nil {
				t.Fatalf("%+v", f)
			}
			got := *f.Sight
			if !got.CreatedAt.Equal(tc.sight.CreatedAt) || got.Precision != tc.sight.Precision || got.Differs != tc.sight.Differs || got.Partial != tc.sight.Partial {
				t.Errorf("%+v, want %+v", got, tc.sight)
			}
			if (f.Result == nil) != (f.State == providers.Unclear) {
				t.Errorf("a finding %s with result %v", f.State, f.Result)
			}
		})
	}
	if f := scripted(t, nil, reply{200, shown(fields{"channelOrderId": "B"}, 2)}).LookUp(ctx, order("A", 2, "voucher")); f.State != providers.Unclear || f.Sight != nil {
		t.Errorf("an answer about another number: %+v", f)
	}
	if f := scripted(t, nil, reply{400, refusal("channelOrderId Does Not Exist")}).LookUp(ctx, order("A", 2, "voucher")); f.State != providers.Absent || f.Assumed || f.Sight != nil {
		t.Errorf("%+v", f)
	}
}

// The document gives no clock but the answers' own header.
func TestThePass2UClockIsReadFromItsAnswers(t *testing.T) {
	ours := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	theirs, body, status := ours.Add(4*time.Minute), shown(nil, 2), 200
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", theirs.Format(http.TimeFormat))
		w.WriteHeader(status)
		io.WriteString(w, body)
	}), func(c *pass2u.Config) { c.Now = func() time.Time { return ours } })
	if s.Skew().Answers != 0 {
		t.Error("a skew is known before the first answer")
	}
	body, status = "<html>Bad Gateway</html>", 502
	s.LookUp(ctx, order("A", 2, "voucher"))
	if s.Skew().Answers != 0 {
		t.Error("a proxy's page is taken for Pass2U")
	}
	body, status = shown(nil, 2), 200
	s.LookUp(ctx, order("A", 2, "voucher"))
	if got := s.Skew(); got.Ahead != 4*time.Minute || got.Answers != 1 {
		t.Errorf("%+v", got)
	}
}

// odd are values that a field may have besides the documented one.
var odd = []any{nil, "", "text", 0, 7, 1.5, true, []any{}, []any{1}, fields{}, fields{"a": 1}}

func TestWhatDecidesNothingMayBeAnything(t *testing.T) {
	for _, name := range []string{"expriationDate", "expirationDate", "createdTime", "mailTo", "orderUrl", "orderPasscode", "unheard"} {
		for _, value := range odd {
			body := shown(fields{name: value}, 2)
			if f := scripted(t, nil, reply{200, body}).LookUp(ctx, order("A", 2, "voucher")); f.State != providers.FoundIssued {
				t.Errorf("%s = %v: %+v", name, value, f)
			}
			if out := scripted(t, nil, reply{200, body}).Issue(ctx, order("A", 2, "voucher")); out.Kind != providers.Done {
				t.Errorf("%s = %v: %+v", name, value, out)
			}
		}
	}
	page := fields{"orderUrl": "http://x.invalid/o", "orderPasscode": 9005445}
	for _, list := range append([]any{"none"}, odd...) {
		page["vouchers"] = list
		if f := scripted(t, nil, reply{200, shown(page, 0)}).LookUp(ctx, order("A", 2, "order")); f.State != providers.FoundIssued {
			t.Errorf("vouchers = %v: %+v", list, f)
		}
	}
	for _, around := range [][2]string{{"\ufeff", ""}, {"\n\ufeff ", "\r\n"}, {"", "\ufeff"}, {"\ufeff\ufeff", " "}} {
		if f := scripted(t, nil, reply{200, around[0] + shown(nil, 2) + around[1]}).LookUp(ctx, order("A", 2, "voucher")); f.State != providers.FoundIssued {
			t.Errorf("around %q: %+v", around, f)
		}
	}
}

// An id must be one, and a complaint is a complaint however it is written.
func TestWhatDecidesMustBeAsDocumented(t *testing.T) {
	for _, name := range []string{"pass2uOrderId", "channelOrderId", "productSaleId"} {
		for _, value := range []any{nil, "", true, []any{1}, fields{}, fields{"a": 1}} {
			if out := scripted(t, nil, reply{200, shown(fields{name: value}, 2)}).Issue(ctx, order("A", 2, "voucher")); out.Kind != providers.Unknown {
				t.Errorf("%s = %v: %+v", name, value, out)
			}
		}
	}
	for _, message := range []any{"no", 5, true, []any{"no"}, fields{"text": "no"}} {
		if out := scripted(t, nil, reply{200, shown(fields{"message": message}, 2)}).Issue(ctx, order("A", 2, "voucher")); out.Kind != providers.Unknown {
			t.Errorf("message = %v: %+v", message, out)
		}
	}
	for _, message := range []any{nil, "", "ok", fields{}, []any{}, false} {
		if out := scripted(t, nil, reply{200, shown(fields{"message": message}, 2)}).Issue(ctx, order("A", 2, "voucher")); out.Kind != providers.Done {
			t.Errorf("message = %v: %+v", message, out)
		}
	}
}

// A provider that is overloaded is heard whatever was asked, and nobody takes its answer for "nothing
// happened": no document says so.
func TestEveryCallHearsWhenToComeBack(t *testing.T) {
	now := time.Now().Truncate(time.Second).UTC()
	for _, status := range []int{429, 503} {
		for _, form := range []string{"90", now.Add(90 * time.Second).Format(http.TimeFormat)} {
			s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", now.Format(http.TimeFormat))
				w.Header().Set("Retry-After", form)
				w.WriteHeader(status)
			}), nil)
			o := order("A", 2, "voucher")
			o.Ref = "R1"
			_, asked := s.RefundBaseline(ctx, o)
			for name, out := range map[string]providers.Outcome{"issue": s.Issue(ctx, o), "refund": s.RefundCount(ctx, o, 1)} {
				if out.RetryAfter != 90*time.Second || out.Kind != providers.Unknown {
					t.Errorf("HTTP %d, %s: %+v", status, name, out)
				}
			}
			for name, out := range map[string]providers.Outcome{"look-up": s.LookUp(ctx, o).Outcome, "count": asked} {
				if out.RetryAfter != 90*time.Second || out.Kind != providers.Unknown && out.Kind != providers.Held {
					t.Errorf("HTTP %d, %s: %+v", status, name, out)
				}
			}
		}
	}
}

// An order that is mailed to somebody else is somebody else's. One that shows no address, a masked one or another spelling may
// be ours.
func TestAnOrderThatIsMailedToSomebodyElseIsNotOurs(t *testing.T) {
	for shownTo, differs := range map[any]string{nil: "", "": "", "holder@mail.example": "", " Holder@Mail.EXAMPLE": "", "h*****@mail.example": "", "other@mail.example": "mailTo"} {
		o := order("A", 2, "voucher")
		o.Request = []byte(strings.Replace(string(o.Request), "{", `{"mailTo":"holder@mail.example",`, 1))
		f := scripted(t, nil, reply{200, shown(fields{"mailTo": shownTo}, 2)}).LookUp(ctx, o)
		if f.Sight == nil || f.Sight.Differs != differs {
			t.Errorf("shown %v: %+v", shownTo, f.Sight)
		}
	}
}

// A list that shows each voucher twice is the same list.
func TestAVoucherThatIsListedTwiceIsOne(t *testing.T) {
	var f fields
	if err := json.Unmarshal([]byte(shown(nil, 2)), &f); err != nil {
		t.Fatal(err)
	}
	list := f["vouchers"].([]any)
	twice := shown(fields{"vouchers": append(list, list...)}, 0)
	if f := scripted(t, nil, reply{200, twice}).LookUp(ctx, order("A", 2, "voucher")); f.State != providers.FoundIssued || len(f.Result.Tickets) != 2 {
		t.Errorf("%+v", f)
	}
	if b, out := scripted(t, nil, reply{200, twice}).RefundBaseline(ctx, order("A", 2, "voucher")); out.Kind != providers.Done || !b.Provable || b.Total != 2 || b.Refundable != 2 {
		t.Errorf("%+v, %+v", b, out)
	}
}
