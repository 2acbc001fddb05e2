package console_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"issuance/internal/budget"
	"issuance/internal/doortest"
	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/tasks/order"
)

func accountPath(a fmt.Stringer, what string) string {
	return "/console/accounts/" + a.String() + "/" + what
}

func TestAccountsArePausedAndResumedWithAReason(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "angela operate "+shop.String(), "viewer events")
	h := open(t, path)
	b := h.loggedIn(secrets["angela"])
	if text := b.page("/console/accounts"); !strings.Contains(text, shop.String()) || strings.Contains(text, other.String()) || !strings.Contains(text, ">ok<") {
		t.Errorf("the accounts of the token: %s", text)
	}
	if a := b.submit("/console/accounts", accountPath(shop, "pause"), "lane", ""); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a pause without a reason: %d", a.StatusCode)
	}
	if a := b.submit("/console/accounts", accountPath(other, "pause"), "lane", "", "reason", "x"); a.StatusCode != http.StatusNotFound {
		t.Errorf("another account's pause: %d", a.StatusCode)
	}
	a := b.submit("/console/accounts", accountPath(shop, "pause"), "lane", "bulk", "reason", "the provider asked")
	if !strings.Contains(a.text, "paused by angela: the provider asked") {
		t.Errorf("%d: %s", a.StatusCode, a.text)
	}
	if halt, held, err := budget.HeldNow(t.Context(), h.rdb, shop, order.Bulk); err != nil || !held || !strings.Contains(halt.Reason, "the provider asked") {
		t.Errorf("bulk calls: %+v, %v, %v", halt, held, err)
	}
	if _, held, _ := budget.HeldNow(t.Context(), h.rdb, shop, order.Checkout); held {
		t.Error("checkouts are held, too")
	}
	if a := b.submit("/console/accounts", accountPath(shop, "pause"), "lane", "bulk", "reason", "again"); a.StatusCode != http.StatusConflict || !strings.Contains(a.text, "the provider asked") {
		t.Errorf("a second pause: %d: %s", a.StatusCode, a.text)
	}
	if a := b.submit("/console/accounts", accountPath(shop, "pause"), "lane", "", "reason", "all of it"); !strings.Contains(a.text, ">paused<") {
		t.Errorf("the whole account: %s", a.text)
	}
	viewer := h.loggedIn(secrets["viewer"])
	if text := viewer.page("/console/accounts"); strings.Contains(text, "/pause") || !strings.Contains(text, "all of it") {
		t.Errorf("a viewer's page: %s", text)
	}
	if a := viewer.submit("/console/", accountPath(shop, "resume"), "reason", "x"); a.StatusCode != http.StatusForbidden {
		t.Errorf("a viewer resumes: %d", a.StatusCode)
	}
	if a := b.submit("/console/accounts", accountPath(shop, "resume"), "lane", "", "reason", "over"); strings.Contains(a.text, "paused by") {
		t.Errorf("after the resume: %s", a.text)
	}
	if a := b.submit("/console/accounts", accountPath(shop, "resume"), "lane", "", "reason", "over"); a.StatusCode != http.StatusConflict {
		t.Errorf("nothing to resume: %d", a.StatusCode)
	}
	var did []string
	for _, d := range h.decisions(order.Ref{Account: shop}) {
		did = append(did, d.What+" by "+d.Who+": "+d.Reason)
	}
	if got := strings.Join(did, "; "); !strings.Contains(got, "pause bulk by angela: the provider asked") || !strings.Contains(got, "resume by angela: over") || len(did) != 3 {
		t.Errorf("the decisions are %q", got)
	}
}

