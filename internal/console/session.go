package console

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/frontdoor"
	"issuance/internal/keys"
	"issuance/internal/queueui"
)

// A login ends by itself after so long without a click, and after so long at all.
const (
	idleEnd = time.Hour
	lastEnd = 12 * time.Hour
)

// cookieName is the browser's cookie. What it holds is random, and names a session once somebody is logged in.
const cookieName = "issuance_console"

// session is somebody who is logged in.
type session struct {
	Token string    `json:"token"` // its mark
	Since time.Time `json:"since"`
}

// sessions are kept in Redis under the hash of the cookie, so that whoever reads Redis is not logged in.
type sessions struct {
	rdb redis.UniversalClient
	now func() time.Time
}

func sessionKey(cookie string) string { return keys.ConsoleSession(hashOf(cookie)) }

func hashOf(cookie string) string {
	sum := sha256.Sum256([]byte(cookie))
	return hex.EncodeToString(sum[:])
}

// changesKey is like sessionKey.
func changesKey(cookie string) string { return keys.ConsoleChanges(hashOf(cookie)) }

func (s sessions) begin(ctx context.Context, cookie, mark string) error {
	raw, err := json.Marshal(session{Token: mark, Since: s.now().UTC()})
	if err != nil {
		return err
	}
	return s.rdb.Set(ctx, sessionKey(cookie), raw, idleEnd).Err()
}

// find is the session of a cookie, nil where there is none. used puts its end off.
func (s sessions) find(ctx context.Context, cookie string, used bool) (*session, error) {
	var raw string
	var err error
	if used {
		raw, err = s.rdb.GetEx(ctx, sessionKey(cookie), idleEnd).Result()
	} else {
		raw, err = s.rdb.Get(ctx, sessionKey(cookie)).Result()
	}
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var found session
	if json.Unmarshal([]byte(raw), &found) != nil || s.now().Sub(found.Since) > lastEnd {
		return nil, s.end(ctx, cookie)
	}
	return &found, nil
}

func (s sessions) end(ctx context.Context, cookie string) error {
	return errors.Join(s.rdb.Del(ctx, sessionKey(cookie)).Err(), s.endChanges(ctx, cookie))
}

// liveHeader marks requests that console.js makes by itself: like those of the queues' script, they keep nobody logged in.
const liveHeader = "X-Console-Live"

// identify finds out who the visitor is. A browser without a cookie is given one.
func (v *visit) identify() error {
	if k, err := v.r.Cookie(cookieName); err == nil && len(k.Value) >= 26 && len(k.Value) <= 64 {
		v.cookie = k.Value
	}
	fresh := v.cookie == ""
	if fresh {
		v.setCookie(rand.Text())
	}
	if v.Tokens == nil {
		v.who = &frontdoor.Token{Name: "localhost", Scopes: frontdoor.Scopes()}
		return nil
	}
	if fresh {
		return nil
	}
	s, err := v.sessions.find(v.r.Context(), v.cookie, !v.byItself())
	if s == nil || err != nil {
		return err
	}
	if k := v.Tokens.Marked(s.Token); k != nil && allowed(k) { // else it was taken out of the file
		v.who = k
	}
	return nil
}

// byItself reports whether a script made a request without its visitor.
func (v *visit) byItself() bool {
	return v.r.Header.Get(liveHeader) != "" || v.r.URL.Path == Path+"live" || v.r.Method == http.MethodGet && queueui.IsAPI(queuesRoot, v.r.URL.Path)
}

// allowed reports whether a token opens the console.
func allowed(k *frontdoor.Token) bool { return k.May(frontdoor.Operate) || k.May(frontdoor.Events) }

func (v *visit) setCookie(value string) {
	v.cookie = value
	http.SetCookie(v.w, &http.Cookie{Name: cookieName, Value: value, Path: Path, HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: v.Door.Encrypted(v.r)})
}

// csrfOf is what forms of a browser hold, and no other site knows.
func csrfOf(cookie string) string {
	mac := hmac.New(sha256.New, []byte(cookie))
	mac.Write([]byte("csrf"))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

func sameText(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
