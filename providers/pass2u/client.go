// Package pass2u is the client of the Pass2U ticket service ("票務宝"): generate, query and
// refund. It turns HTTP statuses and error texts into the outcomes of package providers.
//
// What Pass2U's document leaves open or contradicts itself in is decided here so that an error
// can cost a question too many, never a ticket: an answer is judged by its body whatever its
// HTTP status; what is not certainly a confirmation or a rejection of a mutating call is Unknown; a
// query never carries mailTo, which could mail the order again; and nothing here ever makes a GET,
// because opening a voucher's link is its pick-up.
//
// It may import package providers, pass2udoc, providers/skew, internal/httpcall and internal/baseurl; never the
// simulator.
package pass2u

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"sync/atomic"

	"issuance/internal/baseurl"
	"issuance/internal/httpcall"
	"issuance/providers"
	"issuance/providers/pass2u/pass2udoc"
	"issuance/providers/skew"
)

// Client calls one Pass2U account. Safe for concurrent use; make one and keep it.
type Client struct {
	cfg  Config
	http *http.Client
	// queryPath is where queries are answered, once that is known (see query.go).
	queryPath atomic.Int32
	// quantityKey is the key in which a refund that the account accepted said how many; nil before one was (see refund.go).
	quantityKey atomic.Pointer[string]
	// pagesShow: an order of pickupType "order" has shown its vouchers (see refund.go).
	pagesShow atomic.Bool
	clock     skew.Meter
	dates     *skew.Dates
}

var (
	_ providers.Provider      = (*Client)(nil)
	_ providers.CountRefunder = (*Client)(nil)
	_ providers.Respeller     = (*Client)(nil)
	_ providers.ClockTeller   = (*Client)(nil)
	_ providers.ZoneTeller    = (*Client)(nil)
)

// New returns a client, or an error that names everything wrong with the configuration. It
// makes no call.
func New(cfg Config) (*Client, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, http: cfg.HTTP}
	c.dates = skew.NewDates(cfg.Memory, providers.Site(c))
	if c.http == nil {
		h, err := httpcall.New(httpcall.Options{Timeout: cfg.Timeout, ProxyURL: cfg.ProxyURL})
		if err != nil {
			return nil, err
		}
		c.http = h
	}
	return c, nil
}

// Close closes idle connections. The client stays usable.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Account is the one that Config.Merchant names.
func (c *Client) Account() providers.Account {
	return providers.Account{Provider: providers.Pass2U, Merchant: c.cfg.Merchant}
}

// Host is BaseURL's.
func (c *Client) Host() string { return baseurl.Host(c.cfg.BaseURL) }

// Credential implements providers.Credentialed: Pass2U knows an account by its key alone. 24 bits of a digest do not lead back to
// a key, which is long and random.
func (c *Client) Credential() string {
	sum := sha256.Sum256([]byte("issuance pass2u key\x00" + c.cfg.APIKey))
	return hex.EncodeToString(sum[:3])
}

// Traits: Pass2U has a message for a duplicate ("channelOrderId Repeated."), so a rejection hides none. It may hide that the request
// took effect (Outcome.MayHide).
func (c *Client) Traits() providers.Traits {
	return providers.Traits{SettleAfter: c.cfg.SettleAfter}
}

// NeedsTickets is always false: Issue is Done, and a look-up FoundIssued, only with every
// ticket of a voucher-type order in its Result. count is the number of tickets that Result
// must hold, 0 for an order-type order, which shows none.
func (c *Client) NeedsTickets(o providers.Order) (need bool, count int) {
	var d pass2udoc.Order
	if json.Unmarshal(o.Request, &d) == nil && d.PickupType == pass2udoc.PickupVoucher {
		return false, d.Quantity
	}
	return false, 0
}
