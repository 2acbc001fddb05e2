package console_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"issuance/internal/budget"
	"issuance/internal/doortest"
	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/internal/testredis"
	"issuance/tasks/order"
)

// meanwhile does something once, just before Redis gets a command that holds a text.
type meanwhile struct {
	testredis.Hook
	text string
	do   func()
	done atomic.Bool
}

func (m *meanwhile) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if slices.ContainsFunc(cmd.Args(), func(a any) bool { return a == m.text }) && !m.done.Swap(true) {
			m.do()
		}
		return next(ctx, cmd)
	}
}

// Of two people who decide at the very same moment the second is shown who decided what, when and why, although the list of
// decisions does not have it yet.
func TestADecisionThatLosesTheRaceShowsTheWinners(t *testing.T) {
	for name, c := range map[string]struct {
		first func(*house, order.Ref)
		form  url.Values
		want  string
	}{
		"resolve, after resolve": {func(h *house, r order.Ref) {
			if _, err := h.ledger.Resolve(h.t.Context(), r, ledger.Resolution{State: order.Issued, Who: "angela", Reason: "found: at ECPay"}); err != nil {
				h.t.Error(err)
			}
		}, url.Values{"as": {"failed"}}, "angela was faster: resolve as issued at 20"},
		"retry, after resolve": {func(h *house, r order.Ref) {
			if _, err := h.ledger.Resolve(h.t.Context(), r, ledger.Resolution{State: order.Issued, Who: "angela", Reason: "found: at ECPay"}); err != nil {
				h.t.Error(err)
			}
		}, nil, "angela was faster: resolve as issued at 20"},
		"resolve, after retry": {func(h *house, r order.Ref) {
			if _, err := h.ledger.Reopen(h.t.Context(), r, "angela", "found: at ECPay"); err != nil {
				h.t.Error(err)
			}
		}, url.Values{"as": {"failed"}}, "angela was faster: retry at 20"},
	} {
		t.Run(name, func(t *testing.T) {
			path, secrets := doortest.TokensFile(t, "bob operate")
			h, _, _, review := story(t, path)
			bob := h.loggedIn(secrets["bob"])
			form := url.Values{"csrf": {bob.csrf(at(review))}, "seen": {bob.seen(review)}, "reason": {"not found"}}
			to := "/retry"
			if c.form != nil {
				to, form["as"] = "/resolve", c.form["as"]
			}
			h.rdb.AddHook(&meanwhile{text: "not found", do: func() { c.first(h, review) }})
			a := bob.post(at(review)+to, form)
			if a.StatusCode != http.StatusConflict || !strings.Contains(a.text, c.want) || !strings.Contains(a.text, "because: found: at ECPay") {
				t.Errorf("%d: %s", a.StatusCode, a.text)
			}
			if len(h.decisions(review)) != 0 {
				t.Errorf("what changed nothing is in the list: %v", h.decisions(review))
			}
		})
	}
}

func TestCancellingWhatAnotherHasCancelledShowsWho(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "angela operate", "bob operate")
	h, queued, _, _ := story(t, path)
	angela, bob := h.loggedIn(secrets["angela"]), h.loggedIn(secrets["bob"])
	for range 2 { // doing so again is the same
		if a := angela.submit(at(queued), at(queued)+"/cancel", "reason", "sold twice"); a.StatusCode != http.StatusOK || !strings.Contains(a.text, "It is cancelled.") {
			t.Fatalf("%d: %s", a.StatusCode, a.text)
		}
	}
	a := bob.submit(at(queued), at(queued)+"/cancel", "reason", "the customer calls")
	if a.StatusCode != http.StatusConflict || !strings.Contains(a.text, "angela was faster: cancel at 20") || !strings.Contains(a.text, "because: sold twice") {
		t.Errorf("%d: %s", a.StatusCode, a.text)
	}
}

func TestPausingAndResumingShowWhoWasFaster(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "angela operate", "bob operate")
	h := open(t, path)
	angela, bob := h.loggedIn(secrets["angela"]), h.loggedIn(secrets["bob"])
	const pages, account = "/console/accounts", "/console/accounts/ecticket:2000132"
	lost := func(who *browser, to, reason, want string) {
		t.Helper()
		if a := who.submit(pages, account+to, "reason", reason); a.StatusCode != http.StatusConflict || !strings.Contains(a.text, want) {
			t.Errorf("%s: %d: %s", to, a.StatusCode, a.text)
		}
	}
	lost(bob, "/resume", "x", "It has no pause")
	angela.submit(pages, account+"/pause", "reason", "maintenance")
	lost(bob, "/pause", "x", "angela paused it at 20")
	angela.submit(pages, account+"/resume", "reason", "it is over")
	lost(bob, "/resume", "x", "angela resumed it at 20")
	angela.submit(pages, account+"/pause", "reason", "maintenance")
	// The winner's entry in the list follows what it did.
	h.rdb.AddHook(&meanwhile{text: "xrevrange", do: func() {
		if err := h.ledger.Decided(t.Context(), ledger.Decision{What: "resume", Ref: order.Ref{Account: shop}, Who: "carol", Reason: "all is well"}); err != nil {
			t.Error(err)
		}
	}})
	if _, err := budget.Resume(t.Context(), h.rdb, shop, ""); err != nil {
		t.Fatal(err)
	}
	lost(bob, "/resume", "x", "carol resumed it at 20")
}

func TestEnablingIsOfferedWhereItChangesSomething(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "angela operate", "bob operate")
	h := open(t, path)
	h.receive(t, func() {})
	h.serve(path)
	angela, bob := h.loggedIn(secrets["angela"]), h.loggedIn(secrets["bob"])
	const pages, enable = "/console/webhooks", "/console/webhooks/shop/enable"
	for strings.Contains(angela.page(pages), "No front door has served") || strings.Contains(angela.page(pages), ">new<") {
		if t.Context().Err() != nil {
			t.Fatal("the endpoint is not announced")
		}
	}
	if strings.Contains(angela.page(pages), enable) {
		t.Error("a healthy endpoint is offered to be enabled")
	}
	if a := angela.submit(pages, enable, "reason", "x"); a.StatusCode != http.StatusConflict || !strings.Contains(a.text, "It is on, and nothing waits") {
		t.Errorf("%d: %s", a.StatusCode, a.text)
	}
	if err := h.rdb.HSet(t.Context(), keys.Webhook("shop")+"state", "off", "1700000000000").Err(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(angela.page(pages), enable) {
		t.Error("an endpoint that is off is not offered to be enabled")
	}
	if a := angela.submit(pages, enable, "reason", "it is back"); a.StatusCode != http.StatusOK || !strings.Contains(a.text, "It is on.") {
		t.Errorf("%d: %s", a.StatusCode, a.text)
	}
	if a := bob.submit(pages, enable, "reason", "x"); a.StatusCode != http.StatusConflict || !strings.Contains(a.text, "angela enabled it at 20") || !strings.Contains(a.text, "it is back") {
		t.Errorf("%d: %s", a.StatusCode, a.text)
	}
}
