package frontdoor_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"issuance/internal/doortest"
	"issuance/internal/frontdoor"
	"issuance/internal/ledger"
	"issuance/internal/testredis"
	"issuance/tasks"
	"issuance/tasks/order"
)

func TestAnOrderPutTwiceIsOneOrder(t *testing.T) {
	h := openOver(t, testredis.Start(t), "")
	var first, second frontdoor.Status
	a := h.want(http.StatusCreated, &first, http.MethodPut, at+"A1", body)
	if first.State != tasks.Queued || first.OrderID != "A1" || a.Header.Get("Location") != at+"A1" {
		t.Errorf("%+v, location %q", first, a.Header.Get("Location"))
	}
	h.want(http.StatusOK, &second, http.MethodPut, at+"A1", body)
	if !second.Duplicate || second.State != tasks.Queued || second.CreatedAt == nil {
		t.Errorf("%+v", second)
	}
	h.issue("A1")
	h.want(http.StatusOK, &second, http.MethodPut, at+"A1", body)
	if second.State != tasks.Issued || second.FinalAt == nil || second.ProviderRef != "REFA1" {
		t.Errorf("a repetition does not answer the current truth: %+v", second)
	}
	if n, err := h.rdb.ZCard(t.Context(), "asynq:{ecticket-checkout}:pending").Result(); err == nil && n > 1 {
		t.Errorf("%d tasks", n)
	}
}

func TestAnotherDocumentUnderTheNumberIsAConflictWithoutContent(t *testing.T) {
	h := open(t, "")
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A1", body)
	var p frontdoor.Problem
	h.want(http.StatusConflict, &p, http.MethodPut, at+"A1", otherBody)
	if p.Code != "conflict" || p.State != tasks.Queued || p.EnqueuedAt == nil || time.Since(*p.EnqueuedAt) > time.Minute || p.OrderID != "A1" || p.RequestID == "" {
		t.Errorf("%+v", p)
	}
}

func TestEveryViolationIsNamedByItsPointer(t *testing.T) {
	h := open(t, "")
	var p frontdoor.Problem
	h.want(http.StatusUnprocessableEntity, &p, http.MethodPut, at+"A1",
		`{"IssueType":"9","Operator":"AngelaChan","Nonsense":1,"CustomerPhone":"王小明","TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":0}]}`)
	pointers := map[string]bool{}
	for _, v := range p.Violations {
		pointers[v.Pointer] = true
		if v.Rule == "" {
			t.Errorf("%+v", v)
		}
	}
	for _, want := range []string{"/IssueType", "/Nonsense", "/TicketInfo/0/TicketAmount"} {
		if !pointers[want] {
			t.Errorf("no violation of %s in %+v", want, p.Violations)
		}
	}
	h.want(http.StatusNotFound, nil, http.MethodGet, at+"A1", "")

	h.want(http.StatusUnprocessableEntity, &p, http.MethodPost, "/v1/orders", `{"provider":"ecticket","request":{"TicketInfo":[{"TicketAmount":"x"}]}}`)
	if !strings.Contains(p.Violations[len(p.Violations)-1].Pointer, "/request/TicketInfo/0/") {
		t.Errorf("%+v", p.Violations)
	}
}

func TestTheNumberInTheBodyIsThePathsOrLeftOut(t *testing.T) {
	h := open(t, "")
	with := func(number string) string {
		return strings.Replace(body, "{", `{"MerchantTradeNo":"`+number+`",`, 1)
	}
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A1", with("A1"))
	h.want(http.StatusOK, nil, http.MethodPut, at+"A1", body)
	var p frontdoor.Problem
	h.want(http.StatusUnprocessableEntity, &p, http.MethodPut, at+"A2", with("A1"))
	if len(p.Violations) != 1 || p.Violations[0].Pointer != "/MerchantTradeNo" {
		t.Errorf("%+v", p)
	}
	h.want(http.StatusNotFound, nil, http.MethodGet, at+"A2", "")
}

