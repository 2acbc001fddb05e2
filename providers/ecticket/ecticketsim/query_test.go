package ecticketsim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestDocumentedTicketIsAnsweredAsDocumented(t *testing.T) {
	r := start(t, Config{})
	const documented = `{
"RtnCode": 1, "RtnMsg": "Success", "UseStatus":2, "ItemNo":"VQT04959", "TicketAmount":200, "StartDate":"20220302",
"ExpireDate":"", "EscrowExpireDate":"20221231", "WriteOffDate":"20220305 16:30", "RefundDate":"", "IssueType":"2",
"InstructionsList":[ {"Description":"Description1"}, {"Description":"Description2"}, {"Description":"Description3"} ],
"MerchantTradeNo":"CBX20220302153064851", "FreeTradeNo": "", "IssueMID": "2000132", "IssueStoreID": "TP1001",
"RedeemMID": "2000132", "RedeemStoreID": "TP1001", "RefundMID": "", "RefundStoreID": "" }`
	var want bytes.Buffer
	if err := json.Compact(&want, []byte(documented)); err != nil {
		t.Fatal(err)
	}
	got := r.plain("/api/Ticket/QueryTicketStatus", `{"MerchantID":"2000132","TicketNo":"CB2SY20220302153","WriteOffNo":""}`)
	if got != want.String() {
		t.Errorf("got  %s\nwant %s", got, want.String())
	}
}

func TestTicketStatusRules(t *testing.T) {
	r := start(t, Config{})
	no := r.issued("N1")[0]
	code, ok := r.sim.WriteOffNo(no)
	if !ok || !regexp.MustCompile(`^[A-Za-z0-9]{18}$`).MatchString(code) || !regexp.MustCompile(`^[A-Z0-9]{16}$`).MatchString(no) {
		t.Errorf("TicketNo of %d characters, WriteOffNo of %d", len(no), len(code))
	}
	got := r.must(1, OpQueryTicketStatus, byTicket(no))
	for field, want := range map[string]any{
		"UseStatus": 1.0, "ItemNo": "", "ItemName": "SPA課程體驗券", "TicketAmount": 3200.0, "StartDate": "20231231", "ExpireDate": "",
		"EscrowExpireDate": "20241230", "WriteOffDate": "", "RefundDate": "", "IssueType": "4", "MerchantTradeNo": "N1",
		"IssueMID": "2000132", "IssueStoreID": "", "RedeemMID": "", "RefundMID": "", "WriteOffNo": code,
	} {
		if got[field] != want {
			t.Errorf("%s is %v, want %v", field, got[field], want)
		}
	}
	again := r.must(1, OpQueryTicketStatus, `{"MerchantID":"2000132","WriteOffNo":"`+code+`"}`)
	if again["MerchantTradeNo"] != "N1" {
		t.Errorf("by WriteOffNo: %v", again)
	}
	r.must(RtnField, OpQueryTicketStatus, `{"MerchantID":"2000132"}`)
	r.must(RtnField, OpQueryTicketStatus, `{"MerchantID":"2000132","TicketNo":"`+no+`","WriteOffNo":"`+code+`"}`)
	r.must(RtnField, OpQueryTicketStatus, `{"MerchantID":"2000132","TicketNo":1}`)
	r.must(RtnNotFound, OpQueryTicketStatus, byTicket("AAAAA20231231000"))
	r.must(RtnNotFound, OpQueryTicketStatus, byTicket("short"))
	r.merchant = "3085676" // another merchant's ticket
	r.must(RtnNotFound, OpQueryTicketStatus, strings.Replace(byTicket(no), "2000132", "3085676", 1))
}

func TestTicketsOfListedItemsCarryTheirInstructionsAndNoCode(t *testing.T) {
	r := start(t, Config{})
	r.must(1, OpIssue, `{"MerchantID":"2000132","MerchantTradeNo":"N1","IssueType":"1","Operator":"A","CustomerEmail":"a@b.tw","TicketInfo":[{"ItemNo":"VTMT5062","TicketAmount":1}]}`)
	r.sim.RunJob()
	o, _ := r.sim.Books().Order("N1")
	got := r.must(1, OpQueryTicketStatus, byTicket(o.Tickets[0].TicketNo))
	if s := fmt.Sprint(got["InstructionsList"]); s != "[map[Description:超商票券使用說明1] map[Description:超商票券使用說明2]]" {
		t.Errorf("InstructionsList %s", s)
	}
	if _, shown := got["WriteOffNo"]; shown || got["ItemName"] != "五星級飯店假日晚餐券" {
		t.Errorf("got %v", got)
	}
	row := r.must(1, OpQueryOrderInfo, byOrder("N1"))["TicketList"].([]any)[0].(map[string]any)
	if _, shown := row["WriteOffNo"]; shown {
		t.Error("QueryOrderInfo shows the code of a convenience-store ticket")
	}
}

