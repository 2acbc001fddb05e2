package console

import (
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"time"

	"issuance/internal/ledger"
	"issuance/tasks/order"
)

// Timing of a page's stream.
const (
	liveBeat  = 15 * time.Second // so that proxies keep the connection and a dead one is noticed
	liveWrite = 10 * time.Second
	liveLook  = time.Second // the pause between looks at a job
)

// live writes a line whenever something happened that a page shows: ?order= the end of that order or of a refund of it,
// ?reviews= an end that comes to review or leaves it, ?job= and ?file= progress, ?accounts= a change of the accounts. The events are those of the front door's one reader, so a
// page that is open asks nothing of Redis.
func (v *visit) live() error {
	q := v.r.URL.Query()
	wants := func(ledger.Event) bool { return false }
	if text := q.Get("order"); text != "" {
		r, ok := order.ParseRef(text)
		if !ok || !v.who.Sees(r.Account) {
			return notFound
		}
		wants = func(e ledger.Event) bool { return e.Ref.Order() == r }
	}
	if q.Has("reviews") {
		wants = func(e ledger.Event) bool {
			return v.who.Sees(e.Account) && (e.State == order.Review || e.ReviewCode != "")
		}
	}
	id := q.Get("job")
	if id != "" {
		if j, err := v.jobs.peek(v.r.Context(), id); err != nil || j == nil || !v.mayLook(j) {
			if err == nil {
				err = notFound
			}
			return err
		}
	}
	if upload := q.Get("file"); upload != "" {
		if f, err := v.files.peek(v.r.Context(), upload); err != nil || f == nil || !v.mayOpen(f) {
			if err == nil {
				err = notFound
			}
			return err
		}
	}
	now := v.fingerprint(q, id)
	h := v.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	v.w.WriteHeader(http.StatusOK)
	l := lines{v.w, http.NewResponseController(v.w)}
	if now != nil {
		v.watch(l, now)
		return nil
	}
	v.follow(l, wants)
	return nil
}

// follow writes a line for events that are wanted, until the browser is gone or the server stops.
func (v *visit) follow(l lines, wants func(ledger.Event) bool) {
	beat := time.NewTicker(liveBeat)
	defer beat.Stop()
	at := ""
	for first := true; ; first = false {
		events, all, more, next := v.Door.Since(at)
		happened := first || !all || at == "" // what was missed may have been it; at first, what happened since the page was made
		for _, e := range events {
			happened = happened || wants(e)
		}
		if at = next; !all {
			at = ""
		}
		if happened && !l.send("data: changed\n\n") {
			return
		}
		select {
		case <-more:
		case <-beat.C:
			if !l.send(": beat\n\n") {
				return
			}
		case <-v.Door.Drained():
			return
		case <-v.r.Context().Done():
			return
		}
	}
}

// fingerprint is how what a page shows stands, where that is no event: it changes with it, and ok is false where there is
// nothing to follow any more. Nil for pages that follow events.
func (v *visit) fingerprint(q url.Values, job string) func() (mark string, ok bool) {
	switch {
	case job != "":
		return func() (string, bool) {
			j, err := v.jobs.peek(v.r.Context(), job)
			if err != nil || j == nil {
				return "", false
			}
			return fmt.Sprint(j.State, j.Found, j.At), true
		}
	case q.Get("file") != "":
		return func() (string, bool) {
			f, err := v.files.peek(v.r.Context(), q.Get("file"))
			if err != nil || f == nil {
				return "", false
			}
			return f.mark(), true
		}
	case q.Has("accounts"):
		return func() (string, bool) {
			list, err := v.overview(v.r.Context())
			return accountsMark(list), err == nil
		}
	}
	return nil
}

// watch writes a line when a fingerprint has changed, until there is none; the browser comes again then.
func (v *visit) watch(l lines, now func() (string, bool)) {
	tick := time.NewTicker(liveLook)
	defer tick.Stop()
	last := ""
	for silent := 0; ; silent++ {
		mark, ok := now()
		if !ok {
			return
		}
		text := ""
		switch {
		case mark != last:
			last, text = mark, "data: changed\n\n"
		case silent >= int(liveBeat/liveLook):
			text = ": beat\n\n"
		}
		if text != "" {
			silent = 0
			if !l.send(text) {
				return
			}
		}
		select {
		case <-tick.C:
		case <-v.Door.Drained():
			return
		case <-v.r.Context().Done():
			return
		}
	}
}

// lines are a stream to a browser.
type lines struct {
	w     http.ResponseWriter
	flush *http.ResponseController
}

// send reports whether the browser is still there.
func (l lines) send(text string) bool {
	_ = l.flush.SetWriteDeadline(time.Now().Add(liveWrite)) // a connection without deadlines is a test's
	if _, err := l.w.Write([]byte(text)); err != nil {
		return false
	}
	return l.flush.Flush() == nil
}

// Live has a page follow something: "order" and a reference, "reviews", "accounts", or "job" or "file" and its id.
func (v *view) Live(what string, of any) template.HTMLAttr {
	at := Path + "live?" + url.Values{what: {fmt.Sprint(of)}}.Encode()
	return template.HTMLAttr(`data-live="` + template.HTMLEscapeString(at) + `"`)
}