func TestAccountsShowTheirUseAndWhatWaitsLongest(t *testing.T) {
	h := open(t, "")
	b := h.browser()
	acc, err := budget.New(h.rdb, budget.Config{Account: shop, PerSecond: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for range 7 {
		if err := acc.Lane(order.Checkout).Pass(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	first := h.enqueue(shop, "FIRST")
	h.enqueue(shop, "SECOND")
	for i := range 5 {
		h.end(h.enqueue(shop, fmt.Sprintf("DONE%d", i)), ledger.Ending{State: order.Issued})
	}
	text := b.page("/console/accounts")
	if !strings.Contains(text, `<rect`) || !strings.Contains(text, "7 a minute at most") {
		t.Errorf("no plot: %s", text)
	}
	if !strings.Contains(text, at(first)) || strings.Contains(text, ">SECOND<") {
		t.Errorf("what waits longest: %s", text)
	}
	if !strings.Contains(text, "at the recent rate of 30 an hour") {
		t.Errorf("when it is done: %s", text)
	}
	if b.lang = "zh-TW"; !strings.Contains(b.page("/console/accounts"), "等待最久") {
		t.Error("not in Chinese")
	}
}

func TestAnAccountWithoutAWorkerSaysSo(t *testing.T) {
	h := open(t, "")
	if err := h.rdb.HSet(t.Context(), keys.Accounts, shop.String(), fmt.Sprintf(`{"calls_per_second":4,"at":%q}`, time.Now().Add(-time.Hour).UTC().Format(time.RFC3339))).Err(); err != nil {
		t.Fatal(err)
	}
	if text := h.browser().page("/console/accounts"); !strings.Contains(text, "no worker") {
		t.Error(text)
	}
}

// However many records are unfinished and however many browsers look, an overview is bounded and read once.
func TestManyUnfinishedOrdersCostABoundedLook(t *testing.T) {
	h := open(t, "")
	b := h.browser()
	for i := range 1200 {
		h.enqueue(shop, fmt.Sprintf("O%04d", i))
	}
	h.commands.take()
	text := b.page("/console/accounts")
	cost := h.commands.take()
	if !strings.Contains(text, at(order.Ref{Account: shop, OrderID: "O0000"})) { // it is at the head of its queue
		t.Errorf("what waits longest is not found")
	}
	if !strings.Contains(text, "one may have waited longer") || cost["hmget"] > 2*2*1700 || cost["scan"]+cost["keys"] > 0 {
		t.Errorf("it costs %v", cost)
	}
	b.page("/console/accounts")
	if again := h.commands.take(); again["hmget"] > 0 || again["zscan"] > 0 {
		t.Errorf("the second browser costs %v", again)
	}
}

// An estimate goes by what the provider has ended: cancellations and decisions say nothing of its pace.
func TestAnEstimateCountsWhatTheProviderHasEnded(t *testing.T) {
	h := open(t, "")
	b := h.browser()
	h.enqueue(shop, "OPEN")
	for i := range 50 {
		if err := h.client.Cancel(t.Context(), h.enqueue(shop, fmt.Sprintf("C%d", i)), "angela", "wrong event"); err != nil {
			t.Fatal(err)
		}
	}
	h.end(h.enqueue(shop, "OURS"), ledger.Ending{State: order.Failed, Reason: ledger.Reason{Code: string(order.CodeInvalidDocument)}})
	if text := b.page("/console/accounts"); !strings.Contains(text, "No estimate: ") || strings.Contains(text, "are held.") || strings.Contains(text, "a key is missing") {
		t.Errorf("cancelled orders make a rate: %s", text)
	}
	h.end(h.enqueue(shop, "ISSUED"), ledger.Ending{State: order.Issued})
	h.end(h.enqueue(shop, "REJECTED"), ledger.Ending{State: order.Failed, Reason: ledger.Reason{Code: "10200047"}})
	if a := b.submit("/console/accounts", accountPath(other, "pause"), "lane", "", "reason", "to read the accounts again"); !strings.Contains(a.text, "recent rate of 12 an hour") {
		t.Errorf("two ends in ten minutes: %s", a.text)
	}
	if a := b.submit("/console/accounts", accountPath(shop, "pause"), "lane", "checkout", "reason", "the provider asked"); !strings.Contains(a.text, "No estimate: ") || strings.Contains(a.text, "an hour)") {
		t.Errorf("calls are held: %s", a.text)
	}
}