// A number that is empty, or null, is left out, as everywhere in a document: it is the path's, of orders and of refunds.
func TestAnEmptyNumberInTheBodyIsThePaths(t *testing.T) {
	h := open(t, "")
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A1", body)
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A1/refunds/R1", `{"all":true}`)
	for _, empty := range []string{`{"MerchantTradeNo":"",`, `{ "MerchantTradeNo" : null , `, `{"FreeTradeNo":"",`, `{"FreeTradeNo":null,"MerchantTradeNo":"",`, `{"MerchantTradeNo":"","FreeTradeNo":null,`} {
		h.want(http.StatusOK, nil, http.MethodPut, at+"A1", strings.Replace(body, "{", empty, 1))
	}
	h.want(http.StatusOK, nil, http.MethodPut, at+"A1", strings.TrimSuffix(body, "}")+`,"MerchantTradeNo":null}`)
	h.want(http.StatusOK, nil, http.MethodPut, at+"A1/refunds/R1", `{"MerchantTradeNo":"","all":true}`)
	h.want(http.StatusOK, nil, http.MethodPut, at+"A1/refunds/R1", `{"all":true,"MerchantTradeNo":null}`)
	var p frontdoor.Problem
	h.want(http.StatusUnprocessableEntity, &p, http.MethodPut, at+"A%20B", strings.Replace(body, "{", `{"MerchantTradeNo":"",`, 1))
	if got := wheres(t, p); got != "path order_id" {
		t.Errorf("%q", got)
	}
	h.want(http.StatusUnprocessableEntity, &p, http.MethodPut, at+"A1", strings.Replace(body, "{", `{"MerchantTradeNo":"B1","MerchantTradeNo":"",`, 1))
	if got := wheres(t, p); !strings.Contains(got, "body/MerchantTradeNo") {
		t.Errorf("%q", got)
	}
}

// Quotes around a key do not count among its characters.
func TestAKeyHasUpTo255CharactersWithoutItsQuotes(t *testing.T) {
	h := open(t, "")
	document := `{"provider":"ecticket","request":` + body + `}`
	most := strings.Repeat("k", 255)
	var first, quoted frontdoor.Status
	h.want(http.StatusCreated, &first, http.MethodPost, "/v1/orders", document, "Idempotency-Key", most)
	h.want(http.StatusOK, &quoted, http.MethodPost, "/v1/orders", document, "Idempotency-Key", `"`+most+`"`)
	if first.OrderID != quoted.OrderID {
		t.Errorf("%s and %s", first.OrderID, quoted.OrderID)
	}
	h.want(http.StatusCreated, nil, http.MethodPost, "/v1/orders", document, "Idempotency-Key", `"`+strings.Repeat(`\"`, 255)+`"`)
	for _, long := range []string{most + "k", `"` + most + `k"`} {
		var p frontdoor.Problem
		h.want(http.StatusUnprocessableEntity, &p, http.MethodPost, "/v1/orders", document, "Idempotency-Key", long)
		if v := violation(t, p, "header Idempotency-Key"); v.Shape != "string of 256 characters" || !strings.Contains(v.Rule, "255") {
			t.Errorf("%+v", p)
		}
	}
}

