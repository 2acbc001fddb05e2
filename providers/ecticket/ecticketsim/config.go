package ecticketsim

import (
	"log/slog"
	"net/http"
	"time"

	"issuance/providers/ecticket/wire"
)

// Account is a merchant or a platform that may call.
type Account struct {
	MerchantID string
	// HashKey and HashIV are the account's secrets, 16 ASCII characters each.
	HashKey, HashIV string
	// PlatformID is the platform that may call for this merchant, itself an account whose keys
	// then count; a platform names itself. Default: none.
	PlatformID string
}

// Config sets a simulator up; its zero value is a working one.
type Config struct {
	// Accounts may call. Default: DefaultAccounts().
	Accounts []Account
	// Items is the catalogue. Default: DefaultItems().
	Items []Item
	// Stores are the branches that exist and are active. Default: TP1001, TP1002, KH2001.
	Stores []string
	// JobEvery is how often Start runs the job that issues convenience-store, electronic and
	// serial-number orders. Default 0: only RunJob runs it.
	JobEvery time.Duration
	// Window is how far Timestamp may be from now. Default: 10 minutes.
	Window time.Duration
	// CallsPerSecond is what one merchant may call on average. Default 0: no limit.
	CallsPerSecond float64
	// Burst is how many calls may come at once under CallsPerSecond. Default: 1.
	Burst int
	// BanFor is how long a merchant gets HTTP 403 after it was too fast. Default: 30 minutes.
	BanFor time.Duration
	// EscrowDays is the guarantee period of pickup vouchers, in days. Default: 365.
	EscrowDays int
	// TicketsPerPage is the size of one page of QueryOrderInfo. An order has at most 100 tickets,
	// so tests of paging need a smaller one. Default: 200.
	TicketsPerPage int
	// Encoding is the URL encoding of the answers, with the characters that encodings differ in written
	// as they are. Default nil: those are written as \u escapes, so that a client of any encoding can
	// verify the answers.
	Encoding *wire.Variant
	// NoticesEvery is how often Start sends the batch of notices, which ECPay does once a day. Default 0: only
	// SendNotices does.
	NoticesEvery time.Duration
	// RepeatAfter is how long after a notice that was not acknowledged it is sent again. Default: 10 minutes.
	RepeatAfter time.Duration
	// PlainAck wants notices acknowledged with 1|OK instead of an encrypted envelope. Default false.
	PlainAck bool
	// HTTP sends notices. Default: one that follows no redirects and uses no proxy.
	HTTP *http.Client
	// KeepAnswers keeps every answer for the fault ReplayOwn. Default false.
	KeepAnswers bool
	// Seed makes redemption codes repeatable. Default: 0, which is a seed too.
	Seed uint64
	// Now is the clock. Default: time.Now.
	Now func() time.Time
	// Log gets one line per call, without customers' data. Default: discarded.
	Log *slog.Logger
}

// DefaultAccounts are the merchant of the documents' examples, ECPay's public test merchant
// (both with the public test keys), and a platform for each of them (with ECPay's public
// platform test keys).
func DefaultAccounts() []Account {
	const key, iv = "7b53896b742849d3", "37a0ad3c6ffa428b"
	const platformKey, platformIV = "b15bd8514fed472c", "9c8458263def47cd"
	return []Account{
		{MerchantID: "2000132", HashKey: key, HashIV: iv, PlatformID: "3002599"},
		{MerchantID: "3085676", HashKey: key, HashIV: iv, PlatformID: "3085672"},
		{MerchantID: "3085672", HashKey: platformKey, HashIV: platformIV, PlatformID: "3085672"},
		{MerchantID: "3002599", HashKey: platformKey, HashIV: platformIV, PlatformID: "3002599"},
	}
}

func (c Config) withDefaults() Config {
	if c.Accounts == nil {
		c.Accounts = DefaultAccounts()
	}
	if c.Items == nil {
		c.Items = DefaultItems()
	}
	if c.Stores == nil {
		c.Stores = []string{exampleStore, "TP1002", "KH2001"}
	}
	if c.Window == 0 {
		c.Window = 10 * time.Minute
	}
	if c.Burst < 1 {
		c.Burst = 1
	}
	if c.BanFor == 0 {
		c.BanFor = 30 * time.Minute
	}
	if c.EscrowDays == 0 {
		c.EscrowDays = 365
	}
	if c.TicketsPerPage <= 0 {
		c.TicketsPerPage = 200
	}
	if c.RepeatAfter == 0 {
		c.RepeatAfter = 10 * time.Minute
	}
	if c.HTTP == nil {
		c.HTTP = &http.Client{Transport: &http.Transport{DisableKeepAlives: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}
