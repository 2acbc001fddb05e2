package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"issuance/internal/doortest"
	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/tasks/order"
)

func TestOnlyATokenOfAnOperatorOrAViewerLogsIn(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "angela operate", "viewer events", "shop orders,refunds,tickets")
	h := open(t, path)
	b := h.browser()
	if a := b.get("/console/reviews?account=ecticket"); a.Request.URL.Path != "/console/login" {
		t.Fatalf("without a login: %s", a.Request.URL)
	}
	for name, want := range map[string]int{"shop": http.StatusForbidden, "nobody": http.StatusUnauthorized} {
		if a := b.submit("/console/login", "/console/login", "token", secrets[name]); a.StatusCode != want {
			t.Errorf("%s: %d", name, a.StatusCode)
		}
	}
	a := b.submit("/console/login", "/console/login", "token", secrets["viewer"], "next", "/console/reviews?account=ecticket")
	if a.Request.URL.RequestURI() != "/console/reviews?account=ecticket" || !strings.Contains(a.text, "view only") {
		t.Errorf("the login leads to %s", a.Request.URL)
	}
	for _, k := range b.http.Jar.Cookies(a.Request.URL) {
		for _, key := range h.rdb.Keys(t.Context(), "*").Val() {
			if strings.Contains(key, k.Value) {
				t.Errorf("Redis holds the cookie: %s", key)
			}
		}
	}
	if a := b.submit("/console/", "/console/logout"); a.Request.URL.Path != "/console/login" {
		t.Errorf("the logout leads to %s", a.Request.URL)
	}
	if a := b.get("/console/"); a.Request.URL.Path != "/console/login" {
		t.Error("a browser that has logged out is still logged in")
	}
}

func TestTheSessionCookieIsTheBrowsersAlone(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "angela operate")
	h := open(t, path)
	b := h.browser()
	b.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	token := b.csrf("/console/login")
	u, _ := url.Parse(h.url + "/console/")
	before := b.http.Jar.Cookies(u)[0].Value
	a := b.post("/console/login", url.Values{"csrf": {token}, "token": {secrets["angela"]}})
	set := a.Header.Get("Set-Cookie")
	for _, want := range []string{"HttpOnly", "SameSite=Strict", "Path=/console/"} {
		if !strings.Contains(set, want) {
			t.Errorf("the cookie lacks %s: %s", want, set)
		}
	}
	if strings.Contains(set, before) {
		t.Error("the cookie from before the login is the session's")
	}
}

func TestALoginEndsWhenItsTokenDoes(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "angela operate")
	h := open(t, path)
	b := h.loggedIn(secrets["angela"])
	ids := h.rdb.Keys(t.Context(), keys.ConsoleSession("*")).Val()
	if len(ids) != 1 {
		t.Fatalf("sessions: %v", ids)
	}
	for _, value := range []string{`{"token":"gone","since":"` + time.Now().UTC().Format(time.RFC3339) + `"}`,
		strings.Replace(h.rdb.Get(t.Context(), ids[0]).Val(), time.Now().UTC().Format("2006-01-02"), "2020-01-01", 1)} {
		if err := h.rdb.Set(t.Context(), ids[0], value, time.Hour).Err(); err != nil {
			t.Fatal(err)
		}
		if a := b.get("/console/"); a.Request.URL.Path != "/console/login" {
			t.Errorf("a session %s is still one", value)
		}
	}
}

func TestFailedLoginsLockAnAddressOutAtEveryFrontDoor(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "angela operate")
	h := open(t, path)
	b := h.browser()
	for range 5 {
		if a := b.submit("/console/login", "/console/login", "token", "iss_wrong"); a.StatusCode != http.StatusUnauthorized {
			t.Fatalf("%d", a.StatusCode)
		}
	}
	h.serve(path) // another one
	b = h.browser()
	a := b.submit("/console/login", "/console/login", "token", secrets["angela"])
	if a.StatusCode != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" {
		t.Errorf("the right token is let in: %d", a.StatusCode)
	}
	if err := h.rdb.Del(t.Context(), keys.ConsoleFailures("127.0.0.1")).Err(); err != nil { // its time has passed
		t.Fatal(err)
	}
	h.loggedIn(secrets["angela"])
}

// A valid token without the scope is nobody's guess: it says what it lacks, however often it is tried.
func TestATokenWithoutTheScopeLocksNobodyOut(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "angela operate", "shop orders")
	h := open(t, path)
	b := h.browser()
	for range 7 {
		a := b.submit("/console/login", "/console/login", "token", secrets["shop"])
		if a.StatusCode != http.StatusForbidden || !strings.Contains(a.text, "it does not open the console") {
			t.Fatalf("%d: %s", a.StatusCode, a.text)
		}
	}
	h.loggedIn(secrets["angela"])
}

