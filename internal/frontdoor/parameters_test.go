package frontdoor_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"issuance/internal/doortest"
	"issuance/internal/frontdoor"
	"issuance/internal/testredis"
	"issuance/tasks"
)

// wheres are what a problem's violations are about, sorted.
func wheres(t *testing.T, p frontdoor.Problem) string {
	t.Helper()
	var out []string
	for _, v := range p.Violations {
		if out = append(out, v.Where+v.Pointer); v.Rule == "" {
			t.Errorf("no rule: %+v", v)
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func TestEveryWrongParameterIsListedInOneAnswer(t *testing.T) {
	h := open(t, "")
	for query, want := range map[string]string{
		"/v1/orders?state=foo&account=x&since=yesterday&cursor=abc&limit=x": "query account, query cursor, query limit, query since, query state",
		"/v1/events?after=abc&limit=-1":                                     "query after, query limit",
		"/v1/orders?stat=queued&limit=0":                                    "query limit, query stat",
		"/v1/orders?%E7%8E%8B=1":                                            "query",
		at + "A1?wait=x&ticket=true":                                        "query ticket, query wait",
		at + "A1/history?wait=1":                                            "query wait",
	} {
		var p frontdoor.Problem
		h.want(http.StatusUnprocessableEntity, &p, http.MethodGet, query, "")
		if got := wheres(t, p); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	var p frontdoor.Problem
	h.want(http.StatusUnprocessableEntity, &p, http.MethodGet, "/v1/orders?limit=x&stat=queued", "")
	for i, want := range []string{"must be a whole number from 1 to 1000", "is not a parameter here; did you mean state?"} {
		if len(p.Violations) != 2 || p.Violations[i].Rule != want {
			t.Errorf("%+v lacks %q", p.Violations, want)
		}
	}
	h.want(http.StatusUnprocessableEntity, &p, http.MethodGet, "/v1/events/stream", "", "Last-Event-ID", "x")
	if got := wheres(t, p); got != "header Last-Event-ID" {
		t.Errorf("%s", got)
	}
}

func TestASearchTakesTimesAsTheCommandLineDoes(t *testing.T) {
	h := open(t, "")
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A1", body)
	for since, want := range map[string]int{"24h": 1, "7d": 1, "0s": 0, "2026-01-01": 1, "2099-01-01": 0, "2026-01-01T00:00:00%2B08:00": 1} {
		var page struct{ Orders []frontdoor.Listed }
		if h.want(http.StatusOK, &page, http.MethodGet, "/v1/orders?since="+since, ""); len(page.Orders) != want {
			t.Errorf("%s finds %d, want %d", since, len(page.Orders), want)
		}
	}
}

func TestAnEmptyBodyIsNamedAsThat(t *testing.T) {
	h := open(t, "")
	var p frontdoor.Problem
	h.want(http.StatusBadRequest, &p, http.MethodPut, at+"A1", "")
	if !strings.Contains(p.Detail, "empty") || wheres(t, p) != "body" {
		t.Errorf("%+v", p)
	}
}

func TestEveryWayToWaitIsTheSame(t *testing.T) {
	h := open(t, "")
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A1", body)
	h.issue("A1")
	for _, r := range [][3]string{{http.MethodGet, at + "A1", "wait=61"}, {http.MethodPut, at + "A1", "wait=61"}} {
		content := map[bool]string{true: body}[r[0] == http.MethodPut]
		if a := h.want(http.StatusOK, nil, r[0], r[1], content, "Prefer", r[2]); a.Header.Get("Preference-Applied") != "wait=60" {
			t.Errorf("%v: %v", r, a.Header)
		}
		h.want(http.StatusOK, nil, r[0], r[1]+"?wait=61", content)
		for _, c := range []struct{ query, prefer, applied string }{
			{"", "wait=99", "wait=60"}, {"?wait=99", "wait=5", "wait=60"}, {"?wait=5", "wait=7", "wait=7"}, {"?wait=7", "wait=5", "wait=7"},
			{"?wait=99", "", ""}, {"", "wait=x", ""}, {"", "wait=-1", ""}, {"", "wait=99999999999999999999", ""}, {"", "respond-async, wait=10", "wait=10"},
		} {
			if a := h.want(http.StatusOK, nil, r[0], r[1]+c.query, content, "Prefer", c.prefer); a.Header.Get("Preference-Applied") != c.applied {
				t.Errorf("%s %+v: applied %q", r[0], c, a.Header.Get("Preference-Applied"))
			}
		}
	}
}

func TestAnUnknownAccountIsAnsweredByOneRule(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "all orders", "other orders pass2u:main")
	h := open(t, path)
	h.token = secrets["all"]
	for _, account := range []string{"foo", "ECTICKET", "ecticket:999"} {
		var p frontdoor.Problem
		h.want(http.StatusUnprocessableEntity, &p, http.MethodPut, "/v1/orders/"+account+"/A1", body)
		if p.Code != "unknown_account" || wheres(t, p) != "path account" {
			t.Errorf("%s: %+v", account, p)
		}
		p = frontdoor.Problem{}
		h.want(http.StatusNotFound, &p, http.MethodGet, "/v1/orders/"+account+"/A1", "")
		if want := map[bool]frontdoor.Code{true: "unknown", false: "unknown_account"}[account == "ecticket:999"]; p.Code != want { // nobody has said yet who serves what
			t.Errorf("%s: %+v", account, p)
		}
	}
	h.token = secrets["other"]
	h.want(http.StatusForbidden, nil, http.MethodGet, "/v1/orders?account=ecticket", "")
	h.want(http.StatusOK, nil, http.MethodGet, "/v1/orders?account=pass2u", "")
}

// An account that cannot be meant is named as that by every request that has one, together with all else that is wrong.
func TestAWrongAccountIsNamedByEveryRequest(t *testing.T) {
	h := openUnruled(t, shop)
	wrong := strings.Replace(body, `"IssueType":"2"`, `"IssueType":"9"`, 1)
	for _, account := range []string{"kiosk", "ecticket:", "ecticket:%20", "ecticket:999", "pass2u:other"} {
		path := "/v1/orders/" + account + "/A1"
		for _, c := range []struct {
			method, path, content string
			status                int
			want                  string
		}{
			{http.MethodPut, path, body, http.StatusUnprocessableEntity, "path account"},
			{http.MethodPut, path + "?wait=x", strings.Replace(wrong, "{", `{"MerchantTradeNo":"B1",`, 1), http.StatusUnprocessableEntity, "path account, query wait"},
			{http.MethodPut, path + "/refunds/R1", `{"all":true}`, http.StatusUnprocessableEntity, "path account"},
			{http.MethodPut, path + "/refunds/R1", `{"quantity":0}`, http.StatusUnprocessableEntity, "path account"},
			{http.MethodGet, path, "", http.StatusNotFound, "path account"},
			{http.MethodGet, path + "/history", "", http.StatusNotFound, "path account"},
			{http.MethodGet, "/v1/orders?account=" + account, "", http.StatusUnprocessableEntity, "query account"},
			{http.MethodGet, "/v1/orders?q=A1&account=" + account, "", http.StatusUnprocessableEntity, "query account"},
			{http.MethodPost, "/v1/bulk?account=" + account, "{}\n", http.StatusUnprocessableEntity, "query account"},
			{http.MethodPost, "/v1/bulk?dry_run=true&account=" + account, "{}\n", http.StatusUnprocessableEntity, "query account"},
		} {
			var p frontdoor.Problem
			h.want(c.status, &p, c.method, c.path, c.content)
			got := wheres(t, p)
			for part := range strings.SplitSeq(c.want, ", ") {
				if !strings.Contains(got, part) || p.Code != "unknown_account" {
					t.Errorf("%s %s: %s, %q lacks %q", c.method, c.path, p.Code, got, part)
				}
			}
		}
		for _, cancelled := range []string{path + "/cancel", path + "/refunds/R1/cancel"} {
			var p frontdoor.Problem
			if a := h.call(http.MethodPost, cancelled, ""); json.Unmarshal([]byte(a.text), &p) != nil || p.Code != "unknown_account" || wheres(t, p) != "path account" {
				t.Errorf("%s: %d %s", cancelled, a.StatusCode, a.text)
			}
		}
	}
	h.want(http.StatusNotFound, nil, http.MethodGet, at+"A1", "")
}

// What an account has recorded is shown also when nobody serves it any more.
func TestAnAccountThatIsNotServedAnyMoreIsStillAnswered(t *testing.T) {
	h := openUnruled(t)
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A1", body)
	announced(t, h, pass2u)
	h.serve("")
	h.want(http.StatusOK, nil, http.MethodGet, at+"A1", "")
	var page struct{ Orders []frontdoor.Listed }
	if h.want(http.StatusOK, &page, http.MethodGet, "/v1/orders?account=ecticket:2000132", ""); len(page.Orders) != 1 {
		t.Errorf("%+v", page)
	}
	h.want(http.StatusOK, nil, http.MethodPost, at+"A1/cancel", "")
}

// A parameter that stands twice in a query says two things, and one that cannot be read says nothing: neither is guessed at.
func TestAParameterStandsOnceInAQuery(t *testing.T) {
	h := open(t, "")
	for _, c := range []struct{ method, path, content, want string }{
		{http.MethodPut, at + "A1?lane=bulk&lane=checkout", body, "query lane"},
		{http.MethodPut, at + "A1?wait=1&wait=1", body, "query wait"},
		{http.MethodPut, at + "A1?wait=1;lane=bulk", body, "query, query wait"},
		{http.MethodPut, at + "A1?lane=%zz", body, "query"},
		{http.MethodGet, at + "A1?tickets=true&tickets=false&x=1&x=2", "", "query tickets, query x"},
		{http.MethodGet, "/v1/orders?state=issued&state=failed&limit=x&limit=1", "", "query limit, query state"},
		{http.MethodGet, "/v1/events?after=0&after=1", "", "query after"},
		{http.MethodPost, "/v1/bulk?account=ecticket&account=pass2u", "{}\n", "query account"},
		{http.MethodPost, at + "A1/cancel?reason=a&reason=b", "", "query reason"},
	} {
		var p frontdoor.Problem
		h.want(http.StatusUnprocessableEntity, &p, c.method, c.path, c.content)
		if got := wheres(t, p); got != c.want {
			t.Errorf("%s %s: %q, want %q", c.method, c.path, got, c.want)
		}
	}
	h.want(http.StatusNotFound, nil, http.MethodGet, at+"A1", "")
}

// What is written into the body of a request that takes none is not lost without a word, and nothing is done.
func TestABodyThatIsNotTakenIsRefused(t *testing.T) {
	h := open(t, "")
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A1", body)
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A1/refunds/R1", `{"all":true}`)
	for _, path := range []string{at + "A1/cancel", at + "A1/refunds/R1/cancel"} {
		for _, content := range []string{`{"reason":"王小明"}`, "reason=x", strings.Repeat("x", 5000)} {
			var p frontdoor.Problem
			h.want(http.StatusUnprocessableEntity, &p, http.MethodPost, path+"?raison=x", content)
			if got := wheres(t, p); got != "body, query raison" {
				t.Errorf("%s: %q", path, got)
			}
		}
	}
	var st frontdoor.Status
	h.want(http.StatusOK, &st, http.MethodGet, at+"A1", "")
	if st.State != tasks.Queued || len(st.Refunds) != 1 || st.Refunds[0].State != tasks.Queued {
		t.Errorf("%+v", st)
	}
	h.want(http.StatusOK, nil, http.MethodPost, at+"A1/refunds/R1/cancel", " {}\n")
	h.want(http.StatusOK, nil, http.MethodPost, at+"A1/cancel?reason=x", "")
}

// A byte order mark, which editors and some languages write, is named as that, with all else that is wrong.
func TestAByteOrderMarkIsNamed(t *testing.T) {
	h := open(t, "")
	wrong := strings.Replace(body, `"IssueType":"2"`, `"IssueType":"9"`, 1)
	for _, c := range []struct{ method, path, content, want string }{
		{http.MethodPut, at + "A1", body, "body"},
		{http.MethodPut, at + "A1?wait=x", wrong, "body, body/IssueType, query wait"},
		{http.MethodPut, at + "A1", strings.Replace(body, "{", `{"MerchantTradeNo":"A2",`, 1), "body, body/MerchantTradeNo"},
		{http.MethodPut, at + "A1/refunds/R1", `{"all":true}`, "body"},
		{http.MethodPost, "/v1/orders", `{"provider":"ecticket","request":` + wrong + `}`, "body, body/request/IssueType, body/request/MerchantTradeNo"},
	} {
		var p frontdoor.Problem
		a := h.want(http.StatusUnprocessableEntity, &p, c.method, c.path, "\ufeff"+c.content)
		if got := wheres(t, p); got != c.want || !strings.Contains(a.text, "byte order mark") {
			t.Errorf("%s %s: %q, want %q: %+v", c.method, c.path, got, c.want, p.Violations)
		}
	}
	h.want(http.StatusNotFound, nil, http.MethodGet, at+"A1", "")
}

// A request is put right in one go: parameters, path, headers and body are listed by one answer, which changes nothing.
func TestWrongParametersAreListedWithTheBodysViolations(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "all orders,refunds", "desk events", "other orders,refunds pass2u:main")
	h := open(t, path)
	h.token = secrets["all"]
	wrong := strings.Replace(body, `"IssueType":"2"`, `"IssueType":"9"`, 1)
	document := func(request string) string { return `{"provider":"ecticket","request":` + request + `}` }
	long := strings.Repeat("x", 201)
	for _, c := range []struct{ method, path, content, code, want string }{
		{http.MethodPut, at + "A1?wait=x", body, "invalid", "query wait"},
		{http.MethodPut, at + "A1?wait=x", wrong, "invalid", "body/IssueType, query wait"},
		{http.MethodPut, at + "A1?lane=fast&wat=1", wrong, "invalid", "body/IssueType, query lane, query wat"},
		{http.MethodPut, at + "A1?wat=1", wrong, "invalid", "body/IssueType, query wat"},
		{http.MethodPut, at + "A1?wait=x", `{`, "invalid", "body, query wait"},
		{http.MethodPut, at + "A1?wait=x", "", "invalid", "body, query wait"},
		{http.MethodPut, at + strings.Repeat("A", 65) + "?wait=x", body, "invalid", "path order_id, query wait"},
		{http.MethodPut, "/v1/orders/ecticket:a:b/A1?lane=fast", wrong, "unknown_account", "body/IssueType, path account, query lane"},
		{http.MethodPut, at + "A1/refunds/R%20?wait=x&lanes=bulk", `{"quantity":0}`, "invalid", "body/quantity, path refund_id, query lanes, query wait"},
		{http.MethodPost, "/v1/orders?lane=fast", document(wrong), "invalid", "body/request/IssueType, body/request/MerchantTradeNo, query lane"},
		{http.MethodPost, at + "A1/cancel?reason=" + long, "", "invalid", "query reason"},
		{http.MethodPost, "/v1/orders/kiosk/A1/cancel?reason=" + long, "", "unknown_account", "path account, query reason"},
		{http.MethodPost, "/v1/orders/kiosk/A1/refunds/R1/cancel?raison=x", "", "unknown_account", "path account, query raison"},
		{http.MethodPost, "/v1/bulk?dry_run=x&account=kiosk", document(body) + "\n", "unknown_account", "query account, query dry_run"},
	} {
		var p frontdoor.Problem
		status := http.StatusUnprocessableEntity
		if c.method == http.MethodPut && c.content == "" {
			status = http.StatusBadRequest
		}
		h.want(status, &p, c.method, c.path, c.content)
		if got := wheres(t, p); got != c.want || p.Code != frontdoor.Code(c.code) {
			t.Errorf("%s %s %s: %s, %q, want %q", c.method, c.path, c.content, p.Code, got, c.want)
		}
	}
	var p frontdoor.Problem
	h.want(http.StatusUnprocessableEntity, &p, http.MethodPut, at+"A1?wait=x", wrong, "Idempotency-Key", "cart-1")
	if got, want := wheres(t, p), "body/IssueType, header Idempotency-Key, query wait"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	h.want(http.StatusUnprocessableEntity, &p, http.MethodPost, "/v1/orders?wait=x", document(wrong), "Idempotency-Key", strings.Repeat("k", 256))
	if got, want := wheres(t, p), "body/request/IssueType, header Idempotency-Key, query wait"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	h.want(http.StatusNotFound, nil, http.MethodGet, at+"A1", "")
}

// Who may not make a request, or sends what is not taken, is answered that, and nothing of what the request holds.
func TestWrongParametersDoNotComeBeforeWhoMayAsk(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "all orders", "desk events", "other orders pass2u:main")
	h := open(t, path)
	for _, c := range []struct {
		token, path, kind, content string
		status                     int
	}{
		{"", at + "A1?wait=x", "application/json", "{}", http.StatusUnauthorized},
		{"desk", at + "A1?wait=x", "application/json", "{}", http.StatusForbidden},
		{"desk", at + "A1?wat=1", "application/json", "{}", http.StatusForbidden},
		{"other", at + "A1?wait=x", "application/json", "{}", http.StatusForbidden},
		{"all", at + "A1?wait=x", "text/plain", "{}", http.StatusUnsupportedMediaType},
		{"all", at + "A1?wait=x", "application/json", `"` + strings.Repeat("x", 1<<20) + `"`, http.StatusRequestEntityTooLarge},
	} {
		h.token = secrets[c.token]
		a := h.call(http.MethodPut, c.path, c.content, "Content-Type", c.kind)
		if a.StatusCode != c.status {
			t.Errorf("%s %s: %d %s, want %d", c.token, c.path, a.StatusCode, a.text, c.status)
		}
	}
}

// Where nothing can be known of accounts, wrong parameters are still named.
func TestWrongParametersAreNamedWithoutRedis(t *testing.T) {
	srv := testredis.Mini(t)
	h := openOver(t, srv, "")
	srv.Kill()
	var p frontdoor.Problem
	h.want(http.StatusUnprocessableEntity, &p, http.MethodPut, at+"A1?wait=x", body)
	if got := wheres(t, p); got != "query wait" {
		t.Errorf("%q", got)
	}
}
