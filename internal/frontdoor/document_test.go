package frontdoor_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"issuance/internal/frontdoor"
	"issuance/internal/keys"
	"issuance/providers"
	"issuance/tasks"
)

// One answer lists all that is wrong with a document and with the path that it is put under.
func TestOneAnswerListsAllThatIsWrong(t *testing.T) {
	h := open(t, "")
	if err := h.rdb.HSet(t.Context(), keys.Accounts, shop.String(), `{"at":"`+time.Now().UTC().Format(time.RFC3339)+`"}`).Err(); err != nil {
		t.Fatal(err)
	}
	wrong := strings.Replace(body, `"IssueType":"2"`, `"IssueType":"9"`, 1)
	numbered := strings.Replace(wrong, "{", `{"MerchantTradeNo":"OTHER",`, 1)
	for _, c := range []struct{ method, path, content, code, want string }{
		{http.MethodPut, at + "A1", numbered, "invalid", "body/IssueType, body/MerchantTradeNo"},
		{http.MethodPut, at + "A%20B", wrong, "invalid", "body/IssueType, path order_id"},
		{http.MethodPut, at + "A1/refunds/R1", `{"MerchantTradeNo":"OTHER","quantity":0}`, "invalid", "body/MerchantTradeNo, body/quantity"},
		{http.MethodPut, at + "A1/refunds/R%20", `{"MerchantTradeNo":"OTHER","quantity":0}`, "invalid", "body/MerchantTradeNo, body/quantity, path refund_id"},
		{http.MethodPut, at + "A1/refunds/R%20", `{`, "invalid", "body, path refund_id"},
		{http.MethodPut, "/v1/orders/ecticket:999/A1", wrong, "unknown_account", "body/IssueType, path account"},
		{http.MethodPut, "/v1/orders/kiosk/A1", `[]`, "unknown_account", "body, path account"},
		{http.MethodPut, "/v1/orders/kiosk/A1/refunds/R1", `{`, "unknown_account", "body, path account"},
		{http.MethodPut, "/v1/orders/ecticket:a:b/A1", numbered, "unknown_account", "body/IssueType, body/MerchantTradeNo, path account"},
		{http.MethodPost, "/v1/orders", `{"provider":5,"request":[]}`, "invalid", "body/provider, body/request"},
		{http.MethodPost, "/v1/orders", `{"provider":"kiosk","request":{}}`, "invalid", "body/provider"},
		{http.MethodPost, "/v1/orders", `{"provider":"kiosk","account":"kiosk:1","nonsense":1}`, "invalid", "body/nonsense, body/provider, body/request"},
		{http.MethodPost, "/v1/orders", `{"provider":"ecticket","account":"ecticket:999","request":` + numbered + `}`, "unknown_account", "body/account, body/request/IssueType"},
		{http.MethodPost, "/v1/orders", `{"provider":"pass2u","account":"pass2u:no one","request":{"channelOrderId":"A1","quantity":0}}`, "unknown_account",
			"body/account, body/request/pickupType, body/request/productSaleId, body/request/quantity"},
	} {
		var p frontdoor.Problem
		h.want(http.StatusUnprocessableEntity, &p, c.method, c.path, c.content)
		if got := wheres(t, p); got != c.want || p.Code != frontdoor.Code(c.code) {
			t.Errorf("%s %s %s: %s, %q, want %q", c.method, c.path, c.content, p.Code, got, c.want)
		}
	}
}

func TestAnUnknownProviderIsAnsweredWithThoseThatThereAre(t *testing.T) {
	h := open(t, "")
	for _, provider := range []string{`"kiosk"`, `5`, `null`, `"ECTicket"`} {
		var p frontdoor.Problem
		h.want(http.StatusUnprocessableEntity, &p, http.MethodPost, "/v1/orders", `{"provider":`+provider+`,"request":{}}`)
		for _, name := range providers.All() {
			if len(p.Violations) != 1 || p.Violations[0].Pointer != "/provider" || provider != "5" && !strings.Contains(p.Violations[0].Rule, string(name)) {
				t.Errorf("%s: %+v", provider, p)
			}
		}
	}
}