func TestAKeyMakesTheSameNumberForTheSameCallerAlone(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "web orders", "app orders")
	h := open(t, path)
	document := `{"provider":"ecticket","request":` + body + `}`
	post := func(caller, key string, status int) string {
		h.token = secrets[caller]
		var st frontdoor.Status
		h.want(status, &st, http.MethodPost, "/v1/orders", document, "Idempotency-Key", key)
		return st.OrderID
	}
	first := post("web", "cart-1", http.StatusCreated)
	if len(first) != 20 || strings.Trim(first, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		t.Errorf("number %q", first)
	}
	if again := post("web", "cart-1", http.StatusOK); again != first {
		t.Errorf("the same key made %s and %s", first, again)
	}
	if other := post("app", "cart-1", http.StatusCreated); other == first {
		t.Error("two callers' keys made one number")
	}
	if other := post("web", "cart-2", http.StatusCreated); other == first {
		t.Error("two keys made one number")
	}
	h.token = secrets["web"]
	var p frontdoor.Problem
	h.want(http.StatusUnprocessableEntity, &p, http.MethodPost, "/v1/orders", document)
	h.want(http.StatusConflict, &p, http.MethodPost, "/v1/orders", `{"provider":"ecticket","request":`+otherBody+`}`, "Idempotency-Key", "cart-1")
	if quoted := post("web", `"cart-1"`, http.StatusOK); quoted != first {
		t.Errorf("a key and its quoted form made %s and %s", first, quoted)
	}
	if escaped := post("web", `"cart \\ \"1\""`, http.StatusCreated); escaped != post("web", `cart \ "1"`, http.StatusOK) {
		t.Error("a key and its escaped form made two numbers")
	}
}

// A key never stands beside another identity of the order, which would be sold a second time.
func TestAKeyThatDoesNotIdentifyTheOrderAloneIsRefused(t *testing.T) {
	h := open(t, "")
	numbered := func(id, number string) string {
		return `{"provider":"ecticket","request":` + strings.Replace(body, "{", `{"`+id+`":`+number+`,`, 1) + `}`
	}
	document := `{"provider":"ecticket","request":` + body + `}`
	h.want(http.StatusCreated, nil, http.MethodPost, "/v1/orders", document, "Idempotency-Key", "cart-1")
	for _, d := range []string{numbered("MerchantTradeNo", `"OWN1"`), numbered("MerchantTradeNo", `null`), numbered("FreeTradeNo", `"OWN1"`)} {
		var p frontdoor.Problem
		h.want(http.StatusUnprocessableEntity, &p, http.MethodPost, "/v1/orders", d, "Idempotency-Key", "cart-1")
		if p.Code != "invalid" || !strings.Contains(p.Detail, "one of both") || !strings.HasSuffix(p.Violations[0].Pointer, "TradeNo") ||
			len(p.Violations) != 1+strings.Count(d, "FreeTradeNo") { // whose items lack something, too
			t.Errorf("%+v", p)
		}
	}
	h.want(http.StatusNotFound, nil, http.MethodGet, at+"OWN1", "")
	for _, keys := range [][]string{{""}, {`""`}, {" "}, {"cart-2", "cart-3"}, {"cart-2", "cart-2"}, {"", "cart-2"}} {
		r := httptest.NewRequest(http.MethodPost, "http://localhost/v1/orders", strings.NewReader(document))
		r.Header["Idempotency-Key"] = keys
		w := httptest.NewRecorder()
		if h.server.ServeHTTP(w, r); w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), "Idempotency-Key") {
			t.Errorf("%q: %d %s", keys, w.Code, w.Body)
		}
	}
	h.want(http.StatusCreated, nil, http.MethodPost, "/v1/orders", numbered("MerchantTradeNo", `"OWN1"`))
}

// A request that waits is answered by the event, long before its time.
func TestARequestWaitsForTheFinalStatus(t *testing.T) {
	h := openOver(t, testredis.Start(t), "")
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A1", body)
	type result struct {
		st   frontdoor.Status
		took time.Duration
	}
	results := make(chan result, 2)
	began := time.Now()
	go func() {
		var r result
		h.want(http.StatusOK, &r.st, http.MethodGet, at+"A1?wait=50", "")
		r.took = time.Since(began)
		results <- r
	}()
	go func() {
		var r result
		h.want(http.StatusOK, &r.st, http.MethodPut, at+"A1", body, "Prefer", "respond-async, wait=50")
		r.took = time.Since(began)
		results <- r
	}()
	for metric(h, "issuance_http_waiting_requests") != "2" && time.Since(began) < 10*time.Second {
	}
	h.issue("A1")
	for range 2 {
		if r := <-results; r.st.State != tasks.Issued || r.took > 30*time.Second {
			t.Errorf("%+v after %s", r.st, r.took)
		}
	}
	var st frontdoor.Status
	a := h.want(http.StatusCreated, &st, http.MethodPut, at+"A2", body, "Prefer", "wait=1")
	if st.State != tasks.Queued || a.Header.Get("Preference-Applied") != "wait=1" {
		t.Errorf("%+v, %v", st, a.Header)
	}
}

