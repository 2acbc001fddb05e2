package console

import (
	"context"
	"errors"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"

	"issuance/internal/frontdoor"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

// visit is one request.
type visit struct {
	*Console
	w      http.ResponseWriter
	r      *http.Request
	lang   Lang
	cookie string           // what the browser's cookie holds; never empty
	who    *frontdoor.Token // nil where nobody is logged in
	file   *multipart.Part  // of an upload

	// position is that of the events when the request came: what the page shows is at least as new. "" where nobody knows.
	position string
}

type handler func(*visit) error

// policy allows the console's own files and nothing else: no script or style stands in a page.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// mostForm is the largest form, in bytes.
const mostForm = 64 << 10

// ServeHTTP implements http.Handler.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	if c.Door.Encrypted(r) {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	c.mux.ServeHTTP(w, r)
}

// open serves a page that needs no login.
func (c *Console) open(pattern string, do handler) { c.handle(pattern, do) }

// see serves a page to everybody who is logged in.
func (c *Console) see(pattern string, do handler) {
	c.handle(pattern, func(v *visit) error {
		if v.who == nil {
			return v.toLogin()
		}
		return do(v)
	})
}

// act serves what only an operator may do.
func (c *Console) act(pattern string, do handler) {
	c.see(pattern, func(v *visit) error {
		if !v.mayAct() {
			return notAllowed
		}
		return do(v)
	})
}

func (c *Console) handle(pattern string, do handler) {
	c.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		v := &visit{Console: c, w: w, r: r, lang: languageOf(r)}
		_, _, _, v.position = c.Door.Since("")
		err := v.begin()
		if err == nil {
			err = do(v)
		}
		v.end(err)
	})
}

// admit finds out who asks.
func (v *visit) admit() error {
	if v.Tokens == nil && !frontdoor.Local(v.r) {
		return notLocal
	}
	if err := v.identify(); err != nil {
		return err
	}
	if v.who != nil {
		frontdoor.Note(v.r.Context(), v.who, "")
	}
	return nil
}

// begin finds out who asks, and refuses forms that are not the console's own.
func (v *visit) begin() error {
	if err := v.admit(); err != nil || v.r.Method != http.MethodPost {
		return err
	}
	if err := v.form(); err != nil {
		return err
	}
	if http.NewCrossOriginProtection().Check(v.r) != nil || !sameText(v.r.PostForm.Get("csrf"), csrfOf(v.cookie)) {
		return crossOrigin
	}
	return nil
}

// form reads the form, and of an upload what stands before its file.
func (v *visit) form() error {
	if v.r.URL.Path == uploadPath && v.mayAct() {
		return v.uploadForm()
	}
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, mostForm)
	if err := v.r.ParseForm(); err != nil {
		return fail(http.StatusRequestEntityTooLarge, "fail.too_large")
	}
	return nil
}

// end answers what went wrong.
func (v *visit) end(err error) {
	if err == nil {
		return
	}
	f := (*failure)(nil)
	if !errors.As(err, &f) {
		if v.r.Context().Err() != nil { // nobody waits for the answer
			return
		}
		v.Log.Error("a page of the console could not be shown", "request", v.w.Header().Get("X-Request-Id"), "error", err)
		why := "fail.unavailable"
		if withoutRedis(err) {
			why = "fail.redis"
		}
		f = fail(http.StatusServiceUnavailable, why, v.w.Header().Get("X-Request-Id"))
	}
	if err := v.answer(f.status, "failure", "title.failure", f.text(v.lang)); err != nil {
		v.Log.Error("a page of the console could not be shown", "error", err)
	}
}

func (f *failure) text(l Lang) string { return l.T(f.key, f.args...) }

// mayAct reports whether the visitor is an operator.
func (v *visit) mayAct() bool { return v.who != nil && v.who.May(frontdoor.Operate) }

// sees are the accounts that the visitor may see.
func (v *visit) sees() ([]providers.Account, error) {
	all, err := v.known(v.r.Context())
	var out []providers.Account
	for _, a := range all {
		if v.who.Sees(a) {
			out = append(out, a)
		}
	}
	return out, err
}

// offered are those of the accounts that the visitor sees among which a form lets choose: that are served or have orders, and
// the one that is chosen now.
func (v *visit) offered(sees []providers.Account, now providers.Account) (out []providers.Account) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, a := range sees {
		if !v.idle[a] || a == now {
			out = append(out, a)
		}
	}
	return out
}

// ref is the order that the path names. One of an account that the visitor may not see is not found, as one that does not
// exist.
func (v *visit) ref() (order.Ref, error) {
	a, err := providers.ParseAccount(v.r.PathValue("account"))
	if err != nil || a.Merchant == "" || !v.who.Sees(a) {
		return order.Ref{}, notFound
	}
	r := order.Ref{Account: a, OrderID: v.r.PathValue("order")}
	if strings.ContainsAny(r.OrderID, ":{}\n") { // no number holds one of them
		return order.Ref{}, notFound
	}
	frontdoor.Note(v.r.Context(), v.who, r.String())
	return r, nil
}

// record is the order of the path, or the refund of it that the form names.
func (v *visit) record() (order.Ref, error) {
	r, err := v.ref()
	if id := v.r.PostForm.Get("refund"); err == nil && id != "" {
		if strings.ContainsAny(id, ":{}\n") {
			return r, notFound
		}
		r = r.Refund(id)
	}
	return r, err
}

// mostReason is the longest reason, in characters, as the command line's.
const mostReason = 500

// reason is why the visitor does something, in one line.
func (v *visit) reason() (string, error) {
	text := strings.Join(strings.Fields(printable(v.r.PostForm.Get("reason"))), " ")
	if text == "" || len([]rune(text)) > mostReason {
		return "", noReason
	}
	return text, nil
}

// as is the request's context, in which decisions are the browser's.
func (v *visit) as() context.Context {
	return decides(v.r.Context(), v.who.Name, v.Door.Address(v.r))
}

// decides is a context in which decisions are those of a token's holder at an address.
func decides(ctx context.Context, name, address string) context.Context {
	return ledger.WithOrigin(ctx, ledger.Origin{Login: consoleLogin + name, Host: address})
}

// consoleLogin begins the login of a decision that was made here.
const consoleLogin = "console token "

// redirect answers a form: the browser asks for a page of the console. done is a word of words, "" for none.
func (v *visit) redirect(to, done string) error {
	if done != "" {
		u, err := url.Parse(to)
		if err != nil {
			return err
		}
		q := u.Query()
		q.Set("done", done)
		u.RawQuery = q.Encode()
		to = u.String()
	}
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
	return nil
}

// orderPath is where an order's page is.
func orderPath(r order.Ref) string {
	return Path + "orders/" + url.PathEscape(r.Account.String()) + "/" + url.PathEscape(r.OrderID)
}

// within is a path of the console, or its beginning where it leads elsewhere.
func within(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(u.Path, Path) || strings.ContainsAny(path, "\\\n\r") || strings.Contains(u.Path, "..") {
		return Path
	}
	return u.RequestURI()
}
