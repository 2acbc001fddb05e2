package sandbox

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"issuance/providers"
	"issuance/providers/pass2u/pass2usim"
	"issuance/tasks"
	"issuance/tasks/order"
)

// Fields of a JSON object.
type object = map[string]any

// demoOrder is one order of the demo and how it has to end.
type demoOrder struct {
	ref    order.Ref
	raw    []byte // the order document
	lane   tasks.Lane
	want   order.State
	remark string // what the ECTicket simulator's job is to fail it with
	taken  bool   // another system has used its number at ECTicket
	refund *demoRefund
}

// demoRefund is a refund of a demo order, enqueued when that is issued.
type demoRefund struct {
	ref  order.Ref
	raw  []byte
	want order.State
}

// kind is a recipe of demo orders.
type kind struct {
	provider providers.Name
	fails    bool
	taken    bool // needs review
	remark   string
	request  func(number string, today time.Time) object
	refund   func(number string) object // nil: never refunded
}

// MaxDemo bounds the orders of a demo: their number is part of the order numbers.
const MaxDemo = 9999

const dateFormat = "20060102"

// ticketOrder is an ECTicket order for an invented customer.
func ticketOrder(number, issueType string, more object) object {
	o := object{"MerchantTradeNo": number, "IssueType": issueType, "Operator": "demo"}
	for name, value := range more {
		o[name] = value
	}
	return o
}

func customer(more object) object {
	more["CustomerName"], more["CustomerPhone"], more["CustomerEmail"] = "王小明", "0912345678", "ming@example.com"
	return more
}

func line(itemNo string, amount int) object { return object{"ItemNo": itemNo, "TicketAmount": amount} }

// Texts that a failing order fails with.
const remarkSoldOut = "sold out (a failure ordered for the demo)"

// kinds are all that the demo knows. The first of each provider can be refunded, one of each
// fails, and the last one's number is taken; a short demo takes them in this order.
var kinds = []kind{
	{provider: providers.ECTicket, request: func(n string, _ time.Time) object {
		return ticketOrder(n, "3", customer(object{"IsImmediate": "1", "TicketInfo": []object{line("VQT04959", 2)}}))
	}, refund: func(n string) object { return object{"MerchantTradeNo": n, "quantity": 1} }},
	{provider: providers.Pass2U, request: func(n string, _ time.Time) object {
		return object{"productSaleId": pass2usim.DefaultCampaign, "channelOrderId": n, "mailTo": "ming@example.com", "quantity": 2, "pickupType": "voucher"}
	}, refund: func(n string) object { return object{"channelOrderId": n, "quantity": 1} }},
	{provider: providers.ECTicket, fails: true, remark: remarkSoldOut, request: func(n string, _ time.Time) object {
		return ticketOrder(n, "3", customer(object{"IsImmediate": "1", "TicketInfo": []object{line("CK851236", 1)}}))
	}},
	{provider: providers.Pass2U, request: func(n string, _ time.Time) object {
		return object{"productSaleId": pass2usim.DefaultCampaign, "channelOrderId": n, "quantity": 3, "pickupType": "order"}
	}},
	{provider: providers.ECTicket, request: func(n string, _ time.Time) object {
		return ticketOrder(n, "2", object{"PrintType": "2", "CustomerName": "王小明", "TicketInfo": []object{line("BR103218", 2)}})
	}},
	{provider: providers.ECTicket, request: func(n string, _ time.Time) object {
		return ticketOrder(n, "1", object{"CustomerEmail": "ming@example.com", "TicketInfo": []object{line("VQT04959", 2), line("VNS21400", 2)}})
	}},
	{provider: providers.ECTicket, request: func(n string, _ time.Time) object {
		return ticketOrder(n, "4", object{"TicketInfo": []object{{"ItemName": "SPA課程體驗券", "TicketPrice": 3200, "TicketAmount": 3}}})
	}},
	{provider: providers.ECTicket, request: func(n string, today time.Time) object {
		gift := line("GFT00001", 1)
		gift["ExpireDate"] = today.AddDate(1, 0, 0).Format(dateFormat)
		o := ticketOrder(n, "3", customer(object{"IsImmediate": "1", "TicketInfo": []object{gift}}))
		o["FreeTradeNo"] = n
		delete(o, "MerchantTradeNo")
		return o
	}},
	{provider: providers.ECTicket, request: func(n string, today time.Time) object {
		later := line("VTMT5062", 1)
		later["StartDate"] = today.AddDate(0, 1, 0).Format(dateFormat)
		return ticketOrder(n, "3", customer(object{"IsImmediate": "2", "TicketInfo": []object{later}}))
	}},
	{provider: providers.Pass2U, fails: true, request: func(n string, _ time.Time) object {
		return object{"productSaleId": pass2usim.TinyCampaign, "channelOrderId": n, "quantity": pass2usim.TinyStock + 1, "pickupType": "voucher"}
	}},
	{provider: providers.ECTicket, taken: true, request: func(n string, _ time.Time) object {
		return ticketOrder(n, "3", customer(object{"IsImmediate": "1", "TicketInfo": []object{line("VQT04959", 1)}}))
	}},
}

