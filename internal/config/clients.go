package config

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"issuance/internal/baseurl"
	"issuance/providers"
	"issuance/providers/ecticket"
	"issuance/providers/ecticket/wire"
	"issuance/providers/pass2u"
)

// Client is an account's client.
type Client interface {
	providers.Provider
	// Close closes idle connections.
	Close()
}

// ClientOptions are what the process adds to an account's settings.
type ClientOptions struct {
	Gate providers.Gate
	Log  *slog.Logger
	// Memory keeps what the client learns of the account. Default: it is lost with the client.
	Memory providers.Memory
	// Verified counts encodings, see ecticket.Config. Default: nobody counts.
	Verified func(variant string)
	// Transport returns the connections to use for calls through a proxy, "" for what the environment says, so that
	// accounts share them. Default: each account has its own.
	Transport func(proxyURL string) (http.RoundTripper, error)
}

// http is the client for a proxy; nil where the account makes its own.
func (o ClientOptions) http(proxyURL string, timeout time.Duration) (*http.Client, error) {
	if o.Transport == nil {
		return nil, nil
	}
	t, err := o.Transport(proxyURL)
	return &http.Client{Transport: t, Timeout: timeout}, err
}

// Client is the client's configuration, without what ClientOptions adds. What Load has accepted gives no error.
func (e ECTicket) Client() (ecticket.Config, error) {
	paths, errPaths := ecticket.ParsePaths(e.Paths)
	codes, errCodes := ecticket.ParseCodes(e.Codes)
	fields, errFields := ecticket.ParseRefundFields(e.RefundFields)
	mode := ecticket.Pure
	if e.Mode == Escrow {
		mode = ecticket.EscrowUse
	}
	return ecticket.Config{
		BaseURL: e.BaseURL, MerchantID: e.MerchantID, PlatformID: e.PlatformID,
		Keys: e.Keys(),
		Mode: mode, Paths: paths, Codes: codes, RefundFields: fields,
		Timeout: e.Timeout, SettleAfter: e.SettleAfter, Ban: e.Ban,
	}, errors.Join(errPaths, errCodes, errFields)
}

// Keys are the account's.
func (e ECTicket) Keys() wire.Keys {
	return wire.Keys{HashKey: e.HashKey.Reveal(), HashIV: e.HashIV.Reveal()}
}

func (e *ECTicket) merchant() string { return e.MerchantID }

func (e *ECTicket) configured() bool { return e.MerchantID != "" && e.HashKey.Set() && e.HashIV.Set() }

func (e *ECTicket) pace() (float64, time.Duration, time.Duration) {
	return e.CallsPerSecond, e.Ban, e.Timeout
}

func (e *ECTicket) rules() providers.Rules {
	return providers.Rules{Merchant: e.MerchantID, Escrow: e.Mode == Escrow}
}

func (e *ECTicket) equal(s settings) bool {
	o, ok := s.(*ECTicket)
	return ok && *e == *o
}

func (e *ECTicket) access() []string {
	return []string{e.BaseURL, e.Paths, e.MerchantID, e.PlatformID, e.HashKey.Reveal(), e.HashIV.Reveal()}
}

func (e *ECTicket) sole() (variable, value string) { return "", "" }

func (e *ECTicket) client(_ providers.Account, o ClientOptions) (Client, error) {
	cfg, err := e.Client()
	if err != nil {
		return nil, err
	}
	if cfg.HTTP, err = o.http("", cfg.Timeout); err != nil {
		return nil, err
	}
	cfg.Gate, cfg.Log, cfg.Memory, cfg.Verified = o.Gate, o.Log, o.Memory, o.Verified
	return ecticket.New(cfg)
}

// Client is the client's configuration, without what ClientOptions adds.
func (p Pass2U) Client() pass2u.Config {
	return pass2u.Config{
		BaseURL: p.BaseURL, APIKey: p.APIKey.Reveal(), ProxyURL: p.ProxyURL.Reveal(),
		Timeout: p.Timeout, SettleAfter: p.SettleAfter, Ban: p.Ban,
		QueryAtBase: p.QueryPath == "/", RefundQuantityKey: p.RefundQuantityKey,
	}
}

func (p *Pass2U) merchant() string { return "" }

func (p *Pass2U) configured() bool { return p.APIKey.Set() }

func (p *Pass2U) pace() (float64, time.Duration, time.Duration) {
	return p.CallsPerSecond, p.Ban, p.Timeout
}

func (p *Pass2U) rules() providers.Rules { return providers.Rules{} }

func (p *Pass2U) equal(s settings) bool {
	o, ok := s.(*Pass2U)
	return ok && *p == *o
}

func (p *Pass2U) access() []string {
	return []string{p.BaseURL, p.QueryPath, p.APIKey.Reveal(), p.ProxyURL.Reveal()}
}

func (p *Pass2U) sole() (variable, value string) {
	if !p.configured() {
		return "", ""
	}
	return "PASS2U_API_KEY", baseurl.Host(p.BaseURL) + " " + p.APIKey.Reveal()
}

func (p *Pass2U) client(name providers.Account, o ClientOptions) (Client, error) {
	cfg := p.Client()
	var err error
	if cfg.HTTP, err = o.http(cfg.ProxyURL, cfg.Timeout); err != nil {
		return nil, err
	}
	cfg.Merchant, cfg.Gate, cfg.Log, cfg.Memory = name.Merchant, o.Gate, o.Log, o.Memory
	return pass2u.New(cfg)
}
