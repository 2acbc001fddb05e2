package console_test

import (
	"bufio"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"issuance/internal/ledger"
	"issuance/tasks/order"
)

var liveAttribute = regexp.MustCompile(`data-live="([^"]+)"`)

// liveOf is the stream that a page follows.
func liveOf(t *testing.T, page string) string {
	t.Helper()
	m := liveAttribute.FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("the page follows nothing: %s", page)
	}
	return html.UnescapeString(m[1])
}

// stream is what a browser gets while its page is open.
type stream struct {
	t     *testing.T
	lines *bufio.Scanner
	from  string // how things stood when the page was made
}

// follow opens the stream of a page; last is how far the browser was, "" for one that comes first.
func (b *browser) follow(page, last string) *stream {
	b.t.Helper()
	live := liveOf(b.t, page)
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.url+live, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	res, err := b.http.Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		b.t.Fatalf("%s: %v, %v", live, res, err)
	}
	b.t.Cleanup(func() { _ = res.Body.Close() })
	u, err := url.Parse(live)
	if err != nil {
		b.t.Fatal(err)
	}
	s := &stream{b.t, bufio.NewScanner(res.Body), u.Query().Get("from")}
	if !s.lines.Scan() {
		b.t.Fatal("the stream does not open")
	}
	return s
}

// changed waits until the page is to be renewed, and returns how far the browser is then.
func (s *stream) changed() string {
	s.t.Helper()
	said := false
	for s.lines.Scan() {
		if s.lines.Text() == "data: changed" {
			said = true
		} else if id, is := strings.CutPrefix(s.lines.Text(), "id: "); is && said {
			return id
		}
	}
	s.t.Fatalf("the stream ends: %v", s.lines.Err())
	return ""
}

// position waits until the front door has read every event, and returns the last one's place.
func (h *house) position() string {
	h.t.Helper()
	last, err := h.ledger.LastEvent(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	for {
		_, _, more, at := h.door.Since("")
		if at == last {
			return at
		}
		select {
		case <-more:
		case <-time.After(10 * time.Second):
			h.t.Fatalf("the front door has read up to %q, not %q", at, last)
		}
	}
}

// A page is renewed by what happens after it was made and concerns it: not because it was opened, nor because another order ended.
func TestAPageIsRenewedOnlyByWhatCameAfterIt(t *testing.T) {
	h := open(t, "")
	b := h.browser()
	r, another := h.enqueue(shop, "FOLLOWED"), h.enqueue(shop, "ANOTHER")
	h.end(h.enqueue(shop, "BEFORE"), ledger.Ending{State: order.Issued})
	began := h.position()
	shown := b.submit(at(r), at(r)+"/show", "reason", "the customer asked")
	pages := map[string]string{"opened": b.page(at(r)), "shown": shown.text, "reviews": b.page("/console/reviews")}
	streams := map[string]*stream{}
	for name, text := range pages {
		streams[name] = b.follow(text, "")
	}
	h.end(another, ledger.Ending{State: order.Issued})
	passed := h.position()
	again := b.follow(pages["opened"], passed) // after a connection that broke
	h.review(r)
	ended := h.position()
	for name, s := range streams {
		if s.from != began {
			t.Errorf("the page %q was made at %q, not %q", name, s.from, began)
		}
		if got := s.changed(); got != ended {
			t.Errorf("the page %q is renewed at %q, not at %q; it was made at %q", name, got, ended, began)
		}
	}
	if got := again.changed(); got != ended {
		t.Errorf("a browser that had %q is renewed at %q, not at %q", passed, got, ended)
	}
	if !strings.Contains(shown.text, `data-changed hidden`) || !strings.Contains(shown.text, `<a href="`+at(r)+`">Reload (what was shown`) {
		t.Errorf("what was shown goes without a word: %s", shown.text)
	}
}

func TestTheAccountsAreRenewedOnlyWhenTheyChange(t *testing.T) {
	h := open(t, "")
	b := h.browser()
	s := b.follow(b.page("/console/accounts"), "")
	paused := "/console/accounts/" + shop.String()
	if a := b.submit("/console/accounts", paused+"/pause", "reason", "stock-taking"); a.StatusCode != http.StatusOK {
		t.Fatalf("%d: %s", a.StatusCode, a.text)
	}
	if mark := s.changed(); mark == s.from || !strings.Contains(liveOf(t, b.page("/console/accounts")), "from="+mark) {
		t.Errorf("renewed at %q; the page was made at %q", mark, s.from)
	}
}