// A number that no order has is answered at once: there is nothing that waiting would show.
func TestAnUnknownOrderIsNotWaitedFor(t *testing.T) {
	h := open(t, "")
	began := time.Now()
	h.want(http.StatusNotFound, nil, http.MethodGet, at+"A1?wait=30", "")
	h.want(http.StatusNotFound, nil, http.MethodGet, at+"A1", "", "Prefer", "wait=30")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("answered after %s", took)
	}
}

func metric(h *house, name string) string {
	for line := range strings.Lines(h.call(http.MethodGet, "/metrics", "").text) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(rest)
		}
	}
	return ""
}

func TestTicketsNeedTheirScope(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "shop orders", "desk orders,tickets")
	h := open(t, path)
	h.token = secrets["shop"]
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A1", body)
	var p frontdoor.Problem
	h.want(http.StatusForbidden, &p, http.MethodGet, at+"A1?tickets=true", "")
	if p.Code != "forbidden" {
		t.Errorf("%+v", p)
	}
	h.token = secrets["desk"]
	h.want(http.StatusOK, nil, http.MethodGet, at+"A1?tickets=true", "")
}

func TestAStatusThatIsStillTheSameIsNotSentAgain(t *testing.T) {
	h := open(t, "")
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A1", body)
	h.issue("A1")
	a := h.want(http.StatusOK, nil, http.MethodGet, at+"A1", "")
	b := h.call(http.MethodGet, at+"A1", "", "If-None-Match", a.Header.Get("ETag"))
	if b.StatusCode != http.StatusNotModified || b.text != "" {
		t.Errorf("%d %q", b.StatusCode, b.text)
	}
	for match, want := range map[string]int{"*": http.StatusNotModified, "W/" + a.Header.Get("ETag"): http.StatusNotModified, `"x", "y"`: http.StatusOK} {
		h.want(want, nil, http.MethodGet, at+"A1", "", "If-None-Match", match)
	}
}

func TestARefundIsPutUnderItsOrder(t *testing.T) {
	h := open(t, "")
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A1", body)
	var st frontdoor.Status
	h.want(http.StatusCreated, &st, http.MethodPut, at+"A1/refunds/R1", `{"all":true}`)
	if len(st.Refunds) != 1 || st.Refunds[0].RefundID != "R1" || st.Refunds[0].State != tasks.Queued {
		t.Errorf("%+v", st)
	}
	h.want(http.StatusOK, &st, http.MethodPut, at+"A1/refunds/R1", `{"all":true}`)
	if !st.Duplicate {
		t.Errorf("%+v", st)
	}
	h.want(http.StatusConflict, nil, http.MethodPut, at+"A1/refunds/R1", `{"quantity":1}`)
	var p frontdoor.Problem
	h.want(http.StatusUnprocessableEntity, &p, http.MethodPut, at+"A1/refunds/R2", `{"quantity":0,"x":1}`)
	if len(p.Violations) < 2 || !strings.HasPrefix(p.Violations[0].Pointer, "/") {
		t.Errorf("%+v", p)
	}
	h.want(http.StatusUnprocessableEntity, nil, http.MethodPut, at+"A1/refunds/R3", `{`)
	h.want(http.StatusNotFound, &p, http.MethodPost, at+"A1/refunds/R9/cancel", "")
	if !strings.Contains(p.Detail, "no such refund") {
		t.Errorf("%+v", p)
	}
	h.want(http.StatusOK, &st, http.MethodPost, at+"A1/refunds/R1/cancel", "")
	if st.Refunds[0].State != tasks.Cancelled {
		t.Errorf("%+v", st)
	}
}

