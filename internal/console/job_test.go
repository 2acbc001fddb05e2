package console_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"issuance/internal/doortest"
	"issuance/internal/ledger"
	"issuance/tasks/order"
)

// until looks at a page until it says something. The page's own stream says when to look.
func (b *browser) until(path, live, want string) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+live, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	res, err := b.http.Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		b.t.Fatalf("%s: %v, %v", live, res, err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for {
		if text := b.page(path); strings.Contains(text, want) {
			return text
		}
		if !lines.Scan() {
			b.t.Fatalf("%s never says %q: %s", path, want, b.page(path))
		}
	}
}

var jobPath = regexp.MustCompile(`^/console/jobs/[A-Z0-9]+$`)

// count makes a job and waits until it is counted.
func (b *browser) count(page string, fields ...string) (path, live, text string) {
	b.t.Helper()
	a := b.submit(page, "/console/jobs", fields...)
	if path = a.Request.URL.Path; !jobPath.MatchString(path) {
		b.t.Fatalf("the job is at %s: %s", path, a.text)
	}
	live = "/console/live?job=" + strings.TrimPrefix(path, "/console/jobs/")
	return path, live, b.until(path, live, "ready to start")
}

func TestCancellingAllThatMatchIsCountedFirst(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "angela operate "+shop.String(), "bob operate "+other.String())
	h := open(t, path)
	b := h.loggedIn(secrets["angela"])
	var refs []order.Ref
	for i := range 60 {
		refs = append(refs, h.enqueue(shop, fmt.Sprintf("O%02d", i)))
	}
	foreign := h.enqueue(other, "FOREIGN")
	job, live, text := b.count("/console/", "kind", "cancel", "state", "open")
	if !strings.Contains(text, "Start (60)") || h.state(refs[0]) != order.Queued {
		t.Errorf("counting: %s, %s", h.state(refs[0]), text)
	}
	if a := h.loggedIn(secrets["bob"]).get(job); a.StatusCode != http.StatusNotFound {
		t.Errorf("another account's operator sees the job: %d", a.StatusCode)
	}
	late := h.enqueue(shop, "LATE")
	h.end(refs[7], ledger.Ending{State: order.Issued}) // meanwhile
	if err := h.client.Cancel(t.Context(), refs[8], "carol", "sold twice"); err != nil {
		t.Fatal(err)
	}
	b.submit(job, job+"/start", "reason", "wrong event")
	text = b.until(job, live, "finished")
	if !strings.Contains(text, "<dd>58</dd>") || !strings.Contains(text, "O07") || !strings.Contains(text, "it is issued") || !strings.Contains(text, "it is cancelled (carol was faster: cancel at 20") {
		t.Errorf("the result: %s", text)
	}
	for _, want := range []string{"<dt>it is cancelled</dt><dd>1</dd>", "<dt>it is issued</dt><dd>1</dd>", `<a href="` + at(refs[7]) + `">`} {
		if !strings.Contains(text, want) {
			t.Errorf("what was skipped lacks %s: %s", want, text)
		}
	}
	b.lang = "zh-TW"
	for _, want := range []string{"狀態：已開立", "狀態：已取消（carol 已先處理：取消，20"} {
		if text := b.page(job); !strings.Contains(text, want) {
			t.Errorf("the Chinese page lacks %s: %s", want, text)
		}
	}
	for i, r := range refs {
		want := order.Cancelled
		if i == 7 {
			want = order.Issued
		}
		if s := h.state(r); s != want {
			t.Errorf("%s is %s", r, s)
		}
	}
	h.made(refs[0], "cancel", "wrong event")
	if h.state(foreign) != order.Queued || h.state(late) != order.Queued {
		t.Error("what was not counted was cancelled")
	}
}

func TestRetryingAllReviewsGoesOnAtAnotherFrontDoor(t *testing.T) {
	h := open(t, "")
	b := h.browser()
	var refs []order.Ref
	for i := range 30 {
		refs = append(refs, h.enqueue(shop, fmt.Sprintf("O%02d", i)))
		h.review(refs[i])
	}
	job, live, _ := b.count("/console/reviews", "kind", "retry", "state", "review")
	h.door.Drain() // the front door goes, another one comes
	h.serve("")
	b.submit(job, job+"/start", "reason", "the outage is over")
	b.until(job, live, "finished")
	for _, r := range refs {
		if s := h.state(r); s == order.Review || len(h.decisions(r)) != 1 {
			t.Errorf("%s is %s after %d decisions", r, s, len(h.decisions(r)))
		}
	}
}

func TestAJobThatIsStoppedStaysStopped(t *testing.T) {
	h := open(t, "")
	b := h.browser()
	r := h.enqueue(shop, "A1")
	job, _, _ := b.count("/console/", "kind", "cancel", "state", "queued")
	b.submit(job, job+"/stop")
	a := b.submit("/console/", job+"/start", "reason", "x")
	if a.StatusCode != http.StatusConflict || h.state(r) != order.Queued || !strings.Contains(a.text, "localhost stopped it at 20") {
		t.Errorf("%d, %s: %s", a.StatusCode, h.state(r), a.text)
	}
	if !strings.Contains(b.page("/console/jobs"), "stopped") {
		t.Error("the list of jobs does not say so")
	}
}

// A page that follows something asks nothing of Redis while it is open: the front door's one reader of events does.
func TestTenOpenPagesCostRedisNothing(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "angela operate")
	h := open(t, path)
	r, more := h.enqueue(shop, "WATCHED"), h.enqueue(shop, "OTHER")
	var news []chan struct{}
	for range 10 {
		b := h.loggedIn(secrets["angela"])
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+liveOf(t, b.page(at(r))), nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := b.http.Do(req)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%v, %v", res, err)
		}
		lines := bufio.NewScanner(res.Body)
		lines.Scan() // it is open
		came := make(chan struct{}, 10)
		news = append(news, came)
		go func() {
			for lines.Scan() {
				if lines.Text() == "data: changed" {
					came <- struct{}{}
				}
			}
		}()
		t.Cleanup(func() { _ = res.Body.Close() })
	}
	h.end(more, ledger.Ending{State: order.Issued})
	h.commands.take()
	h.end(r, ledger.Ending{State: order.Issued})
	own := h.commands.take() // of ending it
	for i, came := range news {
		select {
		case <-came:
		case <-time.After(10 * time.Second):
			t.Fatalf("page %d is not renewed", i)
		}
	}
	cost := h.commands.take()
	delete(cost, "xread") // the one reader
	for name, n := range own {
		if cost[name] -= n; cost[name] <= 0 {
			delete(cost, name)
		}
	}
	if len(cost) > 0 {
		t.Errorf("ten pages cost %v", cost)
	}
}
