package frontdoor_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"issuance/internal/frontdoor"
	"issuance/internal/keys"
	"issuance/internal/seal"
	"issuance/internal/testredis"
	"issuance/providers/ecticket/wire"
	"issuance/tasks"
)

// leak stands for what a customer has written. It is in every seed, and must be in no problem and no log.
const leak = "Zq7LeakZq7"

// Bodies as the providers' documents print them, with what customers write in their values.
var documents = []string{
	exampleOf("ecticket", `{"IssueType":"2","PrintType":"1","Operator":"AngelaChan","CustomerName":"`+leak+`","CustomerPhone":"0987654321","CustomerEmail":"`+leak+`@example.com","CustomerAddress":"`+leak+`","TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":2}]}`),
	exampleOf("ecticket", `{"MerchantTradeNo":"F1","IssueType":"4","Operator":"`+leak+`","TicketInfo":[{"ItemName":"五星渡假飯店假日住宿券","TicketPrice":6600,"TicketAmount":2},{"ItemName":"`+leak+`","TicketPrice":"`+leak+`","TicketAmount":4}]}`),
	exampleOf("pass2u", `{"productSaleId":"02955ccca3352ef0734a4aecc9f86083","quantity":2,"pickupType":"voucher","mailTo":"`+leak+`@gmail.com"}`),
	exampleOf("pass2u", `{"channelOrderId":"F1","productSaleId":"`+leak+`","quantity":0,"pickupType":"`+leak+`","mailTo":{"a":["`+leak+`"]}}`),
	exampleOf("ecticket", `{"all":true}`), exampleOf("ecticket", `{"TicketNo":["20220302001","`+leak+`"]}`), exampleOf("pass2u", `{"quantity":"`+leak+`"}`),
	exampleOf("ecticket", ""), exampleOf("pass2u", "null"), exampleOf("ecticket", "[]"), exampleOf("pass2u", "{"), exampleOf("ecticket", `"`+leak+`"`),
	exampleOf("pass2u", "\xff\xfe"+leak), exampleOf("ecticket", `{"a":1}{"b":2}`), exampleOf("ecticket", strings.Repeat("[", 5000)),
}

func exampleOf(provider, request string) string { return provider + "\n" + request }

// fuzzed is a house of which each input has an empty Redis for itself. Its server stops, so that nothing waits.
func fuzzed(f *testing.F) *house {
	f.Helper()
	srv := testredis.Mini(f)
	h := openOver(f, srv, "")
	h.server.Drain()
	return h
}

// keysNow is how many keys and events there are.
func (h *house) keysNow() int64 {
	n := h.rdb.DBSize(h.t.Context()).Val()
	return n + h.rdb.XLen(h.t.Context(), keys.Events).Val()
}

// fresh begins with an input.
func (h *house) fresh(t *testing.T) {
	h.t = t
	h.log.Reset()
	if err := h.rdb.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
}

// probe makes a request and holds the answer to what every answer is held to: nothing panics and no answer is a server's error,
// a problem is one and as described, it holds no value, and a request that is refused has done nothing.
func (h *house) probe(method, target, content string, header ...string) (a answer, tried bool) {
	h.t.Helper()
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return a, false
	}
	req := httptest.NewRequest(http.MethodGet, "/", strings.NewReader(content)).WithContext(h.t.Context())
	req.Method, req.URL, req.RequestURI, req.Host = method, u, target, "localhost"
	for i := 0; i+1 < len(header); i += 2 {
		if strings.ContainsFunc(header[i+1], func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return a, false // net/http takes none
		}
		if header[i+1] != "" {
			req.Header.Set(header[i], header[i+1])
		}
	}
	if method == http.MethodHead {
		method, req.Method = http.MethodGet, http.MethodGet // net/http leaves out the body
	}
	before := h.keysNow()
	rec := httptest.NewRecorder()
	h.server.ServeHTTP(rec, req)
	a = answer{rec.Result(), rec.Body.String()}
	if a.StatusCode >= 500 || strings.Contains(h.log.String(), "alarm") {
		h.t.Fatalf("%s %.300q: %d %.500s\n%.500s", method, target, a.StatusCode, a.text, h.log)
	}
	if strings.HasPrefix(u.Path, "/v1/") && a.StatusCode != http.StatusTemporaryRedirect && a.StatusCode != http.StatusMovedPermanently { // to the clean path
		h.answerDescribed(req, a.Response, rec.Body.Bytes())
	}
	if a.StatusCode >= 400 {
		h.refused(a, method+" "+target)
		if after := h.keysNow(); after != before {
			h.t.Errorf("%s %.300q: %d, and Redis has %d keys instead of %d", method, target, a.StatusCode, after, before)
		}
	}
	if (a.StatusCode >= 400 && strings.Contains(a.text, leak) || strings.Contains(h.log.String(), leak)) && !strings.Contains(target, "Zq7") && !leakIsAName(content) {
		h.t.Errorf("%s %.300q: a value is repeated: %.500s\n%.500s", method, target, a.text, h.log)
	}
	return a, true
}

