package ecticket

import (
	"context"
	"sync"
	"time"

	"issuance/providers"
	"issuance/providers/ecticket/ecticketdoc"
	"issuance/providers/skew"
)

// zone is what is known of the time zone in which ECTicket writes its dates: the documents do not say. What shows it are orders that
// were accepted and issued while this process looked; the last one is remembered beyond it. Safe for concurrent use.
type zone struct {
	*skew.Dates
	mu   sync.Mutex
	sent map[string]time.Time // when orders were sent that ECTicket has accepted, by number
}

const mostSent = 1000 // orders that are waited for; of more, some are no witnesses

// accepted notes that ECTicket has accepted an order in the answer to the request that was sent at a moment.
func (z *zone) accepted(id string, sent time.Time) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.sent == nil || len(z.sent) >= mostSent {
		z.sent = map[string]time.Time{}
	}
	z.sent[id] = sent
}

// issued notes that an order was seen to be issued. The first such look bounds when it was.
func (c *Client) issued(ctx context.Context, ids echo, seen time.Time) {
	c.zone.mu.Lock()
	sent, ok := c.zone.sent[ids.order()]
	delete(c.zone.sent, ids.order())
	c.zone.mu.Unlock()
	if ok && c.zone.Saw(skew.Witness{Of: []string{ids.merchantTradeNo, ids.freeTradeNo}, Sent: sent, Seen: seen}) {
		c.zone.Keep(ctx, c.Skew())
	}
}

// placeInZone corrects the time of a sight by ECTicket's zone, which is measured when it matters.
func (c *Client) placeInZone(ctx context.Context, s *providers.Sight) {
	now := c.cfg.Now()
	c.zone.Place(s, now, c.Skew(), func() (time.Duration, bool) { return c.measureZone(ctx, now) })
}

// Zone implements providers.ZoneTeller.
func (c *Client) Zone(ctx context.Context) (shift time.Duration, ok bool) {
	now := c.cfg.Now()
	if shift, ok = c.zone.Known(now); ok {
		return shift, true
	}
	return c.measureZone(ctx, now)
}

// measureZone compares the date of an order of ours with when it was sent and seen.
func (c *Client) measureZone(ctx context.Context, now time.Time) (shift time.Duration, ok bool) {
	w, ok := c.zone.Witness()
	if !ok || len(w.Of) != 2 {
		return 0, false
	}
	ids := echo{merchantTradeNo: w.Of[0], freeTradeNo: w.Of[1]}
	var a orderInfoAnswer
	if out := c.call(ctx, query{op: OpQueryOrderInfo, data: c.orderQuery(ids, 1), echo: ids}, &a); out.Kind != providers.Done {
		return 0, false
	}
	at, precision, ok := ecticketdoc.ParseTime(string(a.IssueDate))
	if !ok {
		return 0, false
	}
	shift, ok = c.zone.Measure(ctx, at, precision, w, c.Skew(), now)
	if shift != 0 {
		c.cfg.Log.WarnContext(ctx, "ecticket's dates are in another time zone than its clock and Taiwan", "shift", shift)
	}
	return shift, ok
}
