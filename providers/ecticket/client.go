package ecticket

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"issuance/internal/baseurl"
	"issuance/internal/httpcall"
	"issuance/providers"
	"issuance/providers/ecticket/ecticketdoc"
	"issuance/providers/instead"
	"issuance/providers/skew"
)

// Client calls ECTicket. Safe for concurrent use; one per account is enough.
type Client struct {
	cfg   *Config // a pointer, so that printing a Client by accident prints an address
	paths map[Op]string
	http  *http.Client
	clock clock
	zone  zone
	// result is what is known of QueryIssueResult; showsPending: QueryOrderInfo has shown an order that is not issued yet.
	result       instead.Call
	showsPending atomic.Bool
	// retryWait is the pause before a query is tried again after a failed connection.
	retryWait time.Duration
}

var (
	_ providers.Provider       = (*Client)(nil)
	_ providers.TicketRefunder = (*Client)(nil)
	_ providers.AtOnceIssuer   = (*Client)(nil)
	_ providers.Identifier     = (*Client)(nil)
	_ providers.ClockTeller    = (*Client)(nil)
)

// New makes a client, or reports everything that is wrong with cfg. It makes no call.
func New(cfg Config) (*Client, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	client := cfg.HTTP
	if client == nil {
		if client, err = httpcall.New(httpcall.Options{Timeout: cfg.Timeout}); err != nil {
			return nil, fmt.Errorf("ecticket: %w", err)
		}
	} else if client.Timeout == 0 {
		own := *client
		own.Timeout = cfg.Timeout
		client = &own
	}
	c := &Client{cfg: &cfg, paths: paths(cfg.Mode, cfg.Paths), http: client, retryWait: 200 * time.Millisecond}
	c.zone.Dates = skew.NewDates(cfg.Memory, providers.Site(c))
	return c, nil
}

// Close closes idle connections. The client stays usable.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Account is the merchant's.
func (c *Client) Account() providers.Account {
	return providers.Account{Provider: providers.ECTicket, Merchant: c.cfg.MerchantID}
}

// Host is BaseURL's.
func (c *Client) Host() string { return baseurl.Host(c.cfg.BaseURL) }

// Traits: a request may arrive until its Timestamp is 10 minutes old, and no code list says which
// rejection means "this number exists already".
func (c *Client) Traits() providers.Traits {
	return providers.Traits{SettleAfter: c.cfg.SettleAfter, RejectionMayHideDuplicate: true}
}

// NeedsTickets is true for serial-number orders (IssueType 4): the customer gets no ticket from
// ECPay, so the numbers have to be fetched.
func (c *Client) NeedsTickets(o providers.Order) (need bool, count int) {
	var doc ecticketdoc.Order
	if err := json.Unmarshal(o.Request, &doc); err != nil {
		return false, 0
	}
	return doc.IssueType == ecticketdoc.SerialOnly, doc.TicketCount()
}

// String shows the client without keys.
func (c *Client) String() string { return fmt.Sprintf("ecticket.Client{%s}", c.cfg.String()) }

// GoString shows the client without keys.
func (c *Client) GoString() string { return c.String() }

// Format shows the client without keys, whatever the verb.
func (c *Client) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(c.String())) }

// LogValue shows the client without keys.
func (c *Client) LogValue() slog.Value { return c.cfg.LogValue() }