// forms are all that change something.
func forms(r order.Ref) map[string]url.Values {
	reason := url.Values{"reason": {"x"}, "as": {"failed"}, "seen": {"1"}, "kind": {"cancel"}, "state": {"queued"}}
	return map[string]url.Values{at(r) + "/cancel": reason, at(r) + "/resolve": reason, at(r) + "/retry": reason, at(r) + "/show": reason,
		"/console/jobs": reason, "/console/jobs/x/start": reason, "/console/jobs/x/stop": reason}
}

func TestAFormFromElsewhereChangesNothing(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "angela operate")
	h := open(t, path)
	r := h.enqueue(shop, "A1")
	b := h.loggedIn(secrets["angela"])
	token := b.csrf(at(r))
	all := forms(r)
	all["/console/logout"] = url.Values{}
	for path, form := range all {
		for name, header := range map[string][]string{"no token": nil, "another's token": nil, "another site": {"Sec-Fetch-Site", "cross-site"}, "another origin": {"Origin", "https://evil.example"}} {
			form.Set("csrf", token)
			switch name {
			case "no token":
				form.Del("csrf")
			case "another's token":
				form.Set("csrf", h.browser().csrf("/console/login"))
			}
			if a := b.post(path, form, header...); a.StatusCode != http.StatusForbidden {
				t.Errorf("%s with %s: %d", path, name, a.StatusCode)
			}
		}
	}
	if s := h.state(r); s != order.Queued {
		t.Errorf("it is %s", s)
	}
}

func TestWithoutTokensOnlyBrowsersOfThisMachineAreAnswered(t *testing.T) {
	h := open(t, "")
	b := h.browser()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/console/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "evil.example"
	if a := b.do(req); a.StatusCode != http.StatusForbidden {
		t.Errorf("a name that leads here: %d", a.StatusCode)
	}
	if text := b.page("/console/"); !strings.Contains(text, "localhost") {
		t.Error("the page does not say who acts")
	}
}

func TestAViewerSeesAndDoesNothing(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "viewer events")
	h := open(t, path)
	r := h.enqueue(shop, "A1")
	b := h.loggedIn(secrets["viewer"])
	text := b.page(at(r))
	if strings.Contains(text, "/cancel") || strings.Contains(text, "/show") {
		t.Error("a viewer is offered what only an operator may do")
	}
	for path, form := range forms(r) {
		form.Set("csrf", b.csrf(at(r)))
		if a := b.post(path, form); a.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", path, a.StatusCode)
		}
	}
	if s := h.state(r); s != order.Queued || len(h.decisions(r)) > 0 {
		t.Errorf("it is %s; %v", s, h.decisions(r))
	}
}

func TestATokensAccountsHoldOnEveryPage(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "angela operate "+other.String())
	h := open(t, path)
	r, review := h.enqueue(shop, "FOREIGN1"), h.enqueue(shop, "FOREIGN2")
	h.review(review)
	own := h.enqueue(other, "OWN1")
	b := h.loggedIn(secrets["angela"])
	for _, path := range []string{"/console/", "/console/?state=review", "/console/?state=ended", "/console/?q=FOREIGN1", "/console/?account=" + shop.String(), "/console/reviews", "/console/export.csv?state=open", "/console/export.csv?state=review"} {
		if text := b.page(path); strings.Contains(text, `FOREIGN2`) || strings.Contains(text, `orders/ecticket:2000132`) {
			t.Errorf("%s shows another account's order", path)
		}
	}
	if !strings.Contains(b.page("/console/"), "OWN1") {
		t.Error("the own order is not listed")
	}
	if a := b.get(at(r)); a.StatusCode != http.StatusNotFound {
		t.Errorf("the page of another account's order: %d", a.StatusCode)
	}
	if a := b.get("/console/live?order=" + url.QueryEscape(r.String())); a.StatusCode != http.StatusNotFound {
		t.Errorf("the events of another account's order: %d", a.StatusCode)
	}
	for path, form := range forms(r) {
		form.Set("csrf", b.csrf(at(own)))
		if strings.HasPrefix(path, at(r)) {
			if a := b.post(path, form); a.StatusCode != http.StatusNotFound {
				t.Errorf("%s: %d", path, a.StatusCode)
			}
		}
	}
	if h.state(r) != order.Queued || h.state(review) != order.Review {
		t.Error("another account's order was changed")
	}
}

// made fails unless the last decision about a record is this one, of angela at the browser's address.
func (h *house) made(r order.Ref, what, reason string) {
	h.t.Helper()
	list := h.decisions(r)
	if len(list) == 0 {
		h.t.Fatalf("no decision about %s is recorded", r)
	}
	d := list[len(list)-1]
	if d.What != what || d.Who != "angela" || d.Reason != reason || d.From.Login != "console token angela" || d.From.Host != "127.0.0.1" {
		h.t.Errorf("decision %+v", d)
	}
}

