package ecticket_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"issuance/providers"
	"issuance/providers/ecticket"
)

// once answers every call with d.
func once(t *testing.T, d any) (*ecticket.Client, *server) {
	s := listen(t, func(w http.ResponseWriter, r *http.Request, _ int, _ asked) { say(d)(w, r) })
	return client(t, s.URL), s
}

func TestAnAnswerAboutAnotherOrderIsNotBelieved(t *testing.T) {
	for _, c := range []struct {
		ids     data
		differs bool
	}{
		{data{}, false},
		{data{"MerchantTradeNo": "CBX20220302153064851", "FreeTradeNo": ""}, false},
		{data{"MerchantTradeNo": "CBX20220302153064851", "FreeTradeNo": nil}, false},
		{data{"MerchantTradeNo": "CBX20220302153064852"}, true},
		{data{"MerchantTradeNo": "cbx20220302153064851"}, true}, // the checksum does not distinguish them
		{data{"FreeTradeNo": "F1"}, true},
		{data{"MerchantTradeNo": "CBX20220302153064851", "FreeTradeNo": "F1"}, true},
	} {
		for _, code := range []int{1, 5} { // another order's rejection is no better than its confirmation
			d := with("RtnCode", code)
			for k, v := range c.ids {
				d[k] = v
			}
			cl, _ := once(t, d)
			_, tickets := cl.Tickets(t.Context(), order)
			for _, out := range []providers.Outcome{cl.Issue(t.Context(), order), cl.LookUp(t.Context(), order).Outcome, tickets} {
				if got := out.Code == "unauthentic_answer" && out.Kind == providers.Unknown; got != c.differs {
					t.Errorf("%v with RtnCode %d: %+v, want another order's %t", c.ids, code, out, c.differs)
				}
			}
		}
	}
	cl, _ := once(t, with("FreeTradeNo", "F1"))
	if out := cl.Issue(t.Context(), giftOrder); out.Kind != providers.Accepted {
		t.Errorf("a gift order's own number: %+v", out)
	}
	cl, _ = once(t, with("MerchantTradeNo", "F1"))
	if out := cl.Issue(t.Context(), giftOrder); out.Code != "unauthentic_answer" {
		t.Errorf("a gift order's number as MerchantTradeNo: %+v", out)
	}
	cl, _ = once(t, with("TicketNo", "OTHER"))
	if out := cl.RefundTicket(t.Context(), providers.TicketRefund{TicketNo: "T1", Operator: "Op"}); out.Code != "unauthentic_answer" {
		t.Errorf("another ticket's refund: %+v", out)
	}
	cl, _ = once(t, with("WriteOffNo", "leu4loisz9tdtwatxl"))
	if _, out := cl.StatusByWriteOffNo(t.Context(), "LEU4loiSZ9TDTWAtxL"); out.Code != "unauthentic_answer" {
		t.Errorf("another redemption code: %+v", out)
	}
}

func TestIssueIsOnlyEverAccepted(t *testing.T) {
	for _, o := range []providers.Order{order, serialOrder, giftOrder} { // paper too: the answer proves nothing
		c, s := once(t, yes())
		out := c.Issue(t.Context(), o)
		if out.Kind != providers.Accepted || out.Result == nil || out.Result.Ref != "2022030215301234" {
			t.Errorf("%s: %+v", o.ID, out)
		}
		if n := len(s.calls()); n != 1 {
			t.Errorf("%d calls", n)
		}
	}
}

