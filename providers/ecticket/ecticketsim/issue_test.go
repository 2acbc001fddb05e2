package ecticketsim

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// The examples of the documents' Issue page, one per issue type.
var issueExamples = map[string]string{
	"1": `{"MerchantID":"2000132","MerchantTradeNo":"CBX20220302153064851","IssueType":"1","UseStatusNotifyURL":"http://www.happybuy123.com.tw/notifyurl","Operator":"AngelaChan","CustomerEmail":"abc@gmail.com","TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":4},{"ItemNo":"VNS21400","TicketAmount":4}]}`,
	"2": `{"MerchantID":"2000132","MerchantTradeNo":"CBX20220302153064851","IssueType":"2","PrintType":"2","UseStatusNotifyURL":"http://www.happybuy123.com.tw/notifyurl","Operator":"AngelaChan","CustomerName":"王珊珊","TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":10},{"ItemNo":"VNS21400","TicketAmount":10}]}`,
	"3": `{"MerchantID":"2000132","MerchantTradeNo":"CBX20220302153064851","IssueType":"3","IsImmediate":"2","Operator":"AngelaChan","CustomerName":"王珊珊","CustomerPhone":"0912345678","CustomerEmail":"abc@gmail.com","TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":8,"StartDate":"20240101"},{"ItemNo":"VNS21400","TicketAmount":6,"StartDate":"20240101"}]}`,
	"4": `{"MerchantID":"2000132","MerchantTradeNo":"CBX20220302153064851","IssueType":"4","UseStatusNotifyURL":"http://www.happybuy123.com.tw/notifyurl","Operator":"AngelaChan","TicketInfo":[{"ItemName":"五星渡假飯店假日住宿券","TicketPrice":6600,"TicketAmount":2},{"ItemName":"SPA課程體驗券","TicketPrice":3200,"TicketAmount":4}]}`,
}

func TestDocumentedOrdersAreIssued(t *testing.T) {
	tickets := map[string]int{"1": 8, "2": 20, "3": 14, "4": 6}
	for kind, example := range issueExamples {
		t.Run("IssueType "+kind, func(t *testing.T) {
			r := start(t, Config{})
			got := r.must(1, OpIssue, example)
			if ref := got["TicketTradeNo"].(string); !regexp.MustCompile(`^20231231\d{8}$`).MatchString(ref) {
				t.Errorf("TicketTradeNo %q is not 16 digits", ref)
			}
			if got["MerchantTradeNo"] != "CBX20220302153064851" || got["FreeTradeNo"] != "" || got["RtnMsg"] != "success" {
				t.Errorf("got %v", got)
			}
			line := got["TicketData"].([]any)[0].(map[string]any)
			_, hasNo := line["ItemNo"]
			_, hasName := line["ItemName"]
			_, hasPrice := line["TicketPrice"]
			if serial := kind == "4"; hasNo == serial || hasName != serial || hasPrice != serial {
				t.Errorf("TicketData %v", line)
			}
			want := Processing
			if kind == "2" {
				want = Issued // paper is issued on the call
			}
			if got := r.status("CBX20220302153064851"); got != want {
				t.Errorf("Status %d before the job, want %d", got, want)
			}
			r.sim.RunJob()
			if got := r.status("CBX20220302153064851"); got != Issued {
				t.Errorf("Status %d after the job, want %d", got, Issued)
			}
			o, _ := r.sim.Books().Order("CBX20220302153064851")
			if len(o.Tickets) != tickets[kind] || o.Ordered != tickets[kind] || o.TimesIssued != 1 {
				t.Errorf("%d tickets of %d, made %d times; want %d, once", len(o.Tickets), o.Ordered, o.TimesIssued, tickets[kind])
			}
		})
	}
}

func TestTradeNumberIsUsedOnce(t *testing.T) {
	r := start(t, Config{})
	gift := `{"MerchantID":"2000132","FreeTradeNo":"N1","IssueType":"1","Operator":"A","CustomerEmail":"a@b.tw","TicketInfo":[{"ItemNo":"GFT00001","TicketAmount":1,"ExpireDate":"20240201"}]}`
	r.must(1, OpIssue, order4("N1"))
	r.must(RtnDuplicate, OpIssue, order4("N1"))
	r.must(RtnDuplicate, OpIssue, gift)
	r.sim.RunJob()
	r.must(RtnDuplicate, OpIssue, order4("N1"))
	b := r.sim.Books()
	o, _ := b.Order("N1")
	if b.Duplicates != 3 || o.IssueCalls != 4 || o.TimesIssued != 1 || len(o.Tickets) != 4 || len(b.Orders) != 1 {
		t.Errorf("duplicates %d, order %+v", b.Duplicates, o)
	}
	r.sim.FailOrder("N2", "sold out")
	r.must(1, OpIssue, order4("N2"))
	r.sim.RunJob()
	r.must(RtnDuplicate, OpIssue, order4("N2"))
	r.merchant = "3085676" // numbers are unique per merchant
	r.must(1, OpIssue, strings.Replace(order4("N1"), "2000132", "3085676", 1))
}

