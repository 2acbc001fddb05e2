package webhooks

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"issuance/internal/ledger"
	"issuance/internal/thinevent"
	"issuance/providers"
)

// Endpoint is where events are sent.
type Endpoint struct {
	Name     string
	Events   []string            // types; "order.*", "refund.*" and "ticket.*" mean all of them. Empty: all
	Accounts []providers.Account // empty: all; without a merchant, all of the provider
	// AllowPrivate lets the endpoint be on a private network, and be called by http.
	AllowPrivate bool

	url     *url.URL
	signers []*standardwebhooks.Webhook // the first is the present secret's
}

// Host is the scheme and the host of the endpoint's URL. The rest may hold what only the receiver should know.
func (e *Endpoint) Host() string { return e.url.Scheme + "://" + e.url.Host }

// Wants reports whether an event is to be sent there.
func (e *Endpoint) Wants(ev ledger.Event) bool { return e.wants(thinevent.New(ev)) }

func (e *Endpoint) wants(ev thinevent.Event) bool {
	if len(e.Accounts) > 0 && !slices.ContainsFunc(e.Accounts, func(own providers.Account) bool { return own.Covers(ev.Data.Account) }) {
		return false
	}
	family, _, _ := strings.Cut(ev.Type, ".")
	return len(e.Events) == 0 || slices.Contains(e.Events, ev.Type) || slices.Contains(e.Events, family+".*")
}

// wantsBody is Wants for an event as it is sent.
func (e *Endpoint) wantsBody(body string) bool {
	var ev thinevent.Event
	return json.Unmarshal([]byte(body), &ev) == nil && e.wants(ev)
}

// wanted are the events to be sent there.
func (e *Endpoint) wanted(list []ledger.Event) (out []ledger.Event) {
	for _, ev := range list {
		if e.Wants(ev) {
			out = append(out, ev)
		}
	}
	return out
}

// sign is the header webhook-signature: a signature for each secret.
func (e *Endpoint) sign(id string, at time.Time, body []byte) (string, error) {
	var all []string
	for _, s := range e.signers {
		one, err := s.Sign(id, at, body)
		if err != nil {
			return "", err
		}
		all = append(all, one)
	}
	return strings.Join(all, " "), nil
}

// entry is an endpoint as the file writes it.
type entry struct {
	Name               string   `yaml:"name"`
	URL                string   `yaml:"url"`
	Secret             string   `yaml:"secret"`
	SecretFile         string   `yaml:"secret_file"`
	PreviousSecretFile string   `yaml:"previous_secret_file"`
	Events             []string `yaml:"events"`
	Accounts           []string `yaml:"accounts"`
	AllowPrivate       bool     `yaml:"allow_private"`
}

var validName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// endpoint reads an entry, and reports its mistakes by key, without repeating a secret or a URL. read reads its files.
func (n entry) endpoint(read func(string) ([]byte, error), wrong func(key, format string, args ...any)) *Endpoint {
	e := &Endpoint{Name: n.Name, Events: n.Events, AllowPrivate: n.AllowPrivate}
	if !validName.MatchString(n.Name) {
		wrong("name", "name must be 1 to 64 letters, digits, '.', '_' or '-'")
	}
	var err error
	if e.url, err = checkURL(n.URL, n.AllowPrivate); err != nil {
		wrong("url", "url %v", err)
	}
	for _, kind := range n.Events {
		if all := slices.Concat(thinevent.Families(), thinevent.Types()); !slices.Contains(all, kind) {
			wrong("events", "events: %q is none; there are %s", kind, strings.Join(all, ", "))
		}
	}
	for _, text := range n.Accounts {
		a, err := providers.ParseAccount(text)
		if err != nil {
			wrong("accounts", "accounts: %v", err)
		}
		e.Accounts = append(e.Accounts, a)
	}
	n.secrets(read, e, wrong)
	return e
}

// secrets reads the secrets that an endpoint signs with.
func (n entry) secrets(read func(string) ([]byte, error), e *Endpoint, wrong func(key, format string, args ...any)) {
	secret, key := n.Secret, "secret"
	switch {
	case (n.Secret == "") == (n.SecretFile == ""):
		wrong(key, "needs secret or secret_file, and not both")
	case n.SecretFile != "":
		key = "secret_file"
		secret = readSecret(read, key, n.SecretFile, wrong)
	}
	previous := ""
	const previousKey = "previous_secret_file"
	if n.PreviousSecretFile != "" {
		previous = readSecret(read, previousKey, n.PreviousSecretFile, wrong)
	}
	for i, s := range []string{secret, previous} {
		if s == "" {
			continue
		}
		signer, err := signer(s)
		if err != nil {
			wrong([]string{key, previousKey}[i], "%s %v", []string{"secret", "previous secret"}[i], err)
			continue
		}
		e.signers = append(e.signers, signer)
	}
}

func readSecret(read func(string) ([]byte, error), key, path string, wrong func(key, format string, args ...any)) string {
	b, err := read(path)
	if err != nil {
		wrong(key, "%s: %v", key, err)
		return ""
	}
	text := strings.TrimSpace(string(b))
	if text == "" {
		wrong(key, "%s is empty", key)
	}
	return text
}

// signer reads a secret as Standard Webhooks writes it.
func signer(secret string) (*standardwebhooks.Webhook, error) {
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(raw) < 24 || len(raw) > 64 {
		return nil, fmt.Errorf("must be whsec_ and the base64 of 24 to 64 bytes, as from: echo whsec_$(openssl rand -base64 32)")
	}
	return standardwebhooks.NewWebhookRaw(raw)
}

// checkURL is the rule for an endpoint's URL. The error completes the sentence "the URL …".
func checkURL(text string, private bool) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		return nil, fmt.Errorf("must look like https://shop.example/webhooks")
	case u.Scheme == "http" && !private:
		return nil, fmt.Errorf("must begin with https:// (http:// needs allow_private)")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("must begin with https://")
	case u.User != nil:
		return nil, fmt.Errorf("must hold no user and no password; deliveries are signed")
	case u.Fragment != "":
		return nil, fmt.Errorf("must hold no #")
	}
	return u, nil
}
