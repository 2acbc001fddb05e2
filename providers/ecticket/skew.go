package ecticket

import (
	"context"
	"sync"
	"time"

	"issuance/providers"
	"issuance/providers/skew"
)

const (
	maxSkew      = time.Minute
	skewInterval = 10 * time.Minute
)

// clock measures how far this machine's clock is from ECTicket's, and warns now and then.
type clock struct {
	skew.Meter
	mu     sync.Mutex
	warned time.Time
}

// Skew implements providers.ClockTeller by the Timestamp of the answers. ECTicket refuses requests of
// a clock that is ten minutes late.
func (c *Client) Skew() providers.Skew { return c.clock.Skew() }

// measureSkew compares an answer's Timestamp with the middle of its call. old says that the answer was made before its
// request was.
func (c *Client) measureSkew(ctx context.Context, timestamp int64, sent, received time.Time) (old bool) {
	const year2000, year2100 = 946684800, 4102444800
	if timestamp < year2000 || timestamp > year2100 {
		return false // not Unix seconds
	}
	ahead, old := c.clock.Measure(time.Unix(timestamp, 0), sent, received)
	if old || ahead.Abs() <= maxSkew {
		return old
	}
	c.clock.mu.Lock()
	warn := c.clock.warned.IsZero() || received.Sub(c.clock.warned) >= skewInterval
	if warn {
		c.clock.warned = received
	}
	c.clock.mu.Unlock()
	if warn {
		c.cfg.Log.WarnContext(ctx, "this machine's clock differs from ECTicket's, which refuses requests older than 10 minutes; synchronise it",
			"ecticket_ahead", ahead)
	}
	return false
}