func TestOneOfManySimultaneousCallsGetsTheNumber(t *testing.T) {
	r := start(t, Config{})
	var wg sync.WaitGroup
	codes := make([]int, 16)
	for i := range codes {
		wg.Go(func() {
			codes[i] = r.call(OpIssue, order4("SAME")).code()
			r.sim.RunJob()
			r.sim.Books()
		})
	}
	wg.Wait()
	accepted := 0
	for _, c := range codes {
		switch c {
		case 1:
			accepted++
		case RtnDuplicate:
		default:
			t.Errorf("RtnCode %d", c)
		}
	}
	if o, _ := r.sim.Books().Order("SAME"); accepted != 1 || o.TimesIssued != 1 || o.IssueCalls != 16 {
		t.Errorf("accepted %d times, order %+v", accepted, o)
	}
}

func TestIssueRules(t *testing.T) {
	email := `"CustomerEmail":"a@b.tw",`
	order := func(number, rest string) string {
		return fmt.Sprintf(`{"MerchantID":"2000132",%s,"IssueType":"1","Operator":"A",%s}`, number, rest)
	}
	items := func(s string) string { return `"TicketInfo":[` + s + `]` }
	const (
		paid   = `"MerchantTradeNo":"N1"`
		free   = `"FreeTradeNo":"N1"`
		pickup = `{"ItemNo":"VQT04959","TicketAmount":1}`
		gift   = `{"ItemNo":"GFT00001","TicketAmount":1,"ExpireDate":"20240201"}`
	)
	cases := []struct {
		name, data string
		want       int
	}{
		{"a pickup voucher", order(paid, email+items(pickup)), 1},
		{"a pickup and a gift voucher", order(paid, email+items(pickup+","+gift)), 1},
		{"gift vouchers only", order(free, email+items(gift)), 1},
		{"an active branch", order(paid, `"StoreID":"TP1001",`+email+items(pickup)), 1},
		{"a missing field", order(paid, items(pickup)), RtnField},
		{"too many tickets", order(paid, email+items(`{"ItemNo":"VQT04959","TicketAmount":9}`)), RtnField},
		{"an unknown item", order(paid, email+items(`{"ItemNo":"NOTHERE1","TicketAmount":1}`)), RtnItem},
		{"a delisted item", order(paid, email+items(`{"ItemNo":"XA210010","TicketAmount":1}`)), RtnItem},
		{"an unknown branch", order(paid, `"StoreID":"NOWHERE",`+email+items(pickup)), RtnStore},
		{"gift vouchers under MerchantTradeNo", order(paid, email+items(gift)), RtnItem},
		{"a pickup voucher with ExpireDate", order(paid, email+items(`{"ItemNo":"VQT04959","TicketAmount":1,"ExpireDate":"20240201"}`)), RtnItem},
		{"a gift voucher without ExpireDate", order(paid, email+items(pickup+`,{"ItemNo":"GFT00001","TicketAmount":1}`)), RtnItem},
		{"a pickup voucher under FreeTradeNo", order(free, email+items(`{"ItemNo":"VQT04959","TicketAmount":1,"ExpireDate":"20240201"}`)), RtnItem},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, Config{})
			r.must(c.want, OpIssue, c.data)
			if c.want != 1 {
				if got := len(r.sim.Books().Orders); got != 0 {
					t.Error("a refused order is in the books")
				}
				r.must(1, OpIssue, order4("N1")) // and its number is not used up
			}
		})
	}
}

func TestGiftSerialsNeedTheirOwnNumber(t *testing.T) {
	r := start(t, Config{})
	line := `"IssueType":"4","Operator":"A","TicketInfo":[{"ItemName":"贈品體驗券","TicketPrice":0,"TicketAmount":1,"ExpireDate":"20240201"}]}`
	r.must(RtnItem, OpIssue, `{"MerchantID":"2000132","MerchantTradeNo":"N1",`+line)
	r.must(1, OpIssue, `{"MerchantID":"2000132","FreeTradeNo":"N1",`+line)
}

func TestEscrowPathsWantThePaymentProvider(t *testing.T) {
	r := start(t, Config{})
	with := strings.Replace(order4("N1"), `"Operator"`, `"PaymentProvider":"2","Operator"`, 1)
	r.must(RtnField, "/api/issuance/issue", order4("N1"))
	r.must(RtnField, OpIssue, with)
	r.must(1, "/api/issuance/issue", with)
	r.sim.RunJob()
	o, _ := r.sim.Books().Order("N1")
	if !o.Escrow {
		t.Error("the books do not show escrow")
	}
	if info := r.must(1, OpQueryOrderInfo, byOrder("N1")); info["PaymentProvider"] != "2" {
		t.Errorf("PaymentProvider %v", info["PaymentProvider"])
	}
	r.must(1, "/api/issuance/Refund", `{"MerchantID":"2000132","TicketNo":"`+o.Tickets[0].TicketNo+`","Action":"1","Operator":"A"}`)
}
