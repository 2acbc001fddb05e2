package ecticket_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"issuance/providers"
)

// tickets are n tickets from number first on, as QueryOrderInfo lists them.
func tickets(first, n int) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = data{"TicketNo": fmt.Sprintf("T%05d", first+i), "UseStatus": 1, "TicketAmount": 200}
	}
	return list
}

func pageOf(total int, list []any) data {
	return data{"RtnCode": 1, "RtnMsg": "Success", "Status": 1, "TotalCount": total, "TicketList": list}
}

var noData = data{"RtnCode": 404, "RtnMsg": "查無資料"}

func TestTicketsOfAllPagesOrNone(t *testing.T) {
	for _, c := range []struct {
		name  string
		pages []any // the last one answers all later calls
		n     int   // tickets, when complete
		kind  providers.Kind
		code  string
		calls int
	}{
		{"one page", []any{pageOf(2, tickets(1, 2))}, 2, providers.Done, "1", 1},
		{"a full page", []any{pageOf(200, tickets(1, 200))}, 200, providers.Done, "1", 1},
		{"three pages", []any{pageOf(450, tickets(1, 200)), pageOf(450, tickets(201, 200)), pageOf(450, tickets(401, 50))}, 450, providers.Done, "1", 3},
		{"an order without tickets", []any{pageOf(0, nil)}, 0, providers.Done, "1", 1},
		{"fewer than the total", []any{pageOf(3, tickets(1, 2)), noData}, 0, providers.Unknown, "incomplete", 2},
		{"an empty second page", []any{pageOf(3, tickets(1, 2)), pageOf(3, nil)}, 0, providers.Unknown, "incomplete", 2},
		{"an empty first page", []any{pageOf(3, nil)}, 0, providers.Unknown, "incomplete", 1},
		{"more than the total", []any{pageOf(1, tickets(1, 2))}, 0, providers.Unknown, "incomplete", 1},
		{"the same page again", []any{pageOf(4, tickets(1, 2))}, 0, providers.Unknown, "incomplete", 2},
		{"a ticket twice", []any{pageOf(2, append(tickets(1, 1), tickets(1, 1)...))}, 0, providers.Unknown, "bad_list", 1},
		{"a ticket of the first page again", []any{pageOf(4, tickets(1, 2)), pageOf(4, tickets(2, 2))}, 0, providers.Unknown, "bad_list", 2},
		{"a ticket without number", []any{pageOf(1, []any{data{"UseStatus": 1}})}, 0, providers.Unknown, "bad_list", 1},
		{"a total that changes", []any{pageOf(4, tickets(1, 2)), pageOf(5, tickets(3, 2))}, 0, providers.Unknown, "changed", 2},
		{"no total, and as many as were ordered", []any{data{"RtnCode": 1, "Status": 1, "TicketList": tickets(1, 2)}}, 2, providers.Done, "1", 1},
		{"no total, and fewer", []any{data{"RtnCode": 1, "Status": 1, "TicketList": tickets(1, 1)}}, 0, providers.Unknown, "incomplete", 2},
		{"no total, and more", []any{data{"RtnCode": 1, "Status": 1, "TicketList": tickets(1, 3)}}, 0, providers.Unknown, "incomplete", 1},
		{"a negative total", []any{pageOf(-1, nil)}, 0, providers.Unknown, "no_total", 1},
		{"an absurd total", []any{pageOf(1<<40, tickets(1, 1))}, 0, providers.Unknown, "no_total", 1},
		{"a later page fails", []any{pageOf(3, tickets(1, 2)), "garbage"}, 0, providers.Unknown, "unreadable", 2},
		{"unknown order", []any{noData}, 0, providers.Rejected, "404", 1},
		{"in process", []any{with("Status", 3)}, 0, providers.Unknown, "status_3", 1},
		{"in process, counted already", []any{data{"RtnCode": 1, "Status": 3, "TotalCount": 6}}, 0, providers.Unknown, "status_3", 1},
		{"failed", []any{data{"RtnCode": 1, "Status": 2, "Remark": "no stock", "TotalCount": 6}}, 0, providers.Rejected, "status_2", 1},
		{"a status nobody knows", []any{with("Status", 9)}, 0, providers.Unknown, "status_9", 1},
		{"no status reported", []any{data{"RtnCode": 1, "TotalCount": 1, "TicketList": tickets(1, 1)}}, 1, providers.Done, "1", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := &gate{}
			s := listen(t, func(w http.ResponseWriter, r *http.Request, n int, a asked) {
				var q struct{ PageNum int }
				if err := json.Unmarshal(a.plain, &q); err != nil || q.PageNum != n {
					t.Errorf("call %d asks for page %d", n, q.PageNum)
				}
				authentic(w, c.pages[min(n, len(c.pages))-1])
			})
			cl := clientWithGate(t, s.URL, g)
			list, out := cl.Tickets(t.Context(), order)
			if out.Kind != c.kind || out.Code != c.code || len(list) != c.n {
				t.Errorf("%d tickets, %+v", len(list), out)
			}
			if n := len(s.calls()); n != c.calls || int(g.passed.Load()) != n {
				t.Errorf("%d calls, the gate passed %d times, want %d", n, g.passed.Load(), c.calls)
			}
		})
	}
}

