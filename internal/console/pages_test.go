package console_test

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"issuance/internal/console"
	"issuance/internal/doortest"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

// story is a house with something of everything.
func story(t *testing.T, tokens string) (h *house, queued, issued, review order.Ref) {
	return storyIn(t, open(t, tokens))
}

func storyIn(t *testing.T, h *house) (_ *house, queued, issued, review order.Ref) {
	t.Helper()
	queued, issued, review = h.enqueue(shop, "QUEUED1"), h.enqueue(shop, "ISSUED1"), h.enqueue(shop, "REVIEW1")
	h.end(issued, ledger.Ending{State: order.Issued, ProviderRef: "REF1"})
	h.review(review)
	return h, queued, issued, review
}

func TestEveryPageIsInBothLanguages(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "angela operate")
	h, queued, issued, review := story(t, path)
	b := h.loggedIn(secrets["angela"])
	pages := map[string][2]string{ // a text of each language
		"/console/":              {"未完成", "Unfinished"},
		"/console/?state=ended":  {"已開立", "issued"},
		"/console/?state=review": {"待人工確認", "in review"},
		"/console/?q=nothing":    {"找不到「nothing」", "Nothing is found"},
		"/console/reviews":       {"請到綠界廠商後台查詢訂單 REVIEW1", "Look up order REVIEW1 in ECPay"},
		"/console/jobs":          {"批次作業", "Jobs"},
		at(queued):               {"空閒的工作程式", "A free worker"},
		at(issued):               {"服務商已開立票券", "The provider has issued the tickets"},
		at(review):               {"判定結果", "What is true"},
		at(order.Ref{Account: shop, OrderID: "UNKNOWN"}): {"找不到這個頁面或訂單", "no such page or order"},
		"/console/nothing": {"找不到這個頁面或訂單", "no such page or order"},
	}
	for path, texts := range pages {
		for i, lang := range []string{"zh-TW,zh;q=0.9,en;q=0.5", "en-US,en"} {
			b.lang = lang
			a := b.get(path)
			if !strings.Contains(a.text, texts[i]) {
				t.Errorf("%s in %s lacks %q: %s", path, lang, texts[i], a.text)
			}
			tag := [2]string{"zh-Hant-TW", "en"}[i]
			if !strings.Contains(a.text, `<html lang="`+tag+`">`) || a.Header.Get("Content-Language") != tag {
				t.Errorf("%s in %s: content language %q", path, lang, a.Header.Get("Content-Language"))
			}
			if strings.Contains(a.text, customer) {
				t.Errorf("%s shows a customer's data", path)
			}
		}
	}
	b.lang = "en"
	if a := b.get("/console/language?to=zh-Hant-TW&back=" + url.QueryEscape("/console/reviews")); !strings.Contains(a.text, "等待最久的排在最前面") {
		t.Errorf("the language does not switch: %s", a.text)
	}
	if !strings.Contains(b.page("/console/"), "訂單查詢") {
		t.Error("the language is not kept")
	}
}

func TestEveryAnswerHasItsSecurityHeaders(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "angela operate")
	h, _, issued, _ := story(t, path)
	b := h.loggedIn(secrets["angela"])
	for _, path := range []string{"/console/", at(issued), "/console/login", "/console/nothing", "/console/static/console.css", "/console/export.csv"} {
		a := b.get(path)
		csp := a.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || a.Header.Get("X-Content-Type-Options") != "nosniff" || a.Header.Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s: %v", path, a.Header)
		}
		if strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
			for _, inline := range []string{"<style", " style=", " onclick", "<script>", "javascript:"} {
				if strings.Contains(a.text, inline) {
					t.Errorf("%s holds %s, which the policy forbids", path, inline)
				}
			}
			if a.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s may be stored: %q", path, a.Header.Get("Cache-Control"))
			}
		}
	}
}

