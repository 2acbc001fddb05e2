package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"regexp"

	"github.com/hibiken/asynqmon"

	"issuance/internal/queue"
)

// uiRoot is where the web UI is.
const uiRoot = "/jobs"

// webUI is asynq's own web UI. It shows tasks without their sealed documents, changes something only when
// the worker was started with --ui-write, takes nothing from elsewhere, and has connections of its own.
func (w *worker) webUI() (h http.Handler, closeUI func()) {
	mon := asynqmon.New(asynqmon.Options{
		RootPath:         uiRoot,
		RedisConnOpt:     shared{w.pages},
		ReadOnly:         !w.uiWrite,
		PayloadFormatter: asynqmon.PayloadFormatterFunc(showPayload),
		ResultFormatter:  asynqmon.ResultFormatterFunc(func(_ string, result []byte) string { return size(result) }),
	})
	policy := contentPolicy(mon)
	pages := withNotices(smallPages(rightStatus(mon)))
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Security-Policy", policy)
		pages.ServeHTTP(rw, r)
	}), func() { _ = mon.Close() }
}

var inlineScript = regexp.MustCompile(`(?s)<script>(.*?)</script>`)

// contentPolicy allows the UI's own files and the scripts that stand in its page, by their hash,
// and nothing from elsewhere: its fonts would be asked of Google.
func contentPolicy(ui http.Handler) string {
	page := page{header: http.Header{}}
	ui.ServeHTTP(&page, &http.Request{Method: http.MethodGet, URL: &url.URL{Path: uiRoot + "/"}, Header: http.Header{}})
	scripts := "'self'"
	for _, m := range inlineScript.FindAllSubmatch(page.Bytes(), -1) {
		sum := sha256.Sum256(m[1])
		scripts += " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'self'; script-src " + scripts + "; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
		"frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
}

// page keeps an answer.
type page struct {
	bytes.Buffer
	header http.Header
	status int
}

func (p *page) Header() http.Header    { return p.header }
func (p *page) WriteHeader(status int) { p.status = status }

// showPayload is what the web UI shows of a task: our payload, which names a record and nothing else, and
// of anything else only its size.
func showPayload(_ string, raw []byte) string {
	if _, _, err := queue.Decode(raw); err != nil {
		return size(raw)
	}
	return string(raw)
}

func size(raw []byte) string {
	if len(raw) == 0 {
		return ""
	}
	return fmt.Sprintf("[%d bytes]", len(raw))
}