// An order of which nothing but its number is known cannot be counted without a total.
func TestAListWithoutTotalOfAnUnknownOrderIsNotComplete(t *testing.T) {
	s := listen(t, func(w http.ResponseWriter, _ *http.Request, _ int, _ asked) {
		authentic(w, data{"RtnCode": 1, "Status": 1, "TicketList": tickets(1, 2)})
	})
	if list, out := client(t, s.URL).Tickets(t.Context(), providers.Order{ID: order.ID}); out.Code != "no_total" {
		t.Errorf("%d tickets, %+v", len(list), out)
	}
}

func TestOrderInfoHoldsTotals(t *testing.T) {
	c, _ := once(t, data{
		"RtnCode": 1, "RtnMsg": "Success", "TicketTradeNo": "2022030215301234", "Status": 1, "Remark": nil, "IssueType": 4,
		"PaymentProvider": "1", "PaymentType": "credit", "IssueDate": "2022/03/02 15:30:00", "EscrowExpiredDate": "20230302",
		"TotalCount": 3, "TradeAmount": 600, "RedeemCount": 1, "RedeemAmount": "200", "RefundCount": 1, "RefundAmount": 200,
		"TotalRefundFee": 10, "UnUsedCount": 1, "UnUsedAmount": 200, "ExpiredCount": 0, "CustomerName": "王珊珊",
		"TicketList": []any{
			data{"TicketNo": "T1", "UseStatus": 1, "ItemNo": nil, "ItemName": "SPA課程體驗券", "TicketAmount": 200, "StartDate": "20220302", "ExpiredDate": "20221231", "WriteOffNo": "LEU4loiSZ9TDTWAtxL"},
			data{"TicketNo": "T2", "UseStatus": "2", "ExpireDate": "20221230"},
			data{"TicketNo": "T3", "UseStatus": 3},
		},
	})
	info, out := c.OrderInfo(t.Context(), order)
	if out.Kind != providers.Done {
		t.Fatal(out)
	}
	want := providers.Ticket{
		TicketNo: "T1", WriteOffNo: "LEU4loiSZ9TDTWAtxL", ItemName: "SPA課程體驗券", FaceValue: 200,
		UseStatus: providers.Unused, StartDate: "20220302", ExpireDate: "20221231",
	}
	if info.Tickets[0] != want || info.Tickets[1].UseStatus != providers.Redeemed || info.Tickets[1].ExpireDate != "20221230" ||
		info.Tickets[2].UseStatus != providers.Refunded {
		t.Errorf("tickets %+v", info.Tickets)
	}
	info.Tickets = nil
	if got, want := fmt.Sprintf("%+v", info), "{Ref:2022030215301234 Status:1 Remark: IssueType:4 IssueDate:2022/03/02 15:30:00 EscrowExpire:20230302 "+
		"PaymentProvider:1 PaymentType:credit TotalCount:3 TradeAmount:600 RedeemCount:1 RedeemAmount:200 RefundCount:1 RefundAmount:200 "+
		"TotalRefundFee:10 UnusedCount:1 UnusedAmount:200 ExpiredCount:0 Tickets:[]}"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAnUnknownUseStatusIsNeverUnused(t *testing.T) {
	for _, status := range []any{0, 5, "", nil, "1 1", "01", "x", true} {
		c, _ := once(t, pageOf(1, []any{data{"TicketNo": "T1", "UseStatus": status}}))
		list, out := c.Tickets(t.Context(), order)
		if out.Kind == providers.Done && list[0].UseStatus == providers.Unused {
			t.Errorf("UseStatus %v is taken for unused", status)
		}
	}
}

// Space around a string is no part of it, whichever field it is in.
func TestPaddedStringsAreReadWithoutTheirSpace(t *testing.T) {
	c, _ := once(t, pageOf(1, []any{data{"TicketNo": " T1\t", "UseStatus": " 1 ", "ItemNo": "VQT04959 "}}))
	list, out := c.Tickets(t.Context(), order)
	if out.Kind != providers.Done || list[0].TicketNo != "T1" || list[0].UseStatus != providers.Unused || list[0].ItemNo != "VQT04959" {
		t.Errorf("%+v, %+v", list, out)
	}
	c, _ = once(t, data{"RtnCode": " 1 ", "MerchantID": merchant + "  ", "MerchantTradeNo": " " + order.ID + " ", "TicketNo": "cb2sy20220302153",
		"UseStatus": "3 ", "RefundMID": " " + merchant, "RefundDate": " 20260302 15:30 "})
	st, out := c.TicketStatus(t.Context(), "CB2SY20220302153")
	if out.Kind != providers.Done || st.UseStatus != providers.Refunded || st.OrderID != order.ID || st.RefundedBy != merchant || st.TicketNo != "CB2SY20220302153" {
		t.Errorf("%+v, %+v", st, out)
	}
}

func TestItemsOfAllPages(t *testing.T) {
	items := func(n int) []any {
		list := make([]any, n)
		for i := range list {
			list[i] = data{"ItemNo": "VTMT5062", "ItemName": "晚餐券", "TicketType": "1", "ItemAmount": 1200, "ItemStatus": "1", "ModifyDate": "20220801 15:30",
				"InstructionsList": []any{data{"IssueType": "1", "Description": "一"}, data{"IssueType": "1", "Description": "二"}}}
		}
		return list
	}
	page := func(total, n int) data { return data{"RtnCode": 1, "TotalCount": total, "ItemInfoList": items(n)} }
	for _, c := range []struct {
		name  string
		pages []any
		n     int
		kind  providers.Kind
		code  string
		calls int
	}{
		{"three pages", []any{page(55, 20), page(55, 20), page(55, 15)}, 55, providers.Done, "1", 3},
		{"no page more than needed", []any{page(40, 20), page(40, 20), noData}, 40, providers.Done, "1", 2},
		{"the total is wrong", []any{page(55, 20), page(55, 20), noData}, 0, providers.Unknown, "incomplete", 3},
		{"an empty page", []any{page(55, 20), page(55, 0)}, 0, providers.Unknown, "incomplete", 2},
		{"no items", []any{page(0, 0)}, 0, providers.Done, "1", 1},
		{"no data", []any{noData}, 0, providers.Rejected, "404", 1},
		{"no total", []any{data{"RtnCode": 1}}, 0, providers.Unknown, "no_total", 1},
		{"without end", []any{page(100000, 20)}, 0, providers.Unknown, "incomplete", 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := listen(t, func(w http.ResponseWriter, r *http.Request, n int, a asked) {
				if n == 1 && !strings.Contains(string(a.plain), `"PageNum":1,"ItemStatus":"2","ItemList":[{"ItemNo":"XA210005"},{"ItemNo":"XA210006"}]`) {
					t.Errorf("asked %s", a.plain)
				}
				authentic(w, c.pages[min(n, len(c.pages))-1])
			})
			list, out := client(t, s.URL).Items(t.Context(), []string{"XA210005", "XA210006"})
			if out.Kind != c.kind || out.Code != c.code || len(list) != c.n {
				t.Errorf("%d items, %+v", len(list), out)
			}
			if n := len(s.calls()); n != c.calls {
				t.Errorf("%d calls, want %d", n, c.calls)
			}
			if len(list) > 0 && (fmt.Sprintf("%+v", list[0]) != "{ItemNo:VTMT5062 ItemName:晚餐券 Gift:false TicketType:1 FaceValue:1200 Listed:true "+
				"ModifiedAt:20220801 15:30 Instructions:[{IssueType:1 Description:一} {IssueType:1 Description:二}]}") {
				t.Errorf("%+v", list[0])
			}
		})
	}
}