func TestIssueSendsTheDocumentAndNothingElse(t *testing.T) {
	c, s := once(t, yes())
	c.Issue(t.Context(), order)
	var got, want map[string]any
	if err := json.Unmarshal(s.calls()[0].plain, &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(order.Request, &want); err != nil {
		t.Fatal(err)
	}
	want["MerchantID"] = merchant
	if !reflect.DeepEqual(got, want) {
		t.Errorf("sent %v, want %v", got, want)
	}
}

func TestADocumentOfAnotherOrderIsNotSent(t *testing.T) {
	c, s := once(t, yes())
	for _, o := range []providers.Order{
		{}, {ID: "X"}, {ID: "X", Request: order.Request}, {ID: order.ID, Request: json.RawMessage(`[]`)}, {ID: order.ID, Request: json.RawMessage(`{}`)},
		{Request: json.RawMessage(`{}`)},
	} {
		if out := c.Issue(t.Context(), o); out.Kind != providers.Rejected || out.Code != "invalid_document" {
			t.Errorf("Issue %q: %+v", o.ID, out)
		}
		if o.ID == "X" && o.Request == nil {
			continue // a number alone can be looked up
		}
		if f := c.LookUp(t.Context(), o); f.State != providers.Unclear || !f.Outcome.Alarm {
			t.Errorf("LookUp %q: %+v", o.ID, f)
		}
		if _, out := c.Tickets(t.Context(), o); out.Kind != providers.Unknown || !out.Alarm {
			t.Errorf("Tickets %q: %+v", o.ID, out)
		}
	}
	if n := len(s.calls()); n != 0 {
		t.Errorf("%d calls were made", n)
	}
}

func TestWhatALookUpLearns(t *testing.T) {
	for _, c := range []struct {
		answer data
		state  providers.FindingState
		kind   providers.Kind
		code   string
		says   string
	}{
		{data{"RtnCode": 1, "Status": 1}, providers.FoundIssued, providers.Done, "1", ""},
		{data{"RtnCode": 1, "Status": "1"}, providers.FoundIssued, providers.Done, "1", ""},
		{data{"RtnCode": 1, "Status": 3}, providers.FoundPending, providers.Accepted, "1", ""},
		{data{"RtnCode": 1, "Status": 2, "Remark": "no stock"}, providers.FoundFailed, providers.Rejected, "status_2", "no stock"},
		{data{"RtnCode": 1, "Status": 2}, providers.FoundFailed, providers.Rejected, "status_2", "no reason"},
		{data{"RtnCode": 1, "Status": 0}, providers.Unclear, providers.Unknown, "status_0", ""},
		{data{"RtnCode": 1, "Status": 4}, providers.Unclear, providers.Unknown, "status_4", ""},
		{data{"RtnCode": 1}, providers.Unclear, providers.Unknown, "status_missing", ""},
		{data{"RtnCode": 1, "Status": nil}, providers.Unclear, providers.Unknown, "status_missing", ""},
		{data{"RtnCode": 1, "Status": "issued"}, providers.Unclear, providers.Unknown, "unreadable", ""},
		{data{"RtnCode": 7, "RtnMsg": "no such order", "Status": 1}, providers.Absent, providers.Rejected, "7", "no such order"},
		{data{"RtnCode": 0}, providers.Absent, providers.Rejected, "0", ""},
		{data{"RtnCode": 10200073}, providers.Unclear, providers.Held, "10200073", ""},
	} {
		cl, s := once(t, c.answer)
		f := cl.LookUp(t.Context(), order)
		if f.State != c.state || f.Outcome.Kind != c.kind || f.Outcome.Code != c.code || !strings.Contains(f.Outcome.Message, c.says) {
			t.Errorf("%v: %+v", c.answer, f)
		}
		want := 1
		if c.state == providers.FoundFailed {
			want = 2 // the order is asked for, too
		}
		if n := len(s.calls()); n != want {
			t.Errorf("%d calls", n)
		}
	}
	cl, _ := once(t, data{"RtnCode": 1, "Status": 1, "TicketTradeNo": 2022030215301234})
	if f := cl.LookUp(t.Context(), order); f.Result == nil || f.Result.Ref != "2022030215301234" {
		t.Errorf("TicketTradeNo is lost: %+v", f)
	}
}

func TestALookUpAsksForExactlyOneNumber(t *testing.T) {
	c, s := once(t, yes())
	c.LookUp(t.Context(), order)
	c.LookUp(t.Context(), giftOrder)
	c.LookUp(t.Context(), providers.Order{ID: "X1"})
	c.LookUp(t.Context(), providers.Order{ID: "F2", Request: json.RawMessage(`{"FreeTradeNo":"F2","MerchantTradeNo":"","all":true}`)})
	for i, want := range []string{
		`{"MerchantID":"2000132","MerchantTradeNo":"CBX20220302153064851"}`, `{"MerchantID":"2000132","FreeTradeNo":"F1"}`,
		`{"MerchantID":"2000132","MerchantTradeNo":"X1"}`, `{"MerchantID":"2000132","FreeTradeNo":"F2"}`,
	} {
		if got := string(s.calls()[i].plain); got != want {
			t.Errorf("asked %s, want %s", got, want)
		}
	}
}

func TestAMerchantsOwnCodeListDecides(t *testing.T) {
	for code, c := range map[string]struct {
		means  ecticket.Meaning
		issue  providers.Kind
		lookUp providers.FindingState
	}{
		"100": {ecticket.MeansUnknown, providers.Unknown, providers.Unclear}, "101": {ecticket.MeansNotSent, providers.NotSent, providers.Unclear},
		"102": {ecticket.MeansHeld, providers.Held, providers.Unclear}, "10200073": {ecticket.MeansRejected, providers.Rejected, providers.Absent},
		"103": {ecticket.MeansExists, providers.Unknown, providers.Unclear}, "104": {ecticket.MeansNotFound, providers.Rejected, providers.Absent},
	} {
		s := listen(t, func(w http.ResponseWriter, r *http.Request, _ int, _ asked) {
			authentic(w, fmt.Sprintf(`{"RtnCode":%s,"RtnMsg":"busy"}`, code))
		})
		cl := client(t, s.URL, func(cfg *ecticket.Config) { cfg.Codes = map[string]ecticket.Meaning{code: c.means} })
		out := cl.Issue(t.Context(), order)
		if out.Kind != c.issue || out.Code != code || out.Exists != (c.means == ecticket.MeansExists) || out.Alarm != (c.issue == providers.Held) {
			t.Errorf("Issue with %s: %+v", c.means, out)
		}
		// A code that is not a business rejection says nothing about the order.
		if f := cl.LookUp(t.Context(), order); f.State != c.lookUp || f.Outcome.Kind != c.issue || f.Outcome.Exists {
			t.Errorf("LookUp with %s: %+v", c.means, f)
		}
	}
}

// Where it is known which code means "no such order", another rejection of the question is not taken
// for absence: the order may be there.
func TestOnlyTheKnownCodeProvesAbsence(t *testing.T) {
	codes, err := ecticket.ParseCodes("not_found=991006")
	if err != nil {
		t.Fatal(err)
	}
	for code, want := range map[int]providers.FindingState{991006: providers.Absent, 991007: providers.Unclear} {
		s := listen(t, func(w http.ResponseWriter, r *http.Request, _ int, _ asked) {
			authentic(w, data{"RtnCode": code, "RtnMsg": "no"})
		})
		cl := client(t, s.URL, func(cfg *ecticket.Config) { cfg.Codes = codes })
		if f := cl.LookUp(t.Context(), order); f.State != want || f.State == providers.Unclear && f.Outcome.Kind != providers.Unknown {
			t.Errorf("%d: %+v", code, f)
		}
		if out := cl.Issue(t.Context(), order); out.Kind != providers.Rejected {
			t.Errorf("%d: %+v", code, out)
		}
	}
}

func TestOnlySerialNumbersHaveToBeFetched(t *testing.T) {
	c := client(t, "http://localhost")
	for _, w := range []struct {
		o     providers.Order
		need  bool
		count int
	}{{order, false, 2}, {serialOrder, true, 6}, {giftOrder, false, 3}, {providers.Order{ID: "X"}, false, 0}} {
		if need, count := c.NeedsTickets(w.o); need != w.need || count != w.count {
			t.Errorf("%s: %t, %d", w.o.ID, need, count)
		}
	}
}
