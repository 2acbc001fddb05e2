// Package pass2usim is a simulator of the Pass2U ticket service ("票務宝"), for tests and for
// the sandbox: generate, query and refund with the documents' rules, error texts and quirks,
// and with misbehaviour on request. What the documents leave open is a setting, or a choice
// that its comment names.
//
// It never imports the client, so that the two cannot share a mistake; of ours it imports only
// the documents' package and providers/outage.
package pass2usim

import (
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"issuance/providers/outage"
)

// DefaultAPIKey is the key of the simulated account.
const DefaultAPIKey = "sandbox-key"

// The campaigns of a simulator that is given none.
const (
	// DefaultCampaign is the documents' own example. It has a large stock and no end.
	DefaultCampaign = "02955ccca3352ef0734a4aecc9f86083"
	// ExpiredCampaign ended in 2015.
	ExpiredCampaign = "0e0e0e0e0e0e0e0e0e0e0e0e0e0e2015"
	// TinyCampaign has TinyStock tickets.
	TinyCampaign = "00000000000000000000000000000003"
	TinyStock    = 3
)

// Campaign is one sale campaign.
type Campaign struct {
	ProductSaleID string
	// Stock is the number of tickets that may be sold. A refund does not give them back (the
	// documents do not say).
	Stock int
	// ExpiresAt ends the sale; the zero time means never.
	ExpiresAt time.Time
}

// DefaultCampaigns are the campaigns of a simulator that is given none.
func DefaultCampaigns() []Campaign {
	return []Campaign{
		{ProductSaleID: DefaultCampaign, Stock: 1_000_000_000},
		{ProductSaleID: ExpiredCampaign, Stock: 100, ExpiresAt: time.Date(2015, 3, 15, 13, 0, 0, 0, taipei)},
		{ProductSaleID: TinyCampaign, Stock: TinyStock},
	}
}

// Config of a simulator. The zero value is a well-behaved one.
type Config struct {
	// APIKey is the only key accepted. Default DefaultAPIKey.
	APIKey string
	// AllowedIPs, when not empty, are the only callers served. Default: everybody.
	AllowedIPs []netip.Addr
	// Campaigns. Default DefaultCampaigns.
	Campaigns []Campaign
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// KeepAnswers keeps every answer for the fault ReplayOwn. Default false.
	KeepAnswers bool
	// Seed makes the random choices (which tickets a refund takes, ids) repeatable.
	Seed uint64
	// TicketLife is how long tickets are valid. Default 365 days.
	TicketLife time.Duration

	// QueryAtBase answers queries at the base path, as the documents' detail section says,
	// and not at /query, as their overview does. Default: /query.
	QueryAtBase bool
	// WrongPathStatus is the HTTP status of the path that is not served. Default 404.
	WrongPathStatus int
	// ErrorStatus is the HTTP status of a business error; the documents name none. Default 400.
	ErrorStatus int
	// AuthStatus is the HTTP status for a wrong key or an address not listed; the documents
	// say nothing of either. Default 401.
	AuthStatus int
	// RefundQuantityKey is the only key in which a refund may say how many: "quantity" (the
	// documents' example) or "quanity" (their table). Default: either.
	RefundQuantityKey string
	// PagesShowVouchers shows the vouchers of an order of pickupType "order" to a query for pickupType "voucher"; the documents
	// leave open what that is answered. Default: its page.
	PagesShowVouchers bool
	// PlainSpelling writes expirationDate, as in the documents' tables. Default:
	// expriationDate, as in all their examples.
	PlainSpelling bool

	// CallsPerSecond above which a call is answered 403 and the account banned. The limit is
	// this simulator's: the documents name none. Default 0: no limit.
	CallsPerSecond float64
	// Burst is how many calls may come at once. Default 1.
	Burst int
	// BanFor is how long a ban lasts. Default 30 minutes.
	BanFor time.Duration
	// Log gets one line per call at level debug. Default: none.
	Log *slog.Logger
}

var taipei = time.FixedZone("Asia/Taipei", 8*60*60)

// Sim is a simulator. It is an http.Handler and safe for concurrent use. It takes any prefix,
// but must be served at the root of its host: the links it hands out are relative to that.
type Sim struct {
	cfg  Config
	done chan struct{}
	once sync.Once

	mu        sync.Mutex
	rand      *rand.Rand
	fault     func(Call) Fault
	fail      map[string]string // channelOrderId: message
	campaigns map[string]*campaign
	byChannel map[string]*order
	byRef     map[string]*order
	byVoucher map[int64]*voucher
	asked     map[askedKey]int
	limit     limiter
	tally     tally
	lag       Lag
	lagOf     map[string]Lag  // channelOrderId
	forbidden map[string]bool // channelOrderId
	outages   outage.Log[Op, Fault]
	clocks    func(Call) time.Duration
	twist     func(Call, map[string]any)
	given     map[askedKey][]reply // every answer, where they are kept
	confirmed map[askedKey]reply   // the last confirmation of an order, and under no order of the operation

	ahead atomic.Int64 // of the clock, nanoseconds
}

type campaign struct {
	Campaign
	left int
}

type askedKey struct {
	op Op
	id string
}

// New returns a simulator.
func New(c Config) *Sim {
	def(&c.APIKey, DefaultAPIKey)
	def(&c.TicketLife, 365*24*time.Hour)
	def(&c.WrongPathStatus, 404)
	def(&c.ErrorStatus, 400)
	def(&c.AuthStatus, 401)
	def(&c.Burst, 1)
	def(&c.BanFor, 30*time.Minute)
	if c.Campaigns == nil {
		c.Campaigns = DefaultCampaigns()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	s := &Sim{
		cfg: c, done: make(chan struct{}), rand: rand.New(rand.NewPCG(c.Seed, 0x9a552)),
		fail: map[string]string{}, campaigns: map[string]*campaign{},
		byChannel: map[string]*order{}, byRef: map[string]*order{}, byVoucher: map[int64]*voucher{},
		lagOf: map[string]Lag{}, forbidden: map[string]bool{}, confirmed: map[askedKey]reply{},
		given: map[askedKey][]reply{},
		asked: map[askedKey]int{}, tally: tally{calls: map[Op]int{}},
	}
	for _, k := range c.Campaigns {
		s.campaigns[k.ProductSaleID] = &campaign{Campaign: k, left: k.Stock}
	}
	return s
}

func def[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// Close ends every wait of a slow or hanging answer. The simulator answers on, without waits.
func (s *Sim) Close() { s.once.Do(func() { close(s.done) }) }

// SetFault makes f decide how each call misbehaves; nil ends all misbehaviour. f is called
// once per call that has passed the call limit and the key, before the call takes effect,
// from many goroutines, and may call the simulator.
func (s *Sim) SetFault(f func(Call) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// FailOrder makes generate answer this order with an error message (one of the Msg constants,
// or any other) and no effect, until FailOrder is called again with an empty one.
func (s *Sim) FailOrder(channelOrderID, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if message == "" {
		delete(s.fail, channelOrderID)
		return
	}
	s.fail[channelOrderID] = message
}
