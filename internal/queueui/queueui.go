package queueui

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/hibiken/asynqmon"
	"github.com/redis/go-redis/v9"

	"issuance/internal/queue"
)

// Options of the UI.
type Options struct {
	// Root is the path that it is served at, without a slash at its end.
	Root string
	// RDB is the pages' client, made by Connect.
	RDB redis.UniversalClient
	// Write lets it run, archive and delete tasks and pause queues. Default false: it shows, and changes nothing.
	Write bool
	// Script is the path of a script of the server's own that stands in every page, "" for none.
	Script string
	// Framed lets pages of the same origin show it in a frame. Default false: no page does.
	Framed bool
}

// New makes the UI. It shows tasks without their sealed documents, and takes nothing from elsewhere.
func New(o Options) http.Handler {
	mon := asynqmon.New(asynqmon.Options{
		RootPath:         o.Root,
		RedisConnOpt:     shared{o.RDB},
		ReadOnly:         !o.Write,
		PayloadFormatter: asynqmon.PayloadFormatterFunc(showPayload),
		ResultFormatter:  asynqmon.ResultFormatterFunc(func(_ string, result []byte) string { return size(result) }),
	})
	frames, option := "'none'", "DENY"
	if o.Framed {
		frames, option = "'self'", "SAMEORIGIN"
	}
	policy := contentPolicy(mon, o.Root) + "; frame-ancestors " + frames
	pages := fitted(o, smallPages(rightStatus(o.Root, mon)))
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Security-Policy", policy)
		rw.Header().Set("X-Frame-Options", option)
		pages.ServeHTTP(rw, r)
	})
}

var inlineScript = regexp.MustCompile(`(?s)<script>(.*?)</script>`)

// contentPolicy allows the UI's own files and the scripts that stand in its page, by their hash,
// and nothing from elsewhere: its fonts would be asked of Google.
func contentPolicy(ui http.Handler, root string) string {
	page := page{header: http.Header{}}
	ui.ServeHTTP(&page, &http.Request{Method: http.MethodGet, URL: &url.URL{Path: root + "/"}, Header: http.Header{}})
	scripts := "'self'"
	for _, m := range inlineScript.FindAllSubmatch(page.Bytes(), -1) {
		sum := sha256.Sum256(m[1])
		scripts += " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'self'; script-src " + scripts + "; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
		"base-uri 'none'; form-action 'none'"
}

// page keeps an answer.
type page struct {
	bytes.Buffer
	header http.Header
	status int
}

func (p *page) Header() http.Header    { return p.header }
func (p *page) WriteHeader(status int) { p.status = status }

// narrow fits the UI into a narrow window, for which it is not made: its menu as icons alone, its cards below one another, and
// a table that is too wide is moved sideways by itself.
const narrow = `<style>@media (max-width: 700px) {
.MuiDrawer-paper { width: 56px !important; overflow-x: hidden; }
.MuiDrawer-paper .MuiListItem-root { padding-left: 16px; border-radius: 0; }
.MuiGrid-item { max-width: 100% !important; flex-basis: 100% !important; }
.MuiContainer-root { padding-left: 8px !important; padding-right: 8px !important; }
.MuiPaper-root { overflow-x: auto; }
main { min-width: 0; }
}</style>`

// fitted adds to the UI's page what makes it fit a narrow window, and the script. Whatever else the UI serves goes through as it is.
func fitted(o Options, ui http.Handler) http.Handler {
	script := ""
	if o.Script != "" {
		script = `<script src="` + o.Script + `"></script>`
	}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || IsAPI(o.Root, r.URL.Path) {
			ui.ServeHTTP(rw, r)
			return
		}
		p := page{header: rw.Header(), status: http.StatusOK}
		ui.ServeHTTP(&p, r)
		body := p.Bytes()
		if bytes.HasPrefix(body, []byte("<!doctype html>")) {
			body = bytes.Replace(body, []byte("</head>"), []byte(narrow+"</head>"), 1)
			body = bytes.Replace(body, []byte("</body>"), []byte(script+"</body>"), 1)
			rw.Header().Del("Content-Length")
		}
		rw.WriteHeader(p.status)
		_, _ = rw.Write(body) // the caller may have gone
	})
}

// IsAPI reports whether a path is one that the UI's script asks for, and no page.
func IsAPI(root, path string) bool { return strings.HasPrefix(path, root+"/api/") }

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