func TestGiftVoucherExpires(t *testing.T) {
	r := start(t, Config{})
	r.must(1, OpIssue, `{"MerchantID":"2000132","FreeTradeNo":"G1","IssueType":"1","Operator":"A","CustomerEmail":"a@b.tw","TicketInfo":[{"ItemNo":"GFT00001","TicketAmount":1,"ExpireDate":"20240101"}]}`)
	r.sim.RunJob()
	o, _ := r.sim.Books().Order("G1")
	ticket := byTicket(o.Tickets[0].TicketNo)
	r.clock.add(24 * time.Hour) // the last day
	got := r.must(1, OpQueryTicketStatus, ticket)
	if got["UseStatus"] != 1.0 || got["ExpireDate"] != "20240101" || got["EscrowExpireDate"] != "" || got["FreeTradeNo"] != "G1" || got["MerchantTradeNo"] != "" {
		t.Errorf("on the last day: %v", got)
	}
	r.clock.add(15 * time.Hour) // past midnight in Taiwan
	if got := r.must(1, OpQueryTicketStatus, ticket); got["UseStatus"] != 4.0 {
		t.Errorf("the day after: UseStatus %v", got["UseStatus"])
	}
	info := r.must(1, OpQueryOrderInfo, `{"MerchantID":"2000132","FreeTradeNo":"G1","PageNum":1}`)
	if info["ExpiredCount"] != 1.0 || info["UnUsedCount"] != 0.0 || info["EscrowExpiredDate"] != "" {
		t.Errorf("QueryOrderInfo: %v", info)
	}
}

func TestOrderQueriesWantExactlyOneNumberOfTheRightKind(t *testing.T) {
	r := start(t, Config{})
	r.must(1, OpIssue, order4("N1"))
	for _, op := range []string{OpQueryIssueResult, OpQueryOrderInfo} {
		r.must(1, op, `{"MerchantID":"2000132","MerchantTradeNo":"N1","FreeTradeNo":"","PageNum":1}`)
		r.must(RtnField, op, `{"MerchantID":"2000132","PageNum":1}`)
		r.must(RtnField, op, `{"MerchantID":"2000132","MerchantTradeNo":"N1","FreeTradeNo":"N1","PageNum":1}`)
		r.must(RtnField, op, `{"MerchantID":"2000132","MerchantTradeNo":1}`)
		r.must(RtnNotFound, op, `{"MerchantID":"2000132","FreeTradeNo":"N1","PageNum":1}`)
		r.must(RtnNotFound, op, `{"MerchantID":"2000132","MerchantTradeNo":"N2","PageNum":1}`)
	}
}

func TestOrderInfoHoldsTheOrder(t *testing.T) {
	r := start(t, Config{})
	r.must(1, OpIssue, issueExamples["3"])
	id := "CBX20220302153064851"
	before := r.must(1, OpQueryOrderInfo, byOrder(id))
	if before["Status"] != 3.0 || len(before["TicketList"].([]any)) != 0 || before["IssueDate"] != "" || before["TotalCount"] != 14.0 {
		t.Errorf("before the job: %v", before)
	}
	r.clock.add(4*time.Minute + 5*time.Second)
	r.sim.RunJob()
	o, _ := r.sim.Books().Order(id)
	if err := r.sim.Redeem(o.Tickets[0].TicketNo, "TP1001"); err != nil {
		t.Fatal(err)
	}
	r.must(1, OpRefund, `{"MerchantID":"2000132","TicketNo":"`+o.Tickets[13].TicketNo+`","Action":"1","Operator":"A"}`)
	got := r.must(1, OpQueryOrderInfo, byOrder(id))
	for field, want := range map[string]any{
		"MerchantID": "2000132", "MerchantTradeNo": id, "FreeTradeNo": "", "Status": 1.0, "Remark": "", "IssueType": "3",
		"IssueDate": "2023/12/31 09:34:05", "CustomerName": "王珊珊", "CustomerPhone": "0912345678", "CustomerEmail": "abc@gmail.com",
		"TotalCount": 14.0, "TradeAmount": 2500.0, "RedeemCount": 1.0, "RedeemAmount": 200.0, "RefundCount": 1.0, "RefundAmount": 150.0,
		"UnUsedCount": 12.0, "UnUsedAmount": 2150.0, "ExpiredCount": 0.0, "EscrowExpiredDate": "20241230",
	} {
		if got[field] != want {
			t.Errorf("%s is %v, want %v", field, got[field], want)
		}
	}
	list := got["TicketList"].([]any)
	first := fmt.Sprint(list[0])
	if want := fmt.Sprintf("map[ExpiredDate: ItemName:百貨公司商品券 ItemNo:VQT04959 RefundDate: StartDate:20240101 TicketAmount:200 TicketNo:%s TicketType:1 UseStatus:2 WriteOffDate:20231231 09:34]", o.Tickets[0].TicketNo); first != want {
		t.Errorf("first ticket %s, want %s", first, want)
	}
}

func TestOrderInfoHasPages(t *testing.T) {
	r := start(t, Config{TicketsPerPage: 3})
	want := r.issued("N1")
	page := func(n int) string {
		return fmt.Sprintf(`{"MerchantID":"2000132","MerchantTradeNo":"N1","PageNum":%d}`, n)
	}
	var got []string
	for n, count := range map[int]int{1: 3, 2: 1} {
		answer := r.must(1, OpQueryOrderInfo, page(n))
		if answer["TotalCount"] != 4.0 || len(answer["TicketList"].([]any)) != count {
			t.Errorf("page %d: %v", n, answer)
		}
	}
	for n := 1; n <= 2; n++ {
		for _, row := range r.call(OpQueryOrderInfo, page(n))["TicketList"].([]any) {
			got = append(got, row.(map[string]any)["TicketNo"].(string))
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("pages show %v, want %v", got, want)
	}
	r.must(RtnNoData, OpQueryOrderInfo, page(3))
	r.must(RtnField, OpQueryOrderInfo, page(0))
	r.must(1, OpQueryOrderInfo, byOrder("N1")) // no PageNum is page 1
	if per := New(Config{}).cfg.TicketsPerPage; per != 200 {
		t.Errorf("%d tickets a page by default, want 200", per)
	}
}
