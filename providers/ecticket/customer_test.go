package ecticket_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"issuance/providers"
)

// The order's customer is 王珊珊, 0912345678, abc@gmail.com. Whether and how ECTicket masks what it shows, its documents leave open.
func TestAnOrderOfAnotherCustomerIsAnother(t *testing.T) {
	for _, c := range []struct {
		name         string
		shown        data
		differs      string
		withoutNames bool
	}{
		{name: "nothing shown", shown: data{}},
		{name: "empty", shown: data{"CustomerName": "", "CustomerPhone": nil, "CustomerEmail": " "}},
		{name: "the same", shown: data{"CustomerName": "王珊珊", "CustomerPhone": "0912345678", "CustomerEmail": "abc@gmail.com"}},
		{name: "the same e-mail, spelled otherwise", shown: data{"CustomerEmail": " ABC@Gmail.com\n"}},
		{name: "the same in full width", shown: data{"CustomerEmail": "ａｂｃ＠gmail.com", "CustomerName": "王 珊珊　"}},
		{name: "the phone with hyphens", shown: data{"CustomerPhone": "0912-345-678"}},
		{name: "the phone from abroad", shown: data{"CustomerPhone": "+886 912 345 678"}},
		{name: "the phone as a number", shown: data{"CustomerPhone": 912345678}},
		{name: "an escaped name", shown: data{"CustomerName": "&#29579;&#29642;&#29642;"}},
		{name: "masked", shown: data{"CustomerName": "王*珊", "CustomerPhone": "0912***678", "CustomerEmail": "a**@gmail.com"}},
		{name: "masked by other signs", shown: data{"CustomerName": "王○○", "CustomerPhone": "09●●●●●678", "CustomerEmail": "a＊＊＊＊＊＊@g****.com"}},
		{name: "hidden", shown: data{"CustomerName": "***", "CustomerPhone": "**********", "CustomerEmail": "*"}},
		{name: "another name", shown: data{"CustomerName": "陳大文"}, differs: "CustomerName"},
		{name: "another phone", shown: data{"CustomerPhone": "0987654321"}, differs: "CustomerPhone"},
		{name: "masked by letters", shown: data{"CustomerName": "王Ｏ珊", "CustomerPhone": "0912xxx678"}},
		{name: "masked by words and lines", shown: data{"CustomerName": "王某某", "CustomerPhone": "0912___678", "CustomerEmail": "a##@gmail.com"}},
		{name: "another family's name behind letters", shown: data{"CustomerName": "李ＸＸ"}, differs: "CustomerName"},
		{name: "another e-mail", shown: data{"CustomerEmail": "abd@gmail.com", "CustomerName": "王珊珊"}, differs: "CustomerEmail"},
		{name: "another masked name", shown: data{"CustomerName": "陳*珊"}, differs: "CustomerName"},
		{name: "another masked phone", shown: data{"CustomerPhone": "0912***679"}, differs: "CustomerPhone"},
		{name: "another masked e-mail", shown: data{"CustomerEmail": "a***@yahoo.com"}, differs: "CustomerEmail"},
		{name: "a name that overlaps itself", shown: data{"CustomerName": "王珊*珊珊"}, differs: "CustomerName"},
		{name: "the order names nobody", shown: data{"CustomerName": "陳大文", "CustomerEmail": "x@y.tw"}, withoutNames: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer := data{"RtnCode": 1, "Status": 1, "IssueType": "3", "TotalCount": 2, "TicketList": listed(2, data{"id": "A", "ItemNo": "VQT04959"})}
			for k, v := range c.shown {
				answer[k] = v
			}
			s := listen(t, func(w http.ResponseWriter, _ *http.Request, _ int, _ asked) { authentic(w, answer) })
			o := order
			if c.withoutNames {
				o.Request = json.RawMessage(`{"MerchantTradeNo":"CBX20220302153064851","IssueType":"3","TicketInfo":[{"TicketAmount":2}]}`)
			}
			got, out := client(t, s.URL).Identify(t.Context(), o)
			if out.Kind != providers.Done || got.Differs != c.differs {
				t.Errorf("differs by %q, want %q", got.Differs, c.differs)
			}
		})
	}
}