// Whatever a record holds is text in a page.
func TestNoTextOfARecordIsMarkup(t *testing.T) {
	const evil = `<script>alert(1)</script>"'><img src=x onerror=alert(2)>`
	h := open(t, "")
	b := h.browser()
	r := h.enqueueOf(shop, "XSS1", "VQT04959")
	h.end(r, ledger.Ending{State: order.Review, ProviderRef: evil, Reason: ledger.Reason{Code: evil, Message: evil}})
	if err := h.rdb.HSet(t.Context(), "issuance:{"+r.Account.String()+":XSS1}:order", "shape", fmt.Sprintf(`{"TicketInfo":[{"ItemName":%q,"TicketAmount":1}]}`, evil), "trace", evil).Err(); err != nil {
		t.Fatal(err)
	}
	if err := h.ledger.Decided(t.Context(), ledger.Decision{What: evil, Ref: r, Who: evil, Reason: evil}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{at(r), "/console/reviews", "/console/?state=review", "/console/?q=" + url.QueryEscape(evil), "/console/?state=open&item=" + url.QueryEscape(evil),
		"/console/login?next=" + url.QueryEscape(evil), "/console/?done=" + url.QueryEscape(evil)} {
		for _, lang := range []string{"zh-TW", "en"} {
			b.lang = lang
			if text := b.get(path).text; strings.Contains(text, "<script>alert") || strings.Contains(text, "<img src=x") {
				t.Errorf("%s: a text became markup: %s", path, text)
			}
		}
	}
	if !strings.Contains(b.page("/console/reviews"), "&lt;img src=x onerror") {
		t.Error("the inbox does not show the item's name")
	}
}

func TestSearchLeadsToTheOrder(t *testing.T) {
	h, queued, _, review := story(t, "")
	b := h.browser()
	for text, want := range map[string]order.Ref{"QUEUED1": queued, " REVIEW1 ": review, review.String(): review,
		"queued1": queued, "\u200bＱＵＥＵＥＤ１　": queued, "ECTicket:2000132/review1": review, "ecticket/QUEUED1": queued, "Review1\ufeff": review} {
		if a := b.get("/console/?q=" + url.QueryEscape(text)); a.Request.URL.Path != at(want) {
			t.Errorf("%q leads to %s", text, a.Request.URL)
		}
	}
	small := h.enqueue(other, "queued1") // as it is written comes first
	if a := b.get("/console/?q=queued1"); a.Request.URL.Path != at(small) {
		t.Errorf("queued1 leads to %s", a.Request.URL)
	}
	for name := range h.commands.take() {
		if name == "scan" || name == "keys" {
			t.Errorf("a search walks through the keyspace: %s", name)
		}
	}
	h.enqueue(other, "QUEUED1") // the same number at another merchant
	if a := b.get("/console/?q=QUEUED1"); !strings.Contains(a.text, at(queued)) || !strings.Contains(a.text, "3000999") {
		t.Errorf("both orders of the number are not offered: %s", a.text)
	}
}

func TestListsPageThroughEverythingWithoutAScan(t *testing.T) {
	h := open(t, "")
	b := h.browser()
	for i := range 120 {
		r := h.enqueue(shop, fmt.Sprintf("O%03d", i))
		switch {
		case i%3 == 1:
			h.end(r, ledger.Ending{State: order.Issued})
		case i%3 == 2:
			h.review(r)
		}
	}
	h.commands.take()
	for state, first := range map[string]int{"open": 0, "ended": 1, "review": 2} {
		seen := map[string]bool{}
		path := "/console/?state=" + state
		for pages := 0; path != "" && pages < 10; pages++ {
			text := b.page(path)
			for i := range 120 {
				if id := fmt.Sprintf("O%03d", i); strings.Contains(text, ">"+id+"<") {
					seen[id] = true
				}
			}
			path = ""
			if _, rest, ok := strings.Cut(text, `rel="next"`); ok {
				head := strings.TrimSuffix(text, rest)
				from := strings.LastIndex(head, `<a href="`) + len(`<a href="`)
				path = strings.ReplaceAll(head[from:from+strings.Index(head[from:], `"`)], "&amp;", "&")
			}
		}
		if len(seen) != 40 || !seen[fmt.Sprintf("O%03d", first)] {
			t.Errorf("%s: %d of 40 are listed", state, len(seen))
		}
	}
	for name := range h.commands.take() {
		if name == "scan" || name == "keys" {
			t.Errorf("a page walks through the keyspace: %s", name)
		}
	}
	if text := b.page("/console/?state=open&age=o1h"); !strings.Contains(text, "No order matches") {
		t.Error("orders of a moment are older than an hour")
	}
	if text := b.page("/console/?state=open&lane=bulk"); !strings.Contains(text, "No order matches") {
		t.Error("orders of the checkout lane are in the bulk lane")
	}
	if text := b.page("/console/?state=open&item=VQT04959"); !strings.Contains(text, "40 match") {
		t.Error("the item is not found, or not counted")
	}
	for _, bad := range []string{"state=nothing", "account=nobody:1", "age=x", "cursor=x&state=ended", "cursor=zz&state=open", "cursor=r&state=review"} {
		if a := b.get("/console/?" + bad); a.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d", bad, a.StatusCode)
		}
	}
}