// refused checks that an answer is a problem.
func (h *house) refused(a answer, what string) {
	h.t.Helper()
	if a.StatusCode < 500 && a.Header.Get("Location") != "" {
		h.t.Errorf("%q: a problem has a location", what)
	}
	var p frontdoor.Problem
	d := json.NewDecoder(strings.NewReader(a.text))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil || p.Status != a.StatusCode || p.Code == "" || p.Detail == "" || p.RequestID == "" || a.Header.Get("Content-Type") != "application/problem+json" {
		h.t.Errorf("%.300q: %d is no problem: %v, %v %.500q", what, a.StatusCode, err, a.Header, a.text)
	}
}

// leakIsAName reports whether the leak has become part of a field's name, which a violation's pointer repeats.
func leakIsAName(content string) bool {
	for part := range strings.SplitSeq(content, leak) {
		rest := strings.TrimLeft(part, " \t\r\n")
		if _, after, ok := strings.Cut(rest, `"`); ok && strings.HasPrefix(strings.TrimLeft(after, " \t\r\n"), ":") {
			return true
		}
	}
	return false
}

// A document is recorded, and put again it is the same order, or it is refused, again and again.
func (h *house) placedOrRefused(method, target, content string, header ...string) {
	h.t.Helper()
	first, tried := h.probe(method, target, content, header...)
	if !tried {
		return
	}
	again, _ := h.probe(method, target, content, header...)
	switch first.StatusCode {
	case http.StatusCreated:
		var st frontdoor.Status
		if err := json.Unmarshal([]byte(again.text), &st); err != nil || again.StatusCode != http.StatusOK || !st.Duplicate {
			h.t.Errorf("%s %.300q: recorded, and again %d %s", method, target, again.StatusCode, again.text)
		}
	default:
		if again.StatusCode != first.StatusCode {
			h.t.Errorf("%s %.300q: %d, and again %d", method, target, first.StatusCode, again.StatusCode)
		}
	}
}

