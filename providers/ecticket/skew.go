package ecticket

import (
	"context"
	"sync"
	"time"
)

const (
	maxSkew      = time.Minute
	skewInterval = 10 * time.Minute
)

// skew remembers how far this machine's clock is from ECTicket's.
type skew struct {
	mu     sync.Mutex
	value  time.Duration
	known  bool
	warned time.Time
}

// Skew is how far ECTicket's clock was ahead of this machine's at the last answer, to a second or
// so. known is false before the first answer. ECTicket refuses requests of a clock that is ten
// minutes late.
func (c *Client) Skew() (ahead time.Duration, known bool) {
	c.skew.mu.Lock()
	defer c.skew.mu.Unlock()
	return c.skew.value, c.skew.known
}

// measureSkew compares an answer's Timestamp with the middle of its call, and warns now and then.
func (c *Client) measureSkew(ctx context.Context, timestamp int64, sent, received time.Time) {
	const year2000, year2100 = 946684800, 4102444800
	if timestamp < year2000 || timestamp > year2100 {
		return // not Unix seconds
	}
	middle := sent.Add(received.Sub(sent) / 2)
	ahead := time.Unix(timestamp, 0).Sub(middle).Round(time.Second)

	c.skew.mu.Lock()
	c.skew.value, c.skew.known = ahead, true
	warn := ahead.Abs() > maxSkew && (c.skew.warned.IsZero() || received.Sub(c.skew.warned) >= skewInterval)
	if warn {
		c.skew.warned = received
	}
	c.skew.mu.Unlock()
	if warn {
		c.cfg.Log.WarnContext(ctx, "this machine's clock differs from ECTicket's, which refuses requests older than 10 minutes; synchronise it",
			"ecticket_ahead", ahead)
	}
}
