package ecticket

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
	"issuance/providers/ecticket/wire"
)

// Config configures a client. It can be printed and logged: keys are not shown.
type Config struct {
	// BaseURL is the scheme and host, such as "https://ecticket.ecpay.com.tw"; see package
	// internal/baseurl for its rule. Required.
	BaseURL string
	// MerchantID is the merchant's; with a PlatformID, the sub-merchant's. It names the account: 1 to
	// 10 letters and digits. Required.
	MerchantID string
	// PlatformID is a platform merchant's own id; Keys are then the platform's. Default "".
	PlatformID string
	// Keys are HashKey and HashIV. Required.
	Keys wire.Keys
	// Mode is the contract with ECPay. Default Pure.
	Mode Mode
	// Paths overrides the path of single calls; see ParsePaths. Default: the documented ones of Mode.
	Paths map[Op]string
	// RefundFields is the body of Refund, whose documented field list is not public in full.
	// "{TicketNo}", "{Operator}" and "{StoreID}" stand for the refund's; a field that comes out
	// empty is left out; MerchantID is always sent. Default: TicketNo, Action "1" (refund),
	// Operator and StoreID. See ParseRefundFields.
	RefundFields map[string]string
	// Codes says what a RtnCode means; see Meaning and ParseCodes. Fill it from ECPay's list, which
	// merchants can see in the vendor's back office. Default: MeansRejected, and MeansHeld for
	// 10200073 (checksum refused).
	Codes map[string]Meaning
	// Timeout bounds one HTTP call, from waiting for a connection to the answer's last byte.
	// Waiting for the Gate is not part of it. Default 20s.
	Timeout time.Duration
	// SettleAfter is how long a request with an unknown outcome may still take effect. ECTicket
	// takes a request up to 10 minutes after its Timestamp. Default 12m.
	SettleAfter time.Duration
	// Ban is how long ECPay stops an account that called too fast (HTTP 403). Default 30m.
	Ban time.Duration
	// Verified is called with the encoding of every answer whose CheckMacValue was verified, as
	// wire.VerifyMAC names it: "any" where the text does not show it, else what it shows, such as
	// "space=%20"; at most 27 names are in use. It shows which of ECPay's documented encodings is in
	// use. It must be safe for concurrent use and return at once. Default nil: nobody counts.
	Verified func(variant string)
	// Gate is passed before every HTTP call. Default: no limit.
	Gate providers.Gate
	// Memory keeps in which zone dates are. Default: this client's own, as long as it lives.
	Memory providers.Memory
	// Log gets warnings and, at debug level, every call. Default: discarded.
	Log *slog.Logger
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// HTTP replaces the HTTP client, for tests; redirects stay unfollowed. Default: one of
	// httpcall.New, which requires TLS 1.2 and heeds HTTPS_PROXY.
	HTTP *http.Client
}

const (
	defaultTimeout     = 20 * time.Second
	defaultSettleAfter = 12 * time.Minute
	defaultBan         = 30 * time.Minute
)

// withDefaults fills in defaults and reports everything that is wrong, all at once.
func (cfg Config) withDefaults() (Config, error) {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf("ecticket: "+format, args...)) }

	cfg.BaseURL = strings.TrimRight(cfg.BaseURL, "/")
	if err := baseurl.Check(cfg.BaseURL); err != nil {
		wrong("BaseURL: %w", err)
	}
	if len(cfg.MerchantID) > 10 || !providers.ValidMerchant(cfg.MerchantID) {
		wrong("MerchantID must have 1 to 10 letters and digits")
	}
	if len(cfg.PlatformID) > 10 {
		wrong("PlatformID must have at most 10 characters")
	}
	if err := cfg.Keys.Validate(); err != nil {
		errs = append(errs, fmt.Errorf("ecticket: %w", err))
	}
	switch cfg.Mode {
	case "":
		cfg.Mode = Pure
	case Pure, EscrowUse:
	default:
		wrong("Mode must be %q or %q", Pure, EscrowUse)
	}
	if cfg.RefundFields == nil {
		cfg.RefundFields = defaultRefundFields()
	}
	for name, err := range map[string]error{"Paths": checkPaths(cfg.Paths), "Codes": checkCodes(cfg.Codes), "RefundFields": checkRefundFields(cfg.RefundFields)} {
		if err != nil {
			wrong("%s: %w", name, err)
		}
	}
	for name, d := range map[string]*time.Duration{"Timeout": &cfg.Timeout, "SettleAfter": &cfg.SettleAfter, "Ban": &cfg.Ban} {
		if *d < 0 {
			wrong("%s must not be negative", name)
		}
	}
	setDefault(&cfg.Timeout, defaultTimeout)
	setDefault(&cfg.SettleAfter, defaultSettleAfter)
	setDefault(&cfg.Ban, defaultBan)
	if cfg.Memory == nil {
		cfg.Memory = providers.NoMemory{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return cfg, errors.Join(errs...)
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

// String shows the configuration without keys.
func (cfg Config) String() string {
	return fmt.Sprintf("ecticket.Config{BaseURL:%s MerchantID:%s PlatformID:%s Mode:%s Timeout:%s SettleAfter:%s Keys:REDACTED}",
		shownURL(cfg.BaseURL), cfg.MerchantID, cfg.PlatformID, cfg.Mode, cfg.Timeout, cfg.SettleAfter)
}

// GoString shows the configuration without keys.
func (cfg Config) GoString() string { return cfg.String() }

// Format shows the configuration without keys, whatever the verb.
func (cfg Config) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(cfg.String())) }

// LogValue shows the configuration without keys.
func (cfg Config) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("base_url", shownURL(cfg.BaseURL)),
		slog.String("merchant_id", cfg.MerchantID),
		slog.String("platform_id", cfg.PlatformID),
		slog.String("mode", string(cfg.Mode)),
		slog.Duration("timeout", cfg.Timeout),
		slog.Duration("settle_after", cfg.SettleAfter),
	)
}

// shownURL hides a password that does not belong into a URL, but may be there.
func shownURL(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "(not a URL)"
	}
	return u.Redacted()
}