func TestAnOrderIsCancelledOnlyBeforeItIsSent(t *testing.T) {
	h := open(t, "")
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A1", body)
	var st frontdoor.Status
	h.want(http.StatusOK, &st, http.MethodPost, at+"A1/cancel?reason=sold+out", "")
	if st.State != tasks.Cancelled {
		t.Errorf("%+v", st)
	}
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A2", body)
	h.issue("A2")
	var p frontdoor.Problem
	h.want(http.StatusConflict, &p, http.MethodPost, at+"A2/cancel", "")
	if p.Code != "not_cancellable" || p.State != tasks.Issued {
		t.Errorf("%+v", p)
	}
	h.want(http.StatusNotFound, &p, http.MethodPost, at+"A3/cancel", "")
	if p.OrderID != "A3" {
		t.Errorf("%+v", p)
	}
}

func TestAHistoryHoldsTheOrderAndItsRefunds(t *testing.T) {
	h := open(t, "")
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A1", body)
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A1/refunds/R1", `{"all":true}`)
	var got struct{ Steps []frontdoor.Step }
	h.want(http.StatusOK, &got, http.MethodGet, at+"A1/history", "")
	of := map[string]int{}
	for _, s := range got.Steps {
		of[s.RefundID]++
	}
	if of[""] == 0 || of["R1"] == 0 {
		t.Errorf("%+v", got)
	}
	h.want(http.StatusNotFound, nil, http.MethodGet, at+"A9/history", "")
}

func TestASearchFindsAllByPages(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "all orders", "other orders pass2u:main")
	h := open(t, path)
	h.token = secrets["all"]
	for _, id := range []string{"A1", "A2", "A3", "A4", "A5"} {
		h.want(http.StatusCreated, nil, http.MethodPut, at+id, body)
	}
	h.issue("A3")
	h.end(tasks.Ref{Account: shop, OrderID: "A4"}, ledger.Ending{State: order.Review, Reason: ledger.Reason{Code: "overdue"}})
	search := func(query string) (found []frontdoor.Listed) {
		seen := map[string]bool{}
		for cursor, pages := "", 0; ; pages++ {
			var page struct {
				Orders []frontdoor.Listed
				Next   string
			}
			h.want(http.StatusOK, &page, http.MethodGet, "/v1/orders?limit=2&"+query+"&cursor="+cursor, "")
			for _, l := range page.Orders {
				if !seen[l.OrderID] {
					seen[l.OrderID], found = true, append(found, l)
				}
			}
			if cursor = page.Next; cursor == "" || pages > 20 {
				return found
			}
		}
	}
	for query, want := range map[string]int{"": 5, "state=queued": 3, "state=issued,review": 2, "account=ecticket": 5, "account=pass2u": 0, "q=A2": 1, "q=REFA3": 1,
		"item=VQT04959": 5, "item=NONE": 0, "since=2099-01-01T00:00:00Z": 0} {
		if got := search(query); len(got) != want {
			t.Errorf("%q finds %d, want %d", query, len(got), want)
		}
	}
	if got := search("state=review"); len(got) != 1 || got[0].ReviewAt == nil || got[0].FinalAt != nil || got[0].Code != "overdue" {
		t.Errorf("%+v", got)
	}
	for _, bad := range []string{"state=sold", "account=nobody", "cursor=x", "cursor=7.3", "limit=0", "limit=x", "since=yesterday"} {
		var p frontdoor.Problem
		if h.want(http.StatusUnprocessableEntity, &p, http.MethodGet, "/v1/orders?"+bad, ""); len(p.Violations) == 0 {
			t.Errorf("%s: %+v", bad, p)
		}
	}
	h.token = secrets["other"]
	if got := search(""); len(got) != 0 {
		t.Errorf("another account's token finds %+v", got)
	}
}
