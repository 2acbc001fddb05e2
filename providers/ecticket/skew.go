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
	zone   time.Duration // whole half hours by which answers are stamped ahead; see inZone
}

// inZone takes from an answer's time the hours by which it is ahead because it is of another time zone: the documents call it
// "GMT+8". A clock that really were so far ahead would refuse our requests, and an old answer that was sent again is not ahead.
func (c *clock) inZone(theirs, received time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ahead := theirs.Sub(received).Round(skew.ZoneStep); ahead > c.zone {
		c.zone = ahead
	}
	return theirs.Add(-c.zone)
}

// Skew implements providers.ClockTeller by the Timestamp of the answers. ECTicket refuses requests of
// a clock that is ten minutes late.
func (c *Client) Skew() providers.Skew { return c.clock.Skew() }

// measureSkew compares an answer's Timestamp with the middle of its call. taken says that it is the answer to a request that
// was not refused as too old, and old that it was made before its request was.
func (c *Client) measureSkew(ctx context.Context, timestamp int64, taken bool, sent, received time.Time) (old bool) {
	const year2000, year2100 = 946684800, 4102444800
	if timestamp < year2000 || timestamp > year2100 {
		return false // not Unix seconds
	}
	theirs := time.Unix(timestamp, 0)
	if taken {
		theirs = c.clock.inZone(theirs, received)
	}
	ahead, old := c.clock.Measure(theirs, sent, received)
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
			"account", c.Account().String(), "ecticket_ahead", ahead)
	}
	return false
}
