package pass2u

import (
	"context"
	"strings"
	"time"

	"issuance/providers"
	"issuance/providers/pass2u/pass2udoc"
	"issuance/providers/skew"
)

// Skew implements providers.ClockTeller by the header Date of Pass2U's answers.
func (c *Client) Skew() providers.Skew { return c.clock.Skew() }

// Zone implements providers.ZoneTeller: Pass2U's times are written with an offset in every example, and need not be right in it.
func (c *Client) Zone(ctx context.Context) (shift time.Duration, ok bool) {
	now := c.cfg.Now()
	if shift, ok = c.dates.Known(now); ok {
		return shift, true
	}
	return c.measureZone(ctx, now)
}

// showsZone notes the time of an order that was made by the request that was sent at a moment.
func (c *Client) showsZone(ctx context.Context, a *answer, id identity, sent time.Time) {
	now := c.cfg.Now()
	if w := (skew.Witness{Of: []string{id.channel, id.sale, id.pickup}, Sent: sent, Seen: now}); c.dates.Saw(w) {
		c.measured(ctx, a, w, now)
	}
}

// measureZone asks for an order of ours again, and compares its time with when it was made.
func (c *Client) measureZone(ctx context.Context, now time.Time) (shift time.Duration, ok bool) {
	w, ok := c.dates.Witness()
	if !ok || len(w.Of) != 3 {
		return 0, false
	}
	id := identity{channel: w.Of[0], sale: w.Of[1], pickup: w.Of[2]}
	v := c.query(ctx, id)
	if v.answer == nil || !v.answer.about(id) {
		return 0, false
	}
	return c.measured(ctx, v.answer, w, now)
}

func (c *Client) measured(ctx context.Context, a *answer, w skew.Witness, now time.Time) (shift time.Duration, ok bool) {
	at, precision := created(string(a.CreatedTime))
	if at.IsZero() {
		return 0, false
	}
	shift, ok = c.dates.Measure(ctx, at, precision, w, c.Skew(), now)
	if shift != 0 {
		c.cfg.Log.WarnContext(ctx, "pass2u's times are in another time zone than its clock", "shift", shift)
	}
	return shift, ok
}

// sight is what an answer shows, its time corrected by the zone in which Pass2U writes times, which is measured when it matters.
func (c *Client) sight(ctx context.Context, a *answer, id identity) *providers.Sight {
	s := a.sight(id)
	if s != nil && s.Differs == "" && !s.CreatedAt.IsZero() {
		now := c.cfg.Now()
		c.dates.Place(s, now, c.Skew(), func() (time.Duration, bool) { return c.measureZone(ctx, now) })
	}
	return s
}

// sight is what the answer shows of the order under the number asked for, nil when it is about another
// number.
func (a *answer) sight(id identity) *providers.Sight {
	if !a.numbered(id) || id.ref != "" && string(a.Pass2uOrderID) != id.ref {
		return nil
	}
	var s providers.Sight
	s.CreatedAt, s.Precision = created(string(a.CreatedTime))
	n := len(a.tickets())
	switch {
	case a.ProductSaleID != "" && string(a.ProductSaleID) != id.sale:
		s.Differs = "productSaleId"
	case id.pickup == pass2udoc.PickupOrder && n > 0 && a.OrderURL == "", id.pickup == pass2udoc.PickupVoucher && n == 0 && a.OrderURL != "":
		s.Differs = "pickupType"
	case a.otherQuantity(id), id.quantity > 0 && n > id.quantity:
		s.Differs = "quantity"
	case a.otherAddress(id):
		s.Differs = "mailTo"
	}
	s.Partial = s.Differs == "" && id.pickup == pass2udoc.PickupVoucher && n < id.quantity
	return &s
}

// otherAddress reports whether the order was mailed to another address than ours. One that is masked may be either.
func (a *answer) otherAddress(id identity) bool {
	shown, sent := strings.TrimSpace(string(a.MailTo)), strings.TrimSpace(id.mailTo)
	return shown != "" && sent != "" && !strings.Contains(shown, "*") && !strings.EqualFold(shown, sent)
}

// created reads a time, such as createdTime: RFC 3339 in every example, else Taiwan time, to a second or a minute.
func created(text string) (t time.Time, precision time.Duration) {
	text = strings.TrimSpace(text)
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05-0700", "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006/01/02 15:04:05"} {
		if t, err := time.ParseInLocation(layout, text, providers.Taiwan); err == nil {
			return t, time.Second
		}
	}
	for _, layout := range []string{"2006-01-02T15:04Z07:00", "2006-01-02 15:04", "2006/01/02 15:04"} {
		if t, err := time.ParseInLocation(layout, text, providers.Taiwan); err == nil {
			return t, time.Minute
		}
	}
	return time.Time{}, 0
}