func FuzzPuttingAnOrder(f *testing.F) {
	for _, d := range documents {
		account, content, _ := strings.Cut(d, "\n")
		f.Add(account+":2000132", "F1", "", "wait=60", "application/json", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", content)
	}
	f.Add("pass2u:main", "a%2Fb", "lane=bulk&lane=x", `wait="9999999999999999999", wait=-1`, "application/json;charset=x", "x", "{}")
	h := fuzzed(f)
	f.Fuzz(func(t *testing.T, account, id, query, prefer, kind, trace, content string) {
		h.fresh(t)
		h.placedOrRefused(http.MethodPut, "/v1/orders/"+account+"/"+id+"?"+query, content, "Prefer", prefer, "Content-Type", kind, "traceparent", trace)
	})
}

func FuzzPostingAnOrder(f *testing.F) {
	for _, d := range documents {
		provider, content, _ := strings.Cut(d, "\n")
		f.Add("cart-1", "respond-async, wait=1", "application/json", `{"provider":"`+provider+`","request":`+content+`}`)
		f.Add("", "", "", `{"provider":"`+provider+`","account":"`+provider+`:2000132","request":`+content+`,"request":`+content+`}`)
	}
	f.Add(strings.Repeat("k", 256), "wait", "text/json", `{"provider":"ecticket","account":"pass2u:main","request":{}}`)
	h := fuzzed(f)
	f.Fuzz(func(t *testing.T, key, prefer, kind, content string) {
		h.fresh(t)
		h.placedOrRefused(http.MethodPost, "/v1/orders", content, "Idempotency-Key", key, "Prefer", prefer, "Content-Type", kind)
	})
}

func FuzzPuttingARefund(f *testing.F) {
	for _, d := range documents {
		provider, content, _ := strings.Cut(d, "\n")
		f.Add(provider+":2000132", "A1", "R1", "wait=1", content)
	}
	f.Add("ecticket", "A1", "R:1", "", `{"all":true,"quantity":1}`)
	h := fuzzed(f)
	f.Fuzz(func(t *testing.T, account, id, refund, prefer, content string) {
		h.fresh(t)
		h.probe(http.MethodPut, at+"A1", body, "Content-Type", "application/json")
		h.log.Reset() // an order's number may be anything
		h.placedOrRefused(http.MethodPut, "/v1/orders/"+account+"/"+id+"/refunds/"+refund, content, "Prefer", prefer)
	})
}

func FuzzAsking(f *testing.F) {
	for _, q := range []string{"/v1/orders?state=queued,review&account=ecticket&since=2026-01-01T00:00:00Z&item=VQT04959&q=A1&limit=1", "/v1/orders?cursor=1.0", "/v1/orders?cursor=18446744073709551615.9&limit=1000",
		at + "A1", at + "A1?wait=60&tickets=true", at + "A1?wait=-1&tickets=x", at + "A1/history", "/v1/events?after=0&limit=1", "/v1/events?after=1-1", "/v1/events?after=99999999999999999999-99999999999999999999",
		"/v1/events/stream?after=0", "/v1/orders/ecticket%3A2000132/A%00", "/v1/orders/../v1/orders", "/v1//orders", "/v1/orders/kiosk/A1", "/openapi.json", "/docs", "/metrics"} {
		f.Add("GET", q, `W/"x", *`, "0")
	}
	f.Add("POST", at+"A1/cancel?reason="+"sold+out", "", "")
	f.Add("POST", at+"A1/refunds/R1/cancel?reason=%ff", "", "")
	f.Add("HEAD", at+"A1", "", "1-0")
	f.Add("GET", "/v1/events/stream", "", "99999999999999999999-1")
	h := fuzzed(f)
	f.Fuzz(func(t *testing.T, method, target, match, last string) {
		if method == "CONNECT" || method == "" {
			return // no mux takes it as another method
		}
		h.fresh(t)
		h.issued("A1")
		h.log.Reset()
		h.probe(method, target, "", "If-None-Match", match, "Last-Event-ID", last)
	})
}

func FuzzABulkFile(f *testing.F) {
	var lines, csv string
	for _, d := range documents {
		provider, content, _ := strings.Cut(d, "\n")
		lines += `{"provider":"` + provider + `","request":` + content + "}\n"
	}
	csv = "MerchantTradeNo,IssueType,PrintType,Operator,CustomerName,CustomerPhone,ItemNo1,TicketAmount1\nF1,2,1,Angela," + leak + ",0987654321,VQT04959,2\nF2,9,1,Angela," + leak + "," + leak + ",VQT04959,x\n"
	f.Add("", "application/x-ndjson", []byte(lines))
	f.Add("account=ecticket:2000132&dry_run=true", "text/csv", []byte(csv))
	f.Add("account=ecticket:2000132", "text/csv", []byte(csv))
	f.Add("sheet=Orders", "text/csv", []byte("\xef\xbb\xbfMerchantTradeNo\t\"\n"))
	for _, sheets := range []int{1, 2} {
		book := workbook(f, sheets)
		f.Add("account=ecticket:2000132", "", book)
		f.Add("sheet=Sheet2&dry_run=true", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", book[:len(book)-40*(sheets-1)])
	}
	h := fuzzed(f)
	f.Fuzz(func(t *testing.T, query, kind string, content []byte) {
		h.fresh(t)
		a, tried := h.probe(http.MethodPost, "/v1/bulk?"+query, string(content), "Content-Type", kind)
		if !tried || a.StatusCode != http.StatusOK {
			return
		}
		var receipts int64
		var done *frontdoor.BulkDone
		for d := json.NewDecoder(strings.NewReader(a.text)); d.More(); {
			var l frontdoor.BulkLine
			if err := d.Decode(&l); err != nil {
				t.Fatalf("%v in %q", err, a.text)
			}
			if l.Receipt != nil {
				receipts++
				h.recorded(*l.Receipt)
			}
			done = l.Done
		}
		if done == nil {
			t.Fatalf("the answer has no end: %q", a.text)
		}
		dry, _ := url.ParseQuery(query)
		if dry.Get("dry_run") == "" && receipts != done.Enqueued+done.Duplicates {
			t.Errorf("%d receipts, and %+v", receipts, *done)
		}
		if receipts == 0 && h.keysNow() != 0 {
			t.Errorf("no receipt, and Redis has %d keys", h.keysNow())
		}
	})
}

// recorded checks that a receipt's order is there.
func (h *house) recorded(r tasks.Receipt) {
	h.t.Helper()
	if _, err := h.ledger.Load(h.t.Context(), r.Ref()); err != nil {
		h.t.Errorf("%s has a receipt: %v", r.Ref(), err)
	}
}

// workbook is one with an order that is right and one that is wrong on each sheet.
func workbook(f *testing.F, sheets int) []byte {
	f.Helper()
	book := excelize.NewFile()
	defer book.Close()
	for n := range sheets {
		sheet := fmt.Sprintf("Sheet%d", n+1)
		if _, err := book.NewSheet(sheet); err != nil {
			f.Fatal(err)
		}
		for i, row := range [][]any{{"MerchantTradeNo", "IssueType", "PrintType", "Operator", "CustomerName", "CustomerPhone", "ItemNo1", "TicketAmount1", "StartDate1"},
			{"X1", 2, 1, "Angela", leak, "0987654321", "VQT04959", 2}, {"X2", 9, 1, "Angela", leak, 987654321, "VQT04959", 2.5, time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)}} {
			if err := book.SetSheetRow(sheet, fmt.Sprintf("A%d", i+1), &row); err != nil {
				f.Fatal(err)
			}
		}
	}
	raw, err := book.WriteToBuffer()
	if err != nil {
		f.Fatal(err)
	}
	return raw.Bytes()
}

// A tokens file gives callers that may do what it says, or a list of mistakes without a secret.
func FuzzATokensFile(f *testing.F) {
	sum := strings.Repeat("ab", 32)
	f.Add([]byte("tokens: [{name: shop, sha256: " + sum + ", scopes: [orders, tickets], accounts: ['ecticket:2000132'], requests_per_second: 5}]"))
	f.Add([]byte("tokens:\n  - &a {name: a, sha256: " + leak + ", scopes: [" + leak + "]}\n  - *a\n"))
	f.Add([]byte("tokens: [{name: a, requests_per_second: .nan}]"))
	f.Add([]byte("tokens: {" + leak + ": 1}"))
	path := filepath.Join(f.TempDir(), "tokens.yaml")
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		tokens, err := frontdoor.ReadTokens(path, slog.New(slog.DiscardHandler))
		if err != nil {
			if bytes.Contains(content, []byte("sha256: "+leak)) && strings.Contains(err.Error(), leak) && !bytes.Contains(content, []byte(leak+": ")) && bytes.Count(content, []byte(leak)) == 1 {
				t.Errorf("a sum is repeated: %v", err)
			}
			return
		}
		if tokens.Find("iss_guess") != nil || tokens.Find("") != nil {
			t.Error("a guess opens the door")
		}
	})
}