func TestAnExportHoldsWhatTheListShows(t *testing.T) {
	h, _, _, _ := story(t, "")
	b := h.browser()
	b.lang = "zh-TW"
	a := b.get("/console/export.csv?state=ended")
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(a.text, "\ufeff"))).ReadAll()
	if err != nil || len(rows) != 2 || rows[0][1] != "訂單" || rows[1][1] != "ISSUED1" || rows[1][3] != "已開立" {
		t.Errorf("%v, %v", rows, err)
	}
	if !strings.HasPrefix(a.text, "\ufeff") || !strings.Contains(a.Header.Get("Content-Disposition"), ".csv") {
		t.Errorf("Excel does not take it for UTF-8: %v", a.Header)
	}
}

// An order's trace is a link where it is known where traces are looked at, and a text elsewhere.
func TestTheTraceIsALink(t *testing.T) {
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	for at, want := range map[string]string{"": "<code>" + id + "</code>", "https://jaeger.example/trace/{trace_id}?x=1": `<a href="https://jaeger.example/trace/` + id + `?x=1"`} {
		t.Run(at, func(t *testing.T) {
			h := openWith(t, "", func(h *house, _ string) { h.with = func(c *console.Config) { c.TraceURL = at } })
			r := order.Ref{Account: shop, OrderID: "TRACED1"}
			if _, err := h.ledger.Record(t.Context(), ledger.Intake{Ref: r, Lane: order.Bulk, Fingerprint: "f", Document: "d", Trace: "00-" + id + "-00f067aa0ba902b7-01"}); err != nil {
				t.Fatal(err)
			}
			if text := h.browser().page("/console/orders/ecticket:2000132/TRACED1"); !strings.Contains(text, want) || at == "" && strings.Contains(text, "<a href=\"https") {
				t.Errorf("it lacks %s: %s", want, text)
			}
		})
	}
}

// What became of a ticket later is no end of its order, and hides none; a page of a very long list is no longer than others.
func TestEndedOrdersAreListedByTheirEnds(t *testing.T) {
	h := open(t, "")
	r := h.enqueue(shop, "ISSUED1")
	h.end(r, ledger.Ending{State: order.Issued})
	none, err := h.ledger.TicketList(t.Context(), r)
	if err == nil {
		_, err = h.ledger.SeeTickets(t.Context(), r, none, []ledger.TicketSight{{Status: providers.Redeemed}}, "s1.numbers")
	}
	if err != nil {
		t.Fatal(err)
	}
	b := h.browser()
	for _, state := range []string{"ended", "issued"} {
		if text := b.page("/console/?state=" + state); !strings.Contains(text, at(r)) {
			t.Errorf("%s: an order with a redeemed ticket is not listed: %s", state, text)
		}
	}
	h.commands.take()
	if text := b.page("/console/?state=failed"); strings.Contains(text, at(r)) || h.commands.take()["hmget"] > 0 {
		t.Error("records are read whose events say that they ended otherwise")
	}
	if text := b.page("/console/?state=ended&age=o24h"); strings.Contains(text, at(r)) {
		t.Error("what has just ended is older than a day")
	}
}

// A review has no end: its files and lists name since when it is one.
func TestAReviewHasNoTimeOfAnEnd(t *testing.T) {
	h, _, issued, review := story(t, "")
	b := h.browser()
	const ended, since = 7, 8
	for state, of := range map[string]struct {
		of     order.Ref
		filled int
	}{"review": {review, since}, "ended": {issued, ended}} {
		rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(b.page("/console/export.csv?state="+state), "\ufeff"))).ReadAll()
		if err != nil || len(rows) != 2 || rows[0][ended] != "Ended" || rows[0][since] != "In review since" {
			t.Fatalf("%s: %v, %q", state, err, rows)
		}
		if rows[1][1] != of.of.OrderID || rows[1][of.filled] == "" || rows[1][ended+since-of.filled] != "" {
			t.Errorf("%s: %q", state, rows[1])
		}
	}
	if text := b.page("/console/?state=review"); !strings.Contains(text, `<span class="sub">In review since</span> <time`) {
		t.Errorf("the list: %s", text)
	}
}
