package frontdoor

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"

	"issuance/internal/listfile"
	"issuance/internal/livefile"
	"issuance/providers"
)

// Scope is what a token may do.
type Scope string

// The scopes. Tickets are what opens a door, so they are not among the orders' scope.
const (
	Orders  Scope = "orders"  // enqueue, cancel, ask for and search orders
	Refunds Scope = "refunds" // enqueue and cancel refunds
	Tickets Scope = "tickets" // see ticket numbers, redemption codes, links and passcodes
	Events  Scope = "events"  // read the final statuses
	Operate Scope = "operate" // what an operator does
)

// Scopes lists every scope.
func Scopes() []Scope { return []Scope{Orders, Refunds, Tickets, Events, Operate} }

// Token is one caller. The zero Token may do nothing.
type Token struct {
	Name     string
	Scopes   []Scope
	Accounts []providers.Account // empty: all; without a merchant, all of the provider
	// PerSecond is how many requests a second the caller may make, over all front doors. Default 0: no limit.
	PerSecond float64

	sum [sha256.Size]byte
}

// Mark names the token where its secret must not be known. It changes with the secret.
func (t *Token) Mark() string {
	sum := sha256.Sum256(t.sum[:])
	return hex.EncodeToString(sum[:16])
}

// May reports whether the token has a scope.
func (t *Token) May(s Scope) bool { return slices.Contains(t.Scopes, s) }

// Sees reports whether an account is among the token's.
func (t *Token) Sees(a providers.Account) bool {
	return len(t.Accounts) == 0 || slices.ContainsFunc(t.Accounts, func(own providers.Account) bool { return own.Covers(a) })
}

// seesSome reports whether an account, or one of a provider's, is among the token's.
func (t *Token) seesSome(a providers.Account) bool {
	return t.Sees(a) || slices.ContainsFunc(t.Accounts, a.Covers)
}

// NewToken makes a token: secret is the caller's, and sum its hex SHA-256, which the tokens file holds.
func NewToken() (secret, sum string) {
	b := make([]byte, 32)
	rand.Read(b) // never fails
	secret = "iss_" + base64.RawURLEncoding.EncodeToString(b)
	s := sha256.Sum256([]byte(secret))
	return secret, hex.EncodeToString(s[:])
}

// Tokens are those of a file, which is read again when it changes. Safe for concurrent use.
type Tokens struct{ file *livefile.File[[]*Token] }

// OneToken is a single caller without a file.
func OneToken(name, secret string, scopes ...Scope) *Tokens {
	return &Tokens{livefile.Fixed([]*Token{{Name: name, Scopes: scopes, sum: sha256.Sum256([]byte(secret))}})}
}

// ReadTokens reads a tokens file. The error lists all its mistakes, and none of its secrets.
func ReadTokens(path string, log *slog.Logger) (*Tokens, error) {
	f, err := livefile.Open(livefile.Config[[]*Token]{Path: path, Name: "tokens file", Kept: "the tokens read before", Log: log,
		Parse:   func(raw []byte, _ func(string) ([]byte, error)) ([]*Token, error) { return readTokens(raw) },
		Changed: func(list []*Token) { log.Info("tokens read", "tokens", len(list)) }})
	if err != nil {
		return nil, err
	}
	return &Tokens{f}, nil
}

// Find is the caller that has a secret, or nil.
func (t *Tokens) Find(secret string) *Token {
	sum := sha256.Sum256([]byte(secret))
	var found *Token
	for _, k := range t.current() { // all of them, so that the time says nothing
		if subtle.ConstantTimeCompare(k.sum[:], sum[:]) == 1 {
			found = k
		}
	}
	return found
}

// Marked is the token of a mark, as it is in the file now, or nil.
func (t *Tokens) Marked(mark string) *Token {
	for _, k := range t.current() {
		if k.Mark() == mark {
			return k
		}
	}
	return nil
}

// current is what the file says now. A file that cannot be read, or has mistakes, changes nothing.
func (t *Tokens) current() []*Token { return t.file.Current() }

// follow has the file read again when it changes although nobody calls, so that its mistakes are reported, until the context ends.
func (t *Tokens) follow(ctx context.Context) {
	follow(ctx, func() { t.current() })
}

// tokenEntry is a token as the file writes it.
type tokenEntry struct {
	Name      string   `yaml:"name"`
	SHA256    string   `yaml:"sha256"`
	Scopes    []string `yaml:"scopes"`
	Accounts  []string `yaml:"accounts"`
	PerSecond float64  `yaml:"requests_per_second"`
}

func readTokens(raw []byte) ([]*Token, error) {
	file, err := listfile.Parse[tokenEntry](raw, "tokens file", "tokens")
	if err != nil {
		return nil, err
	}
	var out []*Token
	names, sums := map[string]bool{}, map[[sha256.Size]byte]bool{}
	for i, e := range file.Entries {
		if !e.Listed {
			continue
		}
		wrong := func(key, format string, args ...any) {
			file.Wrong(e.Line(key), "token %d: %s", i+1, fmt.Sprintf(format, args...))
		}
		k := e.Value.token(wrong)
		if names[k.Name] {
			wrong("name", "its name is taken by another one")
		}
		if sums[k.sum] && k.sum != [sha256.Size]byte{} {
			wrong("sha256", "its sha256 is another one's, too; each caller needs a token of its own")
		}
		names[k.Name], sums[k.sum] = true, true
		out = append(out, k)
	}
	if len(file.Entries) == 0 {
		file.Wrong(1, "it has no tokens")
	}
	return out, file.Err()
}

var tokenName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// token reads an entry, and reports its mistakes by key.
func (e tokenEntry) token(wrong func(key, format string, args ...any)) *Token {
	k := &Token{Name: e.Name, PerSecond: e.PerSecond}
	if !tokenName.MatchString(e.Name) {
		wrong("name", "name must be 1 to 64 letters, digits, '.', '_' or '-'")
	}
	sum, err := hex.DecodeString(strings.TrimSpace(e.SHA256))
	if err != nil || len(sum) != len(k.sum) {
		wrong("sha256", "sha256 must be the 64 hex digits that `enqueue token new` prints")
	}
	copy(k.sum[:], sum)
	for _, s := range e.Scopes {
		if !slices.Contains(Scopes(), Scope(s)) {
			wrong("scopes", "scopes must be of: %s", joined(Scopes()))
			break
		}
		k.Scopes = append(k.Scopes, Scope(s))
	}
	if len(e.Scopes) == 0 {
		wrong("scopes", "it has no scopes, so it may do nothing")
	}
	for _, text := range e.Accounts {
		a, err := providers.ParseAccount(text)
		if err != nil {
			wrong("accounts", "accounts: %v", err)
		}
		k.Accounts = append(k.Accounts, a)
	}
	if !(e.PerSecond >= 0) {
		wrong("requests_per_second", "requests_per_second must be 0 (no limit) or more")
	}
	return k
}