// Whatever is sent as a notice, it is refused without its content, or it is authentic: then it is stored.
func FuzzNotice(f *testing.F) {
	for _, text := range []string{noticeText, `{}`, `"` + leak + `"`, "", "\x00", leak, `{"MerchantID":"3085676"}`, `{"MerchantID":{"a":["` + leak + `"]}}`} {
		f.Add([]byte(text), true)
		f.Add([]byte(text), false)
		f.Add([]byte(envelope("2000132", text, wire.Variant{})), false)
		f.Add([]byte("Data="+text), false)
	}
	h := openOver(f, testredis.Mini(f), "")
	h.change = func(c *frontdoor.Config) {
		stopped := time.Now()
		c.Now = func() time.Time { stopped = stopped.Add(time.Second); return stopped }
		c.Notices = &frontdoor.Notices{Merchant: frontdoor.MerchantsOf(h.rdb, shopKeys), Ring: seal.Sandbox()}
	}
	h.serve("")
	f.Fuzz(func(t *testing.T, text []byte, sealed bool) {
		h.fresh(t)
		if sealed {
			text = []byte(envelope("2000132", string(text), wire.Variant{}))
		}
		a := h.call(http.MethodPost, noticePath, string(text))
		stored := h.storedNotices()
		if a.StatusCode == http.StatusOK != (stored == 1) || a.StatusCode != http.StatusOK && a.StatusCode != http.StatusBadRequest && a.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%d, and %d are stored: %s", a.StatusCode, stored, a.text)
		}
		if strings.Contains(a.text+h.log.String(), leak) {
			t.Errorf("content is shown: %s\n%s", a.text, h.log)
		}
	})
}