// A key beside a number, or none, is listed with all else that is wrong.
func TestAWrongKeyIsListedWithTheDocument(t *testing.T) {
	h := open(t, "")
	wrong := strings.Replace(body, `"IssueType":"2"`, `"IssueType":"9"`, 1)
	for document, want := range map[string]string{
		strings.Replace(wrong, "{", `{"MerchantTradeNo":"A1",`, 1): "body/request/IssueType, body/request/MerchantTradeNo",
		wrong: "body/request/IssueType",
	} {
		var p frontdoor.Problem
		h.want(http.StatusUnprocessableEntity, &p, http.MethodPost, "/v1/orders", `{"provider":"ecticket","request":`+document+`}`, "Idempotency-Key", "cart-1")
		if got := wheres(t, p); got != want {
			t.Errorf("%s: %q, want %q", document, got, want)
		}
		p = frontdoor.Problem{}
		h.want(http.StatusUnprocessableEntity, &p, http.MethodPost, "/v1/orders", `{"provider":"ecticket","request":`+document+`}`, "Idempotency-Key", `""`)
		if got := wheres(t, p); got != want+", header Idempotency-Key" {
			t.Errorf("%s: %q, want %q and the key", document, got, want)
		}
	}
}

// A key is never ignored: where the number in the path identifies the order, a caller that sends a key beside it may rely on
// what nothing keeps, that another number under the same key is the same order.
func TestAKeyIsRefusedWhereNothingFollowsFromIt(t *testing.T) {
	h := open(t, "")
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A1", body)
	for path, content := range map[string]string{at + "A1": body, at + "A2": body, at + "A1/refunds/R1": `{"all":true}`} {
		refusedKey(t, h, http.MethodPut, path, content)
	}
	for path, content := range map[string]string{"/v1/bulk": `{"provider":"ecticket"}` + "\n", at + "A1/cancel": "", at + "A1/refunds/R1/cancel": ""} {
		refusedKey(t, h, http.MethodPost, path, content)
	}
	h.want(http.StatusNotFound, nil, http.MethodGet, at+"A2", "")
	var st frontdoor.Status
	h.want(http.StatusOK, &st, http.MethodGet, at+"A1", "", "Idempotency-Key", "cart-1") // which asks, and does nothing
	if len(st.Refunds) != 0 || st.State != tasks.Queued {
		t.Errorf("%+v", st)
	}
}

func refusedKey(t *testing.T, h *house, method, path, content string) {
	t.Helper()
	var p frontdoor.Problem
	h.want(http.StatusUnprocessableEntity, &p, method, path, content, "Idempotency-Key", "cart-1")
	if got := wheres(t, p); got != "header Idempotency-Key" || !strings.Contains(p.Violations[0].Rule, "POST /v1/orders") {
		t.Errorf("%s %s: %+v", method, path, p)
	}
}

// What is wrong with a line of a file of documents has a pointer into the line's document; a row of a table has columns.
func TestViolationsOfABulkHavePointers(t *testing.T) {
	h := open(t, "")
	lines := func(kind, query, content string) (found []frontdoor.BulkViolation) {
		a := h.want(http.StatusOK, nil, http.MethodPost, "/v1/bulk?dry_run=true"+query, content, "Content-Type", kind)
		for d := json.NewDecoder(strings.NewReader(a.text)); d.More(); {
			var l frontdoor.BulkLine
			if err := d.Decode(&l); err != nil {
				t.Fatal(err)
			}
			found = append(found, l.Violations...)
		}
		return found
	}
	request := `{"MerchantTradeNo":"A1","IssueType":"2","PrintType":"1","Operator":"me","TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":0},{"ItemNo":"VQT04958","TicketAmount":0}]}`
	for query, prefix := range map[string]string{"": "/request", "&account=ecticket:2000132": ""} {
		content := request
		if query == "" {
			content = `{"provider":"ecticket","request":` + request + `}`
		}
		var pointers []string
		for _, v := range lines("application/x-ndjson", query, content+"\n") {
			pointers = append(pointers, v.Pointer)
		}
		for _, want := range []string{"/TicketInfo/0/TicketAmount", "/TicketInfo/1/TicketAmount"} {
			if !strings.Contains(strings.Join(pointers, " ")+" ", prefix+want+" ") {
				t.Errorf("%s: no pointer %s in %v", query, prefix+want, pointers)
			}
		}
	}
	for _, v := range lines("text/csv", "", "MerchantTradeNo,IssueType,PrintType,Operator,ItemNo1,TicketAmount1\nA1,9,1,me,VQT04959,0\n") {
		if v.Where == "" || v.Pointer != "" {
			t.Errorf("%+v", v)
		}
	}
}
