package ecticket_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"issuance/providers"
	"issuance/providers/ecticket"
)

// listed are n tickets of an item.
func listed(n int, item data) (list []any) {
	for i := range n {
		t := data{"TicketNo": "T" + item["id"].(string) + string(rune('0'+i)), "UseStatus": 1}
		for k, v := range item {
			if k != "id" {
				t[k] = v
			}
		}
		list = append(list, t)
	}
	return list
}

func TestWhatAnOrderShowsIsComparedWithTheRequest(t *testing.T) {
	item := func(no string) data {
		return data{"id": no, "ItemNo": no, "ItemName": "百貨公司商品券", "TicketAmount": 200}
	}
	named := func(name string, price int) data { return data{"id": name, "ItemName": name, "TicketAmount": price} }
	serial := append(listed(2, named("五星渡假飯店假日住宿券", 6600)), listed(4, named("SPA課程體驗券(A)", 3200))...)
	spelledOtherwise := append(listed(2, named("五星渡假飯店 假日住宿券", 6600)), listed(4, named("ＳＰＡ課程體驗券（Ａ）", 3200))...)
	at := time.Date(2026, 3, 1, 12, 0, 7, 0, providers.Taiwan)
	for _, tc := range []struct {
		name    string
		order   providers.Order
		answer  data
		differs string
		partial bool
	}{
		{"ours", order, data{"Status": 1, "IssueType": "3", "TotalCount": 2, "TicketList": listed(2, item("VQT04959"))}, "", false},
		{"ours, in lower case", order, data{"Status": 1, "IssueType": 3, "TotalCount": "2", "TicketList": listed(2, item(" vqt04959"))}, "", false},
		{"nothing shown", order, data{}, "", false},
		{"not issued yet", order, data{"Status": 3, "IssueType": "3", "TotalCount": 2, "TicketList": []any{}}, "", false},
		{"not issued yet, and no count", order, data{"Status": 3, "TotalCount": 0, "TicketList": ""}, "", false},
		{"issued, and nothing listed", order, data{"Status": 1, "TotalCount": 0, "TicketList": nil}, "", true},
		{"issued, and one of two listed", order, data{"Status": 1, "TotalCount": 1, "TicketList": listed(1, item("VQT04959"))}, "", true},
		{"a second page", order, data{"Status": 1, "TotalCount": 2, "TicketList": listed(1, item("VQT04959"))}, "", false},
		{"another type", order, data{"Status": 1, "IssueType": "2", "TotalCount": 2}, "IssueType", false},
		{"another item", order, data{"Status": 1, "TotalCount": 2, "TicketList": listed(2, item("VNS21400"))}, "ItemNo", false},
		{"one ticket of another item", order, data{"Status": 1, "TotalCount": 1, "TicketList": listed(1, item("VNS21400"))}, "ItemNo", false},
		{"too many", order, data{"Status": 1, "TotalCount": 3, "TicketList": listed(3, item("VQT04959"))}, "TotalCount", false},
		{"too many listed", order, data{"Status": 1, "TicketList": listed(3, item("VQT04959"))}, "TotalCount", false},
		{"serial", serialOrder, data{"Status": 1, "IssueType": "4", "TotalCount": 6, "TicketList": serial}, "", false},
		{"serial, spelled otherwise", serialOrder, data{"Status": 1, "TotalCount": 6, "TicketList": spelledOtherwise}, "", false},
		{"serial, without prices", serialOrder, data{"Status": 1, "TotalCount": 6, "TicketList": listed(2, data{"id": "A", "ItemName": "五星渡假飯店假日住宿券"})}, "", false},
		{"serial, another name", serialOrder, data{"Status": 1, "TotalCount": 6, "TicketList": listed(2, named("四星渡假飯店假日住宿券", 6600))}, "ItemName", false},
		{"serial, another price", serialOrder, data{"Status": 1, "TotalCount": 6, "TicketList": listed(2, named("五星渡假飯店假日住宿券", 6500))}, "TicketPrice", false},
		{"serial, too many of one", serialOrder, data{"Status": 1, "TotalCount": 6, "TicketList": listed(3, named("五星渡假飯店假日住宿券", 6600))}, "TicketAmount", false},
		{"a stub names no items", providers.Order{ID: "CBX4", Request: json.RawMessage(`{"MerchantTradeNo":"CBX4","IssueType":"4","TicketInfo":[{"TicketAmount":6}]}`)},
			data{"Status": 1, "IssueType": "4", "TotalCount": 6, "TicketList": serial}, "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.answer["RtnCode"], tc.answer["IssueDate"] = 1, "2026/03/01 12:00:07"
			s := listen(t, func(w http.ResponseWriter, _ *http.Request, _ int, _ asked) { authentic(w, tc.answer) })
			got, out := client(t, s.URL).Identify(t.Context(), tc.order)
			want := providers.Sight{CreatedAt: at, Precision: time.Second, Differs: tc.differs, Partial: tc.partial}
			if out.Kind != providers.Done || !got.CreatedAt.Equal(at) || got.Precision != want.Precision || got.Differs != want.Differs || got.Partial != want.Partial {
				t.Errorf("%+v, %+v; want %+v", got, out, want)
			}
		})
	}
}

