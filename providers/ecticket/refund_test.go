package ecticket_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"issuance/providers"
	"issuance/providers/ecticket"
)

// The example of "ECTicket, QueryTicketStatus", as printed.
const statusExample = `{
"RtnCode": 1,
"RtnMsg": "Success",
"UseStatus":2,
"ItemNo":"VQT04959",
"TicketAmount":200,
"StartDate":"20220302",
"ExpireDate":"",
"EscrowExpireDate":"20221231",
"WriteOffDate":"20220305 16:30",
"RefundDate":"",
"IssueType":"2",
"InstructionsList":[
{"Description":"Description1"},
{"Description":"Description2"},
{"Description":"Description3"}
],
"MerchantTradeNo":"CBX20220302153064851",
"FreeTradeNo": "",
"IssueMID": "2000132",
"IssueStoreID": "TP1001",
"RedeemMID": "2000132",
"RedeemStoreID": "TP1001",
"RefundMID": "",
"RefundStoreID": ""
}`

func TestTicketStatusOfThePrintedExample(t *testing.T) {
	c, s := once(t, statusExample)
	got, out := c.TicketStatus(t.Context(), "CB2SY20220302153")
	if out.Kind != providers.Done {
		t.Fatal(out)
	}
	want := providers.TicketStatus{
		Ticket: providers.Ticket{
			TicketNo: "CB2SY20220302153", ItemNo: "VQT04959", FaceValue: 200, UseStatus: providers.Redeemed, StartDate: "20220302",
		},
		OrderID: "CBX20220302153064851", IssueType: "2", EscrowExpire: "20221231",
		RedeemedAt: "20220305 16:30", RedeemedBy: "2000132", RedeemStoreID: "TP1001", IssuedBy: "2000132", IssueStoreID: "TP1001",
		Instructions: []string{"Description1", "Description2", "Description3"},
	}
	if a, b := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); a != b {
		t.Errorf("got  %s\nwant %s", a, b)
	}
	if got := string(s.calls()[0].plain); got != `{"MerchantID":"2000132","TicketNo":"CB2SY20220302153","WriteOffNo":""}` {
		t.Errorf("asked %s", got)
	}
}

func TestTicketStatusTakesBothSpellings(t *testing.T) {
	c, _ := once(t, data{
		"RtnCode": 1, "UseStatus": "3", "TicketAmount": "200", "IssueType": 4, "ExpiredDate": "20221230", "EscrowExpiredDate": "20221231",
		"FreeTradeNo": "F1", "RefundDate": "20220305 16:30", "RefundMID": 2000132, "InstructionsList": nil, "WriteOffNo": "LEU4loiSZ9TDTWAtxL",
	})
	got, out := c.StatusByWriteOffNo(t.Context(), "LEU4loiSZ9TDTWAtxL")
	if out.Kind != providers.Done || got.UseStatus != providers.Refunded || got.ExpireDate != "20221230" || got.EscrowExpire != "20221231" ||
		got.OrderID != "F1" || got.RefundedBy != "2000132" || got.FaceValue != 200 || got.IssueType != "4" || got.WriteOffNo != "LEU4loiSZ9TDTWAtxL" {
		t.Errorf("%+v, %+v", got, out)
	}
}

func TestATicketWithoutUseStatusIsNoAnswer(t *testing.T) {
	c, _ := once(t, data{"RtnCode": 1, "ItemNo": "VQT04959"})
	if _, out := c.TicketStatus(t.Context(), "T1"); out.Kind != providers.Unknown || out.Code != "status_missing" {
		t.Errorf("%+v", out)
	}
	if _, out := c.TicketStatus(t.Context(), ""); out.Kind != providers.Rejected || out.Code != "invalid_ticket" {
		t.Errorf("%+v", out)
	}
}

func TestRefundSendsItsConfiguredFields(t *testing.T) {
	refund := providers.TicketRefund{TicketNo: "CB2SY20220302153", Operator: "AngelaChan"}
	for _, c := range []struct {
		fields  map[string]string
		storeID string
		want    string
	}{
		{nil, "", `{"Action":"1","MerchantID":"2000132","Operator":"AngelaChan","TicketNo":"CB2SY20220302153"}`},
		{nil, "TP1001", `{"Action":"1","MerchantID":"2000132","Operator":"AngelaChan","StoreID":"TP1001","TicketNo":"CB2SY20220302153"}`},
		{map[string]string{"TicketNo": "{TicketNo}", "Reason": "by-{Operator}", "MerchantID": "other"}, "",
			`{"MerchantID":"2000132","Reason":"by-AngelaChan","TicketNo":"CB2SY20220302153"}`},
	} {
		s := listen(t, func(w http.ResponseWriter, r *http.Request, _ int, _ asked) {
			say(data{"RtnCode": 1, "RtnMsg": "ok"})(w, r)
		})
		cl := client(t, s.URL, func(cfg *ecticket.Config) { cfg.RefundFields = c.fields })
		refund.StoreID = c.storeID
		if out := cl.RefundTicket(t.Context(), refund); out.Kind != providers.Done {
			t.Errorf("%+v", out)
		}
		if got := string(s.calls()[0].plain); got != c.want {
			t.Errorf("sent %s, want %s", got, c.want)
		}
	}
}

func TestARefundOfNothingIsNotSent(t *testing.T) {
	c, s := once(t, yes())
	for _, r := range []providers.TicketRefund{{}, {TicketNo: "T1"}, {Operator: "Op"}} {
		if out := c.RefundTicket(t.Context(), r); out.Kind != providers.Rejected || !strings.Contains(out.Message, "nothing was sent") {
			t.Errorf("%+v: %+v", r, out)
		}
	}
	if n := len(s.calls()); n != 0 {
		t.Errorf("%d calls were made", n)
	}
}

func TestAQueryIsTriedAgainOnceAndThenAnswers(t *testing.T) {
	s := listen(t, func(w http.ResponseWriter, r *http.Request, n int, _ asked) {
		if n == 1 {
			cut(w, r)
		}
		say(yes())(w, r)
	})
	if f := client(t, s.URL).LookUp(t.Context(), order); f.State != providers.FoundIssued {
		t.Errorf("%+v", f)
	}
}