// demoOrders makes n mixed orders for the providers that are served: every kind once, of the
// failing ones the first only, then again those that succeed, in the bulk lane where that is
// served. One issued order gets a refund. Order numbers are unique to the moment now.
func demoOrders(n int, now time.Time, accounts map[providers.Name]providers.Account, served func(providers.Name, tasks.Lane) bool) []demoOrder {
	var once, again []kind
	failing := false
	for _, k := range kinds {
		switch {
		case !served(k.provider, tasks.Checkout) || k.fails && failing:
		case k.fails:
			failing = true
			once = append(once, k)
		case k.taken:
			once = append(once, k)
		default:
			once, again = append(once, k), append(again, k)
		}
	}
	run := "DEMO" + strings.ToUpper(strconv.FormatInt(now.UnixMilli(), 36))
	today := now.In(time.FixedZone("Asia/Taipei", 8*60*60)) // dates are Taiwan's
	var orders []demoOrder
	refunded := false
	for i := 0; i < n && len(once) > 0; i++ {
		lane, k := tasks.Checkout, kind{}
		if i < len(once) {
			k = once[i]
		} else {
			k = again[(i-len(once))%len(again)]
			if served(k.provider, tasks.Bulk) {
				lane = tasks.Bulk
			}
		}
		number := fmt.Sprintf("%s%02d", run, i+1)
		o := demoOrder{ref: order.Ref{Account: accounts[k.provider], OrderID: number}, raw: document(object{"provider": k.provider, "request": k.request(number, today)}),
			lane: lane, want: order.Issued, remark: k.remark, taken: k.taken}
		switch {
		case k.fails:
			o.want = order.Failed
		case k.taken:
			o.want = order.Review
		}
		if k.refund != nil && !refunded {
			refunded = true
			o.refund = &demoRefund{ref: o.ref.Refund("R1"), want: order.Refunded,
				raw: document(object{"provider": k.provider, "refund_id": "R1", "request": k.refund(number)})}
		}
		orders = append(orders, o)
	}
	return orders
}

func document(o object) []byte {
	raw, err := json.Marshal(o)
	if err != nil {
		panic(err) // strings and numbers
	}
	return raw
}

// Example is an order document for the newcomer's first own order, and its number.
func Example(now time.Time) (number, text string) {
	number = "MY" + strings.ToUpper(strconv.FormatInt(now.Unix(), 36))
	return number, fmt.Sprintf(`{"provider":"ecticket","request":{
  "MerchantTradeNo":%q, "IssueType":"3", "IsImmediate":"1", "Operator":"me",
  "CustomerName":"王小明", "CustomerPhone":"0912345678", "CustomerEmail":"ming@example.com",
  "TicketInfo":[{"ItemNo":"VQT04959", "TicketAmount":2}]}}`, number)
}
