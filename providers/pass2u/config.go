package pass2u

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"issuance/internal/baseurl"
	"issuance/providers"
	"issuance/providers/pass2u/pass2udoc"
)

// Config of a client. Printing or logging one shows neither its key nor its proxy's password.
type Config struct {
	// BaseURL is the service's address up to …/api/v1/public/product; see package internal/baseurl
	// for its rule. Required.
	BaseURL string
	// Merchant is the operator's own name for the account, since Pass2U has none. Default "main".
	Merchant string
	// APIKey is sent as it is in the header Authorization. Required.
	APIKey string `json:"-"`
	// Timeout covers one call, from its leave of the Gate to the answer's last byte. A
	// look-up with its second attempt stays within it too. Default 20 s.
	Timeout time.Duration
	// Ban is how long to wait after HTTP 403. Pass2U documents no limit; 30 minutes is what ECPay
	// asks for. Default 30 min.
	Ban time.Duration
	// ProxyURL sends calls through a proxy, since Pass2U lets each account call from one
	// address only. Default: what HTTPS_PROXY and NO_PROXY say.
	ProxyURL string `json:"-"`
	// SettleAfter is how long after sending a request may still take effect. Pass2U documents
	// no such time. Default 15 min.
	SettleAfter time.Duration
	// QueryAtBase looks orders up at the base path first, as the detail section of the
	// document says, rather than at /query, as its overview says. Either way the other one is
	// tried when the first is not there. Default false.
	QueryAtBase bool
	// RefundQuantityKey is the key in which a refund says how many: "quantity" (the
	// document's example) or "quanity" (its field table). The other one is tried where
	// this one is answered "quantity Format Error.", and no refund was accepted before. Default "quantity".
	RefundQuantityKey string
	// Gate is passed before every HTTP call. Default nil: no limit.
	Gate providers.Gate `json:"-"`
	// Memory keeps in which zone times are, and which RefundQuantityKey the account has accepted. Default: this client's own,
	// as long as it lives.
	Memory providers.Memory `json:"-"`
	// Log gets one line per call at level debug. Default: none.
	Log *slog.Logger `json:"-"`
	// Now is the clock that call durations and Skew are measured with. Default time.Now.
	Now func() time.Time `json:"-"`
	// HTTP replaces the HTTP client (tests); ProxyURL is not used then. Default: one of
	// internal/httpcall.
	HTTP *http.Client `json:"-"`
}

// The two spellings of the number of tickets to refund.
const (
	keyQuantity = "quantity"
	keyQuanity  = "quanity"
)

// complete fills in defaults and reports everything that is wrong.
func (c *Config) complete() error {
	var wrong []error
	c.BaseURL = strings.TrimRight(c.BaseURL, "/")
	if err := baseurl.Check(c.BaseURL); err != nil {
		wrong = append(wrong, fmt.Errorf("base URL: %w", err))
	}
	if c.Merchant == "" {
		c.Merchant = pass2udoc.DefaultMerchant
	}
	if !providers.ValidMerchant(c.Merchant) {
		wrong = append(wrong, errors.New("merchant: must be 1 to 40 letters, digits, '-' or '_'"))
	}
	if c.APIKey == "" || strings.IndexFunc(c.APIKey, func(r rune) bool { return r <= ' ' || r > '~' }) >= 0 {
		wrong = append(wrong, errors.New("API key: must be the key of the Pass2U account, printable ASCII without spaces"))
	}
	switch c.RefundQuantityKey {
	case "":
		c.RefundQuantityKey = keyQuantity
	case keyQuantity, keyQuanity:
	default:
		wrong = append(wrong, errors.New(`refund quantity key: must be "quantity" or "quanity"`))
	}
	if c.Timeout < 0 || c.SettleAfter < 0 {
		wrong = append(wrong, errors.New("timeouts: must not be negative"))
	}
	if c.Ban <= 0 {
		c.Ban = 30 * time.Minute
	}
	if c.Timeout == 0 {
		c.Timeout = 20 * time.Second
	}
	if c.SettleAfter == 0 {
		c.SettleAfter = 15 * time.Minute
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Memory == nil {
		c.Memory = providers.NoMemory{}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if len(wrong) > 0 {
		return fmt.Errorf("pass2u: %w", errors.Join(wrong...))
	}
	return nil
}

// String shows the settings without the secrets.
func (c Config) String() string {
	key, proxy := "unset", "environment"
	if c.APIKey != "" {
		key = "[redacted]"
	}
	if c.ProxyURL != "" {
		proxy = "[redacted]"
		if u, err := url.Parse(c.ProxyURL); err == nil && u.Host != "" {
			proxy = u.Scheme + "://" + u.Host
		}
	}
	base := c.BaseURL
	if baseurl.Check(strings.TrimRight(base, "/")) != nil {
		base = "[invalid]" // it may hold credentials
	}
	return fmt.Sprintf("pass2u{base:%s merchant:%s key:%s proxy:%s timeout:%s settle:%s}", base, c.Merchant, key, proxy, c.Timeout, c.SettleAfter)
}

// GoString is String, for %#v.
func (c Config) GoString() string { return c.String() }

// LogValue is String, for log/slog.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// String shows the client's settings without the secrets.
func (c *Client) String() string { return c.cfg.String() }

// GoString is String, for %#v.
func (c *Client) GoString() string { return c.cfg.String() }

// LogValue is String, for log/slog.
func (c *Client) LogValue() slog.Value { return c.cfg.LogValue() }

// secrets are the account's values that no text may hold.
func (c *Client) secrets(more ...string) []string {
	all := append([]string{c.cfg.APIKey}, more...)
	if u, err := url.Parse(c.cfg.ProxyURL); err == nil && u.User != nil {
		if p, ok := u.User.Password(); ok {
			all = append(all, p)
		}
	}
	return all
}
