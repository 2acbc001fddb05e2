package console

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"issuance/internal/frontdoor"
	"issuance/internal/keys"
)

// After so many failed logins an address is locked out for so long since the first of them.
const (
	mostFailures = 5
	lockedFor    = 15 * time.Minute
)

// loginData is the login page's.
type loginData struct {
	Next  string
	Error string
}

func (v *visit) loginPage() error {
	if v.who != nil {
		return v.redirect(Path, "")
	}
	return v.page("login", "title.login", loginData{Next: within(v.r.URL.Query().Get("next"))})
}

// toLogin leads a visitor who is not logged in to the login, and from there back.
func (v *visit) toLogin() error {
	if v.byItself() {
		return fail(http.StatusUnauthorized, "fail.login")
	}
	next := Path
	if v.r.Method == http.MethodGet {
		next = v.r.URL.RequestURI()
	}
	return v.redirect(Path+"login?next="+url.QueryEscape(next), "")
}

func (v *visit) login() error {
	next := within(v.r.PostForm.Get("next"))
	if v.Tokens == nil {
		return v.redirect(next, "")
	}
	ctx := v.r.Context()
	address := network(v.Door.Address(v.r))
	locked, err := v.tryFrom(ctx, address)
	if err != nil {
		return err
	}
	if locked > 0 {
		v.Log.Warn("login to the console refused: too many failures", "client", address)
		v.w.Header().Set("Retry-After", strconv.Itoa(int(locked.Seconds())+1))
		return v.answer(http.StatusTooManyRequests, "login", "title.login", loginData{next, v.lang.T("login.locked", int(locked.Minutes())+1)})
	}
	k := v.Tokens.Find(strings.TrimSpace(v.r.PostForm.Get("token")))
	if k == nil || !allowed(k) {
		return v.noLogin(k, next, address)
	}
	if err := v.RDB.Del(ctx, keys.ConsoleFailures(address)).Err(); err != nil {
		return err
	}
	v.setCookie(rand.Text()) // another one, so that nobody can have given the browser the one that is logged in
	if err := v.sessions.begin(ctx, v.cookie, k.Mark()); err != nil {
		return err
	}
	v.Log.Info("logged in to the console", "token", k.Name, "client", address)
	return v.redirect(next, "")
}

// noLogin answers a token that does not open the console. A valid one is nobody's guess, so it does not count as one.
func (v *visit) noLogin(k *frontdoor.Token, next, address string) error {
	if k == nil {
		v.Log.Warn("login to the console failed", "client", address)
		return v.answer(http.StatusUnauthorized, "login", "title.login", loginData{next, v.lang.T("login.wrong")})
	}
	v.Log.Warn("login to the console refused: the token lacks the scope", "token", k.Name, "client", address)
	key := keys.ConsoleFailures(address)
	pipe := v.RDB.TxPipeline()
	pipe.Decr(v.r.Context(), key)
	pipe.ExpireNX(v.r.Context(), key, lockedFor) // where it has expired meanwhile
	if _, err := pipe.Exec(v.r.Context()); err != nil {
		return err
	}
	return v.answer(http.StatusForbidden, "login", "title.login", loginData{next, v.lang.T("login.scope")})
}

// tryFrom counts a login before it is looked at, so that many at once do not get further than one after the other, and says
// how long the address is locked out.
func (v *visit) tryFrom(ctx context.Context, address string) (time.Duration, error) {
	key := keys.ConsoleFailures(address)
	pipe := v.RDB.TxPipeline()
	count := pipe.Incr(ctx, key)
	pipe.ExpireNX(ctx, key, lockedFor)
	left := pipe.PTTL(ctx, key)
	if _, err := pipe.Exec(ctx); err != nil {
		return 0, err
	}
	if count.Val() <= mostFailures {
		return 0, nil
	}
	return max(left.Val(), time.Second), nil
}

// network is an address as far as one caller has it: of IPv6, the network of 64 bits.
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Is4() || a.Is4In6() {
		return address
	}
	p, err := a.Prefix(64)
	if err != nil {
		return address
	}
	return p.String()
}

func (v *visit) logout() error {
	if err := v.sessions.end(v.r.Context(), v.cookie); err != nil {
		return err
	}
	v.setCookie(rand.Text())
	return v.redirect(Path+"login", "")
}
