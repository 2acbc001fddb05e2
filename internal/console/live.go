package console

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
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
// ?reviews= an end that comes to review or leaves it, ?results= the end of an order of a file, ?job= and ?file= progress,
// ?accounts= a change of the accounts. ?from= is how things stood when the page was made: a position of the events, or a
// fingerprint. A browser that comes again says itself how far it is. The events are those of the front door's one reader, so a page that is open asks nothing of Redis.
func (v *visit) live() error {
	q := v.r.URL.Query()
	var err error
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
	if q.Has("results") {
		if wants, err = v.resultsOf(q.Get("results")); err != nil {
			return err
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
	from := cmp.Or(v.r.Header.Get("Last-Event-ID"), q.Get("from"))
	if now != nil {
		v.watch(l, from, now)
		return nil
	}
	if ledger.EventTime(from).IsZero() && from != "0" { // of a page that knew no position
		from = ""
	}
	v.follow(l, from, wants)
	return nil
}

// resultsOf reports ends of orders of a file, by what resultsFrom wrote, and has them counted.
func (v *visit) resultsOf(text string) (func(ledger.Event) bool, error) {
	id, _, _ := strings.Cut(text, ":")
	f, err := v.files.peek(v.r.Context(), id)
	if err == nil && (f == nil || !v.mayOpen(f)) {
		err = notFound
	}
	if err != nil {
		return nil, err
	}
	t, err := v.files.tally(v.r.Context(), id)
	return func(e ledger.Event) bool {
		if now := v.files.counted.get(id, v.Now()); now != t { // it was forgotten meanwhile, and the page makes another
			now.heard(e)
		}
		return t.heard(e)
	}, err
}

// resultsFrom names a page of a file's results.
func resultsFrom(id string, from int64) string { return id + ":" + strconv.FormatInt(from, 10) }

// follow writes a line for events after a position that are wanted, until the browser is gone or the server stops. Where nobody
// knows what came after it, it writes one, too.
func (v *visit) follow(l lines, from string, wants func(ledger.Event) bool) {
	beat := time.NewTicker(liveBeat)
	defer beat.Stop()
	missed := from == ""
	if !l.send(from, "") { // it is open
		return
	}
	for at := from; ; missed = false {
		events, all, more, next := v.Door.Since(at)
		if !all {
			_, _, _, next = v.Door.Since("")
		}
		if missed || !all || slices.ContainsFunc(events, wants) {
			if !l.send(next, liveChanged) {
				return
			}
		}
		at = next
		select {
		case <-more:
		case <-beat.C:
			if !l.send(at, "") {
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
			return digest(j.mark()), true
		}
	case q.Get("file") != "":
		return func() (string, bool) {
			f, err := v.files.peek(v.r.Context(), q.Get("file"))
			if err != nil || f == nil {
				return "", false
			}
			return digest(f.mark()), true
		}
	case q.Has("accounts"):
		return func() (string, bool) {
			list, err := v.ownAccounts()
			return digest(list.mark()), err == nil
		}
	}
	return nil
}

// watch writes a line when a fingerprint is not the last one any more, until there is none; the browser comes again then.
func (v *visit) watch(l lines, last string, now func() (string, bool)) {
	tick := time.NewTicker(liveLook)
	defer tick.Stop()
	if !l.send(last, "") { // it is open
		return
	}
	for silent := 0; ; silent++ {
		mark, ok := now()
		switch {
		case !ok:
			return
		case mark != last:
			last, silent = mark, 0
			if !l.send(mark, liveChanged) {
				return
			}
		case silent >= int(liveBeat/liveLook):
			silent = 0
			if !l.send(mark, "") {
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

// liveChanged is what a browser is sent when its page is to be renewed.
const liveChanged = "changed"

// send sends what happened, "" for nothing, and how far the browser is then. It reports whether the browser is still there.
func (l lines) send(id, what string) bool {
	text := "id: " + id + "\n\n"
	if what != "" {
		text = "data: " + what + "\n" + text
	}
	_ = l.flush.SetWriteDeadline(time.Now().Add(liveWrite)) // a connection without deadlines is a test's
	if _, err := l.w.Write([]byte(text)); err != nil {
		return false
	}
	return l.flush.Flush() == nil
}

// marked is what a page shows that changes without an event.
type marked interface{ mark() string }

// digest is a mark in a few signs.
func digest(mark string) string {
	sum := sha256.Sum256([]byte(mark))
	return hex.EncodeToString(sum[:8])
}

// Live has a page follow something from how it stands there: "order" and a reference, "reviews", "accounts", "job" or "file" and
// its id, or "results" and what resultsFrom says.
func (v *view) Live(what string, of any) template.HTMLAttr {
	q := url.Values{what: {fmt.Sprint(of)}, "from": {v.visit.position}}
	if m, ok := v.Data.(marked); ok && what != "results" { // these follow events
		q.Set("from", digest(m.mark()))
	}
	return template.HTMLAttr(`data-live="` + template.HTMLEscapeString(Path+"live?"+q.Encode()) + `"`)
}
