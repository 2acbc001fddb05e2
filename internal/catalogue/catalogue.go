// Package catalogue checks ECTicket orders against the merchant's catalogue before they are
// enqueued: that items exist, are listed, can be issued as the order wants, and that pickup and
// gift vouchers fit the trade number and the dates. It costs few calls, because what ECTicket
// tells of an item is kept in Redis for a while, for everybody.
//
// It imports the ECTicket client's package for its types; the calls themselves, and the call
// budget they pass, are the client's it is given.
package catalogue

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/providers"
	"issuance/providers/ecticket"
	"issuance/providers/ecticket/ecticketdoc"
)

// Source is who knows the catalogue: ecticket.Client.
type Source interface {
	Items(ctx context.Context, itemNos []string) ([]ecticket.Item, providers.Outcome)
}

// Options of a Catalogue.
type Options struct {
	// MerchantID tells catalogues apart. Required.
	MerchantID string
	// TTL is how long what is known of an item is taken for true. Default 10 min.
	TTL time.Duration
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

const (
	defaultTTL = 10 * time.Minute
	page       = 20     // items ECTicket tells in one call
	maxKept    = 10_000 // items kept in this process
)

// Catalogue is what is known of a merchant's items. Safe for concurrent use; calls come one
// after another.
type Catalogue struct {
	rdb    redis.UniversalClient
	source Source
	opt    Options
	key    string

	mu       sync.Mutex
	kept     map[string]item
	answered bool // ECTicket has told this process of items, so the account is fine
}

// item is what the checks need of an item, as it is kept in Redis: in the hash
// issuance:{catalogue:ecticket:MERCHANT}, by item number, which lives a TTL after the last write.
type item struct {
	At         int64    `json:"at"` // when ECTicket told it, Unix milliseconds of this machine's clock
	Gone       bool     `json:"gone,omitempty"`
	Listed     bool     `json:"listed,omitempty"`
	TicketType string   `json:"ticket_type,omitempty"`
	IssueTypes []string `json:"issue_types,omitempty"` // none: ECTicket does not tell

	asked bool // by this process, not read from Redis
}

// New makes a catalogue of the source's merchant.
func New(rdb redis.UniversalClient, source Source, opt Options) *Catalogue {
	if opt.TTL <= 0 {
		opt.TTL = defaultTTL
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &Catalogue{rdb: rdb, source: source, opt: opt, key: "issuance:{catalogue:ecticket:" + opt.MerchantID + "}", kept: map[string]item{}}
}

// NotAskedError says that ECTicket did not tell what had to be known.
type NotAskedError struct{ Outcome providers.Outcome }

func (e *NotAskedError) Error() string {
	why := e.Outcome.Code
	if e.Outcome.Message != "" {
		why += ": " + e.Outcome.Message
	}
	return fmt.Sprintf("the catalogue at ECTicket cannot be read: %s (%s)", e.Outcome.Kind, why)
}

// Check finds what is wrong with orders that are valid by themselves; the answers are in their
// order. ECTicket is asked for the items that nobody has asked for lately, 20 a call; and before
// an order is called wrong because of what somebody else has asked, it is asked again. The error
// is a *NotAskedError, or Redis's.
func (c *Catalogue) Check(ctx context.Context, orders []*ecticketdoc.Order) ([][]providers.Violation, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.know(ctx, itemNos(orders)); err != nil {
		return nil, err
	}
	found := make([][]providers.Violation, len(orders))
	var wrong []*ecticketdoc.Order
	for i, o := range orders {
		if found[i] = c.violations(o); len(found[i]) > 0 {
			wrong = append(wrong, o)
		}
	}
	hearsay := slices.DeleteFunc(itemNos(wrong), func(no string) bool { return c.kept[no].asked })
	if len(hearsay) == 0 {
		return found, nil
	}
	if err := c.ask(ctx, hearsay); err != nil {
		return nil, err
	}
	for i, o := range orders {
		found[i] = c.violations(o)
	}
	return found, nil
}

// itemNos lists the numbers that have to be known, each once. Orders of serial numbers only name
// no item of the catalogue.
func itemNos(orders []*ecticketdoc.Order) []string {
	var all []string
	seen := map[string]bool{}
	for _, o := range orders {
		for _, it := range o.TicketInfo {
			if o.IssueType != ecticketdoc.SerialOnly && it.ItemNo != "" && !seen[it.ItemNo] {
				seen[it.ItemNo] = true
				all = append(all, it.ItemNo)
			}
		}
	}
	return all
}

// know finds out about items that are not known, or no longer.
func (c *Catalogue) know(ctx context.Context, numbers []string) error {
	missing := slices.DeleteFunc(slices.Clone(numbers), func(no string) bool { return c.fresh(c.kept[no]) })
	if len(missing) == 0 {
		return nil
	}
	if len(c.kept)+len(missing) > maxKept {
		clear(c.kept)
		missing = numbers
	}
	values, err := c.rdb.HMGet(ctx, c.key, missing...).Result()
	if err != nil {
		return fmt.Errorf("read the catalogue kept in Redis: %w", err)
	}
	var unknown []string
	for i, no := range missing {
		var it item
		text, _ := values[i].(string)
		if text == "" || json.Unmarshal([]byte(text), &it) != nil || !c.fresh(it) {
			unknown = append(unknown, no)
			continue
		}
		c.kept[no] = it
	}
	if len(unknown) == 0 {
		return nil
	}
	return c.ask(ctx, c.fill(unknown, numbers))
}

// fill adds items that somebody else has asked for as long as they cost no further call.
func (c *Catalogue) fill(unknown, numbers []string) []string {
	for _, no := range numbers {
		if len(unknown)%page == 0 {
			break
		}
		if it := c.kept[no]; !it.asked && !slices.Contains(unknown, no) {
			unknown = append(unknown, no)
		}
	}
	return unknown
}

func (c *Catalogue) fresh(it item) bool {
	age := c.opt.Now().Sub(time.UnixMilli(it.At))
	return it.At != 0 && age < c.opt.TTL && age > -c.opt.TTL
}

// keep writes what ECTicket told into Redis. That an item does not exist is not kept there: it
// may be put into the catalogue any moment.
func (c *Catalogue) keep(ctx context.Context, fields map[string]any) error {
	if len(fields) == 0 {
		return nil
	}
	pipe := c.rdb.TxPipeline()
	pipe.HSet(ctx, c.key, fields)
	pipe.PExpire(ctx, c.key, c.opt.TTL)
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("keep the catalogue in Redis: %w", err)
	}
	return nil
}
