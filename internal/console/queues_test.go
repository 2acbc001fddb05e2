package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"issuance/internal/console"
	"issuance/internal/doortest"
	"issuance/internal/keys"
	"issuance/internal/queueui"
	"issuance/internal/redisconn"
)

// openQueues is open with a page of queues.
func openQueues(t *testing.T, tokens string) *house {
	t.Helper()
	return openWith(t, tokens, func(h *house, address string) {
		o, err := redisconn.Parse(redisconn.Source{URL: address})
		if err != nil {
			t.Fatal(err)
		}
		pages := queueui.Connect(o)
		t.Cleanup(func() { _ = pages.Close() })
		h.with = func(c *console.Config) { c.Pages = pages }
	})
}

const (
	queuesAPI = "/console/queues/ui/api/queues/ecticket-checkout"
	pauseIt   = queuesAPI + ":pause"
)

// Queues are shown to whoever is logged in and sees all accounts, and nobody changes anything there who has not said why.
func TestQueuesAreReadOnlyUntilSomebodySaysWhy(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "angela operate", "viewer events", "limited operate "+shop.String())
	h := openQueues(t, path)
	h.enqueue(shop, "A1")
	paused := func() bool { return h.rdb.Exists(t.Context(), keys.Queue("ecticket-checkout")+"paused").Val() > 0 }
	own := []string{"Sec-Fetch-Site", "same-origin"}

	if a := h.browser().get(queuesAPI); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a login: %d", a.StatusCode)
	}
	limited := h.loggedIn(secrets["limited"])
	for _, p := range []string{"/console/queues/", "/console/queues/ui/", queuesAPI} {
		if a := limited.get(p); a.StatusCode != http.StatusForbidden {
			t.Errorf("%s to a token that is limited to an account: %d", p, a.StatusCode)
		}
	}
	if strings.Contains(limited.page("/console/"), "/console/queues/") {
		t.Error("the navigation leads to what may not be seen")
	}
	viewer, b := h.loggedIn(secrets["viewer"]), h.loggedIn(secrets["angela"])
	for name, who := range map[string]*browser{"viewer": viewer, "operator": b} {
		if text := who.page("/console/queues/"); !strings.Contains(text, `<iframe class="queues" src="/console/queues/ui/"`) || !strings.Contains(text, "read-only") {
			t.Errorf("%s: %s", name, text)
		}
		if text := who.page(queuesAPI); !strings.Contains(text, `"size":1`) || strings.Contains(text, customer) {
			t.Errorf("%s: %s", name, text)
		}
		if a := who.post(pauseIt, nil, own...); a.StatusCode != http.StatusForbidden || paused() {
			t.Errorf("%s pauses a queue: %d", name, a.StatusCode)
		}
	}
	if a := viewer.submit("/console/", "/console/queues/changes", "reason", "x"); a.StatusCode != http.StatusForbidden {
		t.Errorf("a viewer allows changes: %d", a.StatusCode)
	}
	if a := b.submit("/console/queues/", "/console/queues/changes"); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("changes without a reason: %d", a.StatusCode)
	}
	b.submit("/console/queues/", "/console/queues/changes", "reason", "a stuck task")
	if a := b.post(pauseIt, url.Values{}, "Sec-Fetch-Site", "cross-site"); a.StatusCode != http.StatusForbidden || paused() {
		t.Errorf("another site pauses a queue: %d", a.StatusCode)
	}
	if a := b.post(pauseIt, nil, own...); a.StatusCode != http.StatusNoContent || !paused() {
		t.Errorf("an operator who said why: %d", a.StatusCode)
	}
	list, err := h.rdb.XRange(t.Context(), keys.Decisions, "-", "+").Result()
	if err != nil || len(list) != 2 || list[1].Values["what"] != "queues: POST queues/ecticket-checkout:pause" || list[1].Values["reason"] != "a stuck task" || list[1].Values["who"] != "angela" {
		t.Errorf("the decisions: %+v %v", list, err)
	}
	if a := viewer.post(pauseIt, nil, own...); a.StatusCode != http.StatusForbidden {
		t.Errorf("one operator's reason is everybody's: %d", a.StatusCode)
	}
	b.submit("/console/queues/", "/console/queues/looking")
	if a := b.post(queuesAPI+":resume", nil, own...); a.StatusCode != http.StatusForbidden || !paused() {
		t.Errorf("after read-only again: %d", a.StatusCode)
	}
}

// The pages work under a policy of their own, in a frame of the console alone, and a task that is lost breaks none.
func TestTheQueuesPagesAreGuarded(t *testing.T) {
	h := openQueues(t, "")
	h.enqueue(shop, "A1")
	b := h.browser()
	ui := b.get("/console/queues/ui/")
	policy := ui.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "frame-ancestors 'self'") || !strings.Contains(policy, "'sha256-") || strings.Contains(policy, "http") || ui.Header.Get("X-Frame-Options") != "SAMEORIGIN" {
		t.Errorf("%v", ui.Header)
	}
	if p := b.get("/console/queues/").Header.Get("Content-Security-Policy"); !strings.Contains(p, "frame-src 'self'") || !strings.Contains(p, "script-src 'self';") {
		t.Errorf("the console's page: %s", p)
	}
	if err := h.rdb.LPush(t.Context(), keys.Queue("ecticket-checkout")+"pending", "gone").Err(); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"/console/queues/ui/api/queues", queuesAPI, queuesAPI + "/pending_tasks?size=1000000"} {
		for range 2 {
			if a := b.get(p); a.StatusCode != http.StatusOK {
				t.Errorf("%s: %d %s", p, a.StatusCode, a.text)
			}
		}
	}
	for _, header := range [][2]string{{"X-Forwarded-For", "203.0.113.9"}, {"Host", "evil.example"}, {"Sec-Fetch-Site", "cross-site"}} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+queuesAPI, nil)
		if err != nil {
			t.Fatal(err)
		}
		if req.Header.Set(header[0], header[1]); header[0] == "Host" {
			req.Host = header[1]
		}
		if a := b.do(req); a.StatusCode != http.StatusForbidden {
			t.Errorf("%v: %d", header, a.StatusCode)
		}
	}
}

// The script of asynq's UI asks again and again, and keeps nobody logged in; logging out ends what was allowed.
func TestTheQueuesScriptKeepsNobodyLoggedIn(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "angela operate")
	h := openQueues(t, path)
	b := h.loggedIn(secrets["angela"])
	b.submit("/console/queues/", "/console/queues/changes", "reason", "x")
	h.commands.take()
	b.page("/console/queues/ui/api/redis_info")
	if n := h.commands.take(); n["getex"] != 0 || n["get"] == 0 {
		t.Errorf("its commands are %v", n)
	}
	b.submit("/console/", "/console/logout")
	if left := h.rdb.Keys(t.Context(), keys.ConsoleChanges("*")).Val(); len(left) != 0 {
		t.Errorf("after the logout: %v", left)
	}
}
