// Package itemcheck checks ECTicket orders against the merchant's catalogue before they are enqueued:
// that items exist, are listed, can be issued as the order wants, and that pickup and gift vouchers fit
// the trade number and the dates. It costs few calls, because what ECTicket answers about an item is
// cached in Redis for all processes.
//
// It imports package providers, the ECTicket client's packages for their types, and internal/keys. The
// calls themselves, and the call budget they pass, are the client's it is given.
package itemcheck

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/providers"
	"issuance/providers/ecticket"
	"issuance/providers/ecticket/ecticketdoc"
)

// Source looks up the catalogue: ecticket.Client.
type Source interface {
	Items(ctx context.Context, itemNos []string) ([]ecticket.Item, providers.Outcome)
}

// Options of a Checker.
type Options struct {
	// Account is whose catalogue it is. Required.
	Account providers.Account
	// TTL is how long an answer about an item is used again. Default 10 min.
	TTL time.Duration
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

const (
	defaultTTL = 10 * time.Minute
	page       = 20     // items of one call
	maxKept    = 10_000 // items cached in this process
)

// Checker checks orders of one merchant and caches the merchant's items. Safe for concurrent use; calls
// to ECTicket are made one after another.
type Checker struct {
	rdb    redis.UniversalClient
	source Source
	opt    Options
	key    string

	mu       sync.Mutex
	kept     map[string]item
	answered bool // ECTicket has listed items to this process, so the account is accepted
}

// item is what the checks need of an item, as it is cached in Redis: in the hash keys.Items, by item
// number, which expires a TTL after the last write.
type item struct {
	At         int64    `json:"at"` // when ECTicket answered, Unix milliseconds of this machine's clock
	Gone       bool     `json:"gone,omitempty"`
	Listed     bool     `json:"listed,omitempty"`
	TicketType string   `json:"ticket_type,omitempty"`
	IssueTypes []string `json:"issue_types,omitempty"` // none: ECTicket does not say

	asked bool // by this process, not read from Redis
}

// New makes a checker of the source's merchant.
func New(rdb redis.UniversalClient, source Source, opt Options) *Checker {
	if opt.TTL <= 0 {
		opt.TTL = defaultTTL
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &Checker{rdb: rdb, source: source, opt: opt, key: keys.Items(opt.Account), kept: map[string]item{}}
}

// NoAnswerError says that ECTicket did not answer what had to be known.
type NoAnswerError struct{ Outcome providers.Outcome }

func (e *NoAnswerError) Error() string {
	why := e.Outcome.Code
	if e.Outcome.Message != "" {
		why += ": " + e.Outcome.Message
	}
	return fmt.Sprintf("ECTicket's catalogue: %s (%s)", e.Outcome.Kind, why)
}

// Check returns the violations of orders that are valid by themselves, in the order of the orders. It
// asks ECTicket for the items that no process has asked for lately, 20 a call; and before it reports a
// violation because of another process's answer, it asks again. The error is a *NoAnswerError, or
// Redis's.
func (c *Checker) Check(ctx context.Context, orders []*ecticketdoc.Order) ([][]providers.Violation, error) {
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
	cached := slices.DeleteFunc(itemNos(wrong), func(no string) bool { return c.kept[no].asked })
	if len(cached) == 0 {
		return found, nil
	}
	if err := c.ask(ctx, cached); err != nil {
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

// know looks up the items that are not cached, or no longer fresh.
func (c *Checker) know(ctx context.Context, numbers []string) error {
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
		return fmt.Errorf("read the cached catalogue: %w", err)
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

// fill adds items that another process has asked for as long as they cost no further call.
func (c *Checker) fill(unknown, numbers []string) []string {
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

func (c *Checker) fresh(it item) bool {
	age := c.opt.Now().Sub(time.UnixMilli(it.At))
	return it.At != 0 && age < c.opt.TTL && age > -c.opt.TTL
}

// keep caches items in Redis. That an item does not exist is not cached there: it may be put into the
// catalogue at any moment.
func (c *Checker) keep(ctx context.Context, fields map[string]any) error {
	if len(fields) == 0 {
		return nil
	}
	pipe := c.rdb.Pipeline() // not a transaction, whose error would not say what was refused
	pipe.HSet(ctx, c.key, fields)
	pipe.PExpire(ctx, c.key, c.opt.TTL)
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("cache the catalogue: %w", err)
	}
	return nil
}
