package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	"issuance/internal/frontdoor"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed static/*
var staticFiles embed.FS

// templates are the pages by name, each with the frame.
var templates = func() map[string]*template.Template {
	frame := template.Must(template.ParseFS(templateFiles, "templates/frame.html", "templates/parts.html"))
	all := map[string]*template.Template{}
	for _, file := range must(fs.Glob(templateFiles, "templates/*.html")) {
		name := strings.TrimSuffix(strings.TrimPrefix(file, "templates/"), ".html")
		if name != "frame" && name != "parts" {
			all[name] = template.Must(template.Must(frame.Clone()).ParseFS(templateFiles, file))
		}
	}
	return all
}()

// version names the static files as they are, so that browsers may keep them.
var version = func() string {
	h := sha256.New()
	for _, name := range must(fs.Glob(staticFiles, "static/*")) {
		h.Write(must(staticFiles.ReadFile(name)))
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}()

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // embedded at build time
	}
	return v
}

// static serves the files of the pages.
func static() http.Handler {
	files := http.StripPrefix(Path, http.FileServerFS(staticFiles))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "v="+version {
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		files.ServeHTTP(w, r)
	})
}

// navItem is an entry of the navigation.
type navItem struct {
	Path, Key string
	Here      bool
}

// navigation lists the pages that have an entry, by path and key.
var navigation = [][2]string{{Path, "nav.orders"}, {Path + "reviews", "nav.reviews"}, {Path + "bulk", "nav.bulk"}, {Path + "accounts", "nav.accounts"}, {Path + "webhooks", "nav.webhooks"}, {Path + "jobs", "nav.jobs"}, {queuesPath, "nav.queues"}}

// view is what a template sees.
type view struct {
	visit *visit
	Title string
	Data  any
}

// page shows a page; title is a key.
func (v *visit) page(name, title string, data any) error {
	return v.answer(http.StatusOK, name, title, data)
}

// answer is page with a status.
func (v *visit) answer(status int, name, title string, data any) error {
	var b bytes.Buffer
	if err := templates[name].ExecuteTemplate(&b, "frame", &view{visit: v, Title: v.lang.T(title), Data: data}); err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", v.lang.Tag())
	h.Add("Vary", "Accept-Language, Cookie")
	v.w.WriteHeader(status)
	_, _ = b.WriteTo(v.w) // a browser that is gone needs no page
	return nil
}

// T is a text of words.
func (v *view) T(key string, args ...any) string { return v.visit.lang.T(key, args...) }

// Lang is the page's language.
func (v *view) Lang() string { return v.visit.lang.Tag() }

// Version is that of the static files.
func (v *view) Version() string { return version }

// Who is the visitor, nil where nobody is logged in.
func (v *view) Who() *frontdoor.Token { return v.visit.who }

// MayAct reports whether the visitor is an operator.
func (v *view) MayAct() bool { return v.visit.mayAct() }

// MayLogOut reports whether there is a login to end.
func (v *view) MayLogOut() bool { return v.visit.who != nil && v.visit.Tokens != nil }

// CSRF is the field that every form holds.
func (v *view) CSRF() template.HTML {
	return template.HTML(`<input type="hidden" name="csrf" value="` + csrfOf(v.visit.cookie) + `">`)
}

// Done says what the form did that led here, "" when none did.
func (v *view) Done() string {
	key := "done." + v.visit.r.URL.Query().Get("done")
	if _, known := words[key]; !known {
		return ""
	}
	return v.T(key)
}

// Here is where the page is: of one that answers a form, the page that the form stood in.
func (v *view) Here() string {
	if d, order := v.Data.(orderData); order {
		return orderPath(d.Ref)
	}
	return v.visit.r.URL.RequestURI()
}

// Nav is the navigation.
func (v *view) Nav() (out []navItem) {
	at := v.visit.r.URL.Path
	for _, n := range navigation {
		if n[0] == queuesPath && !v.visit.seesQueues() {
			continue
		}
		here := at == n[0] || n[0] != Path && strings.HasPrefix(at, n[0]+"/") || n[0] == Path && strings.HasPrefix(at, Path+"orders/")
		out = append(out, navItem{n[0], n[1], here})
	}
	return out
}

// languageLink is a link that changes the language.
type languageLink struct {
	Lang
	Path string
	Here bool
}

// Languages are links that change the language.
func (v *view) Languages() (out []languageLink) {
	back := v.Here()
	if _, order := v.Data.(orderData); v.visit.r.Method != http.MethodGet && !order {
		back = Path
	}
	for _, l := range Languages() {
		out = append(out, languageLink{l, Path + "language?to=" + l.Tag() + "&back=" + url.QueryEscape(back), l == v.visit.lang})
	}
	return out
}

// OrderPath is where an order's page is; see orderPath.
func (v *view) OrderPath(r refer) string { return orderPath(r.Order()) }
