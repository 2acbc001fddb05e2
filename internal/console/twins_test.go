package console_test

import (
	"strings"
	"testing"

	"issuance/internal/doortest"
	"issuance/internal/ledger"
	"issuance/tasks/order"
)

// twins are orders of two merchants under one number, the first of which is issued.
func twins(t *testing.T) (h *house, b *browser, issued, queued order.Ref) {
	t.Helper()
	path, secrets := doortest.TokensFile(t, "angela operate,tickets")
	h = openQueues(t, path)
	issued, queued = h.enqueueOf(shop, "TWIN1", "VQT04959"), h.enqueueOf(other, "TWIN1", "VQT99999")
	h.end(issued, ledger.Ending{State: order.Issued, ProviderRef: "REF-OF-SHOP"})
	return h, h.loggedIn(secrets["angela"]), issued, queued
}

// Two merchants' orders under one number are both found, each has a page of its own, and the queue shows whose each task is.
func TestOrdersOfTwoMerchantsUnderOneNumberAreKeptApart(t *testing.T) {
	h, b, issued, queued := twins(t)
	found := b.page("/console/?q=TWIN1")
	for _, r := range []order.Ref{issued, queued} {
		if !strings.Contains(found, `href="`+at(r)+`"`) {
			t.Errorf("%s is not found: %s", r, found)
		}
	}
	if a := b.get("/console/?q=REF-OF-SHOP"); a.Request.URL.Path != at(issued) {
		t.Errorf("the provider's number leads to %s", a.Request.URL)
	}
	if a := b.get("/console/?q=" + queued.String()); a.Request.URL.Path != at(queued) {
		t.Errorf("the whole name leads to %s", a.Request.URL)
	}
	for r, has := range map[order.Ref][2]string{issued: {"VQT04959", "VQT99999"}, queued: {"VQT99999", "VQT04959"}} {
		text := b.page(at(r))
		if !strings.Contains(text, `<p class="meta">`+r.Account.String()) || !strings.Contains(text, has[0]) || strings.Contains(text, has[1]) {
			t.Errorf("the page of %s: %s", r, text)
		}
	}
	tasks := b.page(queuesAPI + "/pending_tasks")
	for _, r := range []order.Ref{issued, queued} {
		if !strings.Contains(tasks, r.Account.String()+":TWIN1") && h.state(r) == order.Queued {
			t.Errorf("the queue does not show whose task %s is: %s", r, tasks)
		}
	}
}

// What is done to one of two orders under one number is done to that one alone, on its page and when its customer's data are erased.
func TestAnActionIsAboutOneMerchantsOrder(t *testing.T) {
	h, b, issued, queued := twins(t)
	b.submit(at(queued), at(queued)+"/cancel", "reason", "sold out")
	if h.state(queued) != order.Cancelled || h.state(issued) != order.Issued {
		t.Errorf("%s and %s", h.state(queued), h.state(issued))
	}
	if len(h.decisions(issued)) != 0 {
		t.Errorf("decisions of the other one: %+v", h.decisions(issued))
	}
	before := len(h.decisions(queued))
	shown := b.submit(at(issued), at(issued)+"/show", "reason", "a call").text
	if !strings.Contains(shown, customer) || len(h.decisions(issued)) != 1 || len(h.decisions(queued)) != before {
		t.Errorf("%v, %v: %s", h.decisions(issued), h.decisions(queued), shown)
	}
	if _, err := h.client.Erase(t.Context(), issued, "angela", "asked by the customer"); err != nil {
		t.Fatal(err)
	}
	if text := b.submit(at(issued), at(issued)+"/show", "reason", "a call").text; strings.Contains(text, customer) {
		t.Errorf("the erased one: %s", text)
	}
	if text := b.submit(at(queued), at(queued)+"/show", "reason", "a call").text; !strings.Contains(text, customer) {
		t.Errorf("the other one was erased as well: %s", text)
	}
	reviews := []order.Ref{h.enqueue(shop, "TWIN2"), h.enqueue(other, "TWIN2")}
	for _, r := range reviews {
		h.review(r)
	}
	b.submit(at(reviews[1]), at(reviews[1])+"/resolve", "as", "failed", "reason", "not at the provider", "seen", b.seen(reviews[1]))
	if h.state(reviews[0]) != order.Review || h.state(reviews[1]) != order.Failed {
		t.Errorf("%s and %s", h.state(reviews[0]), h.state(reviews[1]))
	}
}