func TestEveryActionIsRecordedWithNameAddressAndReason(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "angela operate,tickets")
	h, queued, issued, review := story(t, path)
	b := h.loggedIn(secrets["angela"])
	again := h.enqueue(shop, "REVIEW2")
	h.review(again)
	for _, path := range []string{at(queued) + "/cancel", at(issued) + "/show", at(review) + "/resolve", at(again) + "/retry"} {
		if a := b.submit(strings.TrimSuffix(path, path[strings.LastIndex(path, "/"):]), path, "as", "issued", "seen", "1", "reason", " \n "); a.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%s without a reason: %d", path, a.StatusCode)
		}
	}
	if a := b.submit(at(queued), at(queued)+"/cancel", "reason", "sold\n twice"); a.StatusCode != http.StatusOK || h.state(queued) != order.Cancelled {
		t.Errorf("cancel: %d, %s", a.StatusCode, h.state(queued))
	}
	h.made(queued, "cancel", "sold twice")
	if a := b.submit(at(review), at(review)+"/resolve", "reason", "in the back office", "as", "issued", "seen", b.seen(review)); a.StatusCode != http.StatusOK || h.state(review) != order.Issued {
		t.Errorf("resolve: %d, %s: %s", a.StatusCode, h.state(review), a.text)
	}
	h.made(review, "resolve as issued", "in the back office")
	if a := b.submit(at(again), at(again)+"/retry", "reason", "the outage is over", "seen", b.seen(again)); a.StatusCode != http.StatusOK || h.state(again) == order.Review {
		t.Errorf("retry: %d, %s", a.StatusCode, h.state(again))
	}
	h.made(again, "retry", "the outage is over")
	if a := b.submit(at(issued), at(issued)+"/show", "reason", "the customer calls"); !strings.Contains(a.text, customer) {
		t.Errorf("the document is not shown: %s", a.text)
	}
	h.made(issued, "show", "the customer calls")
	if !strings.Contains(b.page(at(issued)), "the customer calls") {
		t.Error("the page does not show who looked")
	}
}

func TestWhatWasSentIsNotCancelled(t *testing.T) {
	h, _, issued, _ := story(t, "")
	b := h.browser()
	if a := b.submit(at(issued), at(issued)+"/cancel", "reason", "x"); a.StatusCode != http.StatusConflict || !strings.Contains(a.text, "ended already") {
		t.Errorf("%d: %s", a.StatusCode, a.text)
	}
}

// Of two people who decide at once, the second is shown what the first did, and changes nothing.
func TestTheSecondOfTwoDecisionsLosesNothing(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "angela operate", "bob operate")
	h, _, _, review := story(t, path)
	angela, bob := h.loggedIn(secrets["angela"]), h.loggedIn(secrets["bob"])
	seen := bob.seen(review)
	angela.submit(at(review), at(review)+"/resolve", "as", "issued", "seen", seen, "reason", "found at ECPay")
	a := bob.submit(at(review), at(review)+"/resolve", "as", "failed", "seen", seen, "reason", "not found")
	if a.StatusCode != http.StatusConflict || !strings.Contains(a.text, "angela was faster: resolve as issued") || !strings.Contains(a.text, "found at ECPay") {
		t.Errorf("%d: %s", a.StatusCode, a.text)
	}
	if h.state(review) != order.Issued || len(h.decisions(review)) != 1 {
		t.Errorf("it is %s after %v", h.state(review), h.decisions(review))
	}
}

// A review that was retried and came back is another one: what was decided about the first is not done to it.
func TestADecisionIsAboutTheReviewThatWasSeen(t *testing.T) {
	h, _, _, review := story(t, "")
	b := h.browser()
	seen := b.seen(review)
	b.submit(at(review), at(review)+"/retry", "seen", seen, "reason", "again")
	if err := h.rdb.HSet(t.Context(), keys.Record(review), "state", "review", "event", "1-1", "final", time.Now().Add(time.Minute).UnixMilli()).Err(); err != nil {
		t.Fatal(err)
	}
	a := b.submit(at(review), at(review)+"/resolve", "as", "failed", "seen", seen, "reason", "x")
	if a.StatusCode != http.StatusConflict || h.state(review) != order.Review || !strings.Contains(a.text, "needs review again") {
		t.Errorf("%d, %s: %s", a.StatusCode, h.state(review), a.text)
	}
}

func TestTicketsNeedTheScope(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "angela operate")
	h := open(t, path)
	r := h.enqueue(shop, "A1")
	h.end(r, ledger.Ending{State: order.Issued})
	b := h.loggedIn(secrets["angela"])
	if a := b.submit(at(r), at(r)+"/show", "reason", "x"); !strings.Contains(a.text, "lacks the scope tickets") || !strings.Contains(a.text, customer) {
		t.Error(a.text)
	}
}
