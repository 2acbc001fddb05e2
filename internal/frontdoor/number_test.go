package frontdoor_test

import (
	"net/http"
	"strings"
	"testing"

	"issuance/internal/doccheck"
	"issuance/internal/frontdoor"
	"issuance/internal/ledger"
	"issuance/internal/seal"
	"issuance/internal/testredis"
	"issuance/internal/vault"
	"issuance/tasks"
	"issuance/tasks/order"
)

// gifts is an order whose every item is a gift voucher, without its number; mixed is one with a pickup voucher, too.
const (
	gifts = `{"IssueType":"2","PrintType":"1","Operator":"me","TicketInfo":[{"ItemNo":"GFT00001","TicketAmount":1,"ExpireDate":"20991231"}]}`
	mixed = `{"IssueType":"2","PrintType":"1","Operator":"me","TicketInfo":[{"ItemNo":"GFT00001","TicketAmount":1,"ExpireDate":"20991231"},{"ItemNo":"VQT04959","TicketAmount":1}]}`
)

// numberIn is the field in which the provider gets the number of what is recorded; "" where nothing is.
func (h *house) numberIn(orderID, refundID string) string {
	h.t.Helper()
	rec, err := h.ledger.Load(h.t.Context(), tasks.Ref{Account: shop, OrderID: orderID, RefundID: refundID})
	if err != nil {
		return ""
	}
	request, err := vault.OpenDocument(seal.Sandbox(), rec.Ref, rec.Document)
	if err != nil {
		h.t.Fatal(err)
	}
	merchant, free := doccheck.Member(request, "MerchantTradeNo"), doccheck.Member(request, "FreeTradeNo")
	switch {
	case merchant == orderID && free == "":
		return "MerchantTradeNo"
	case free == orderID && merchant == "":
		return "FreeTradeNo"
	}
	h.t.Fatalf("MerchantTradeNo %q, FreeTradeNo %q", merchant, free)
	return ""
}

// and is a document with more fields at its beginning.
func and(document, fields string) string { return strings.Replace(document, "{", "{"+fields+",", 1) }

// A number that the document does not have goes where the provider's rules for its items have it: to FreeTradeNo where all
// are gift vouchers. A field that stands empty is as if it were left out.
func TestANumberLeftOutGoesToItsOwnField(t *testing.T) {
	h := open(t, "")
	for i, c := range []struct{ document, want string }{
		{gifts, "FreeTradeNo"},
		{mixed, "MerchantTradeNo"},
		{body, "MerchantTradeNo"},
		{and(gifts, `"MerchantTradeNo":"","FreeTradeNo":""`), "FreeTradeNo"},
		{and(body, `"MerchantTradeNo":"","FreeTradeNo":""`), "MerchantTradeNo"},
		{and(gifts, `"FreeTradeNo":""`), "FreeTradeNo"},
		{and(gifts, `"MerchantTradeNo":""`), "FreeTradeNo"},
		{and(body, `"MerchantTradeNo":""`), "MerchantTradeNo"},
		{and(body, `"FreeTradeNo":""`), "MerchantTradeNo"},
	} {
		id := "G" + string(rune('A'+i))
		var st frontdoor.Status
		h.want(http.StatusCreated, nil, http.MethodPut, at+id, c.document)
		h.want(http.StatusOK, nil, http.MethodPut, at+id, c.document)
		h.want(http.StatusCreated, &st, http.MethodPost, "/v1/orders", `{"provider":"ecticket","request":`+c.document+`}`, "Idempotency-Key", id)
		for _, recorded := range []string{id, st.OrderID} {
			if got := h.numberIn(recorded, ""); got != c.want {
				t.Errorf("%s: the number is %s, want %s", c.document, got, c.want)
			}
		}
	}
	// The same number in full is the same order, also beside the other field that stands empty.
	h.want(http.StatusOK, nil, http.MethodPut, at+"GA", and(gifts, `"MerchantTradeNo":"","FreeTradeNo":"GA"`))
	// A number in full that does not fit the items is refused, and not put right.
	var p frontdoor.Problem
	h.want(http.StatusUnprocessableEntity, &p, http.MethodPut, at+"GX", and(body, `"FreeTradeNo":"GX"`))
	if got := wheres(t, p); got != "body/TicketInfo/0/ExpireDate" {
		t.Errorf("%s: %+v", got, p)
	}
	p = frontdoor.Problem{}
	h.want(http.StatusUnprocessableEntity, &p, http.MethodPut, at+strings.Repeat("G", 21), gifts)
	if got := wheres(t, p); got != "path order_id" {
		t.Errorf("%s: %+v", got, p)
	}
}

// A refund without the order's number has it as its order has it, before the order is sent and after; which it is of an
// order that is not recorded here, the caller says where it is not MerchantTradeNo.
func TestARefundHasTheNumberAsItsOrderHasIt(t *testing.T) {
	h := openOver(t, testredis.Start(t), "")
	for id, document := range map[string]string{"GIFT1": gifts, "PAID1": body} {
		want := map[string]string{"GIFT1": "FreeTradeNo", "PAID1": "MerchantTradeNo"}[id]
		h.want(http.StatusCreated, nil, http.MethodPut, at+id, document)
		h.want(http.StatusCreated, nil, http.MethodPut, at+id+"/refunds/R1", `{"all":true}`)
		h.end(tasks.Ref{Account: shop, OrderID: id}, ledger.Ending{State: order.Issued})
		h.want(http.StatusCreated, nil, http.MethodPut, at+id+"/refunds/R2", `{"all":true}`)
		h.want(http.StatusOK, nil, http.MethodPut, at+id+"/refunds/R1", `{"all":true}`)
		for _, refund := range []string{"R1", "R2"} {
			if got := h.numberIn(id, refund); got != want {
				t.Errorf("%s/%s: the number is %s, want %s", id, refund, got, want)
			}
		}
	}
	h.want(http.StatusCreated, nil, http.MethodPut, at+"OUTSIDE/refunds/R1", `{"all":true}`)
	if got := h.numberIn("OUTSIDE", "R1"); got != "MerchantTradeNo" {
		t.Errorf("an order that is not recorded: the number is %s", got)
	}
	for id, field := range map[string]string{"OUTSIDE1": "MerchantTradeNo", "OUTSIDE2": "FreeTradeNo"} {
		h.want(http.StatusCreated, nil, http.MethodPut, at+id+"/refunds/R1", `{"`+field+`":"","all":true}`)
		h.want(http.StatusOK, nil, http.MethodPut, at+id+"/refunds/R1", `{"`+field+`":"`+id+`","all":true}`)
		if got := h.numberIn(id, "R1"); got != field {
			t.Errorf("%s: the number is %s, want %s", id, got, field)
		}
	}
}