func TestTheAgeOfAnOrderIsReadInEveryForm(t *testing.T) {
	for raw, want := range map[any]struct {
		at        time.Time
		precision time.Duration
	}{
		"2026/03/01 12:00:07": {time.Date(2026, 3, 1, 12, 0, 7, 0, providers.Taiwan), time.Second},
		"20260301 12:00":      {time.Date(2026, 3, 1, 12, 0, 0, 0, providers.Taiwan), time.Minute},
		"20260301":            {time.Date(2026, 3, 1, 0, 0, 0, 0, providers.Taiwan), 24 * time.Hour},
		20260301:              {time.Date(2026, 3, 1, 0, 0, 0, 0, providers.Taiwan), 24 * time.Hour},
		"":                    {}, "soon": {}, 7: {},
	} {
		s := listen(t, func(w http.ResponseWriter, _ *http.Request, _ int, _ asked) { authentic(w, with("IssueDate", raw)) })
		got, out := client(t, s.URL).Identify(t.Context(), order)
		if out.Kind != providers.Done || !got.CreatedAt.Equal(want.at) || got.Precision != want.precision {
			t.Errorf("%v: %+v, %+v", raw, got, out)
		}
	}
}

// An order that is unknown, or a question that fails, shows nothing.
func TestWhatIsNotAnsweredIsNotSeen(t *testing.T) {
	for _, tc := range []struct {
		answer func(http.ResponseWriter, *http.Request)
		kind   providers.Kind
	}{
		{say(data{"RtnCode": 5}), providers.Rejected}, {page(503), providers.Unknown}, {say(with("MerchantTradeNo", "OTHER")), providers.Unknown},
	} {
		s := listen(t, func(w http.ResponseWriter, r *http.Request, _ int, _ asked) { tc.answer(w, r) })
		if got, out := client(t, s.URL).Identify(t.Context(), order); out.Kind != tc.kind || got != (providers.Sight{}) {
			t.Errorf("%+v, %+v", got, out)
		}
	}
	c := client(t, "http://127.0.0.1:1")
	if _, out := c.Identify(t.Context(), providers.Order{ID: "X", Request: order.Request}); out.Code != "invalid_document" || !out.Alarm {
		t.Errorf("%+v", out)
	}
}

// Where ECPay's code for an unknown number is not known, a rejection may as well mean "busy".
func TestAnAbsenceSaysWhetherItIsAssumed(t *testing.T) {
	s := listen(t, func(w http.ResponseWriter, _ *http.Request, _ int, _ asked) {
		authentic(w, data{"RtnCode": 7, "RtnMsg": "busy"})
	})
	if f := client(t, s.URL).LookUp(t.Context(), order); f.State != providers.Absent || !f.Assumed {
		t.Errorf("without codes: %+v", f)
	}
	codes := func(code string) func(*ecticket.Config) {
		return func(cfg *ecticket.Config) { cfg.Codes = map[string]ecticket.Meaning{code: ecticket.MeansNotFound} }
	}
	if f := client(t, s.URL, codes("7")).LookUp(t.Context(), order); f.State != providers.Absent || f.Assumed {
		t.Errorf("with its code: %+v", f)
	}
	if f := client(t, s.URL, codes("8")).LookUp(t.Context(), order); f.State != providers.Unclear || f.Outcome.Kind != providers.Unknown {
		t.Errorf("with another code: %+v", f)
	}
}
