package pass2u

import (
	"strings"
	"time"

	"issuance/providers"
	"issuance/providers/pass2u/pass2udoc"
)

// Skew implements providers.ClockTeller by the header Date of Pass2U's answers.
func (c *Client) Skew() providers.Skew { return c.clock.Skew() }

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

// otherAddress reports whether the order was mailed to another address than ours. One that is masked may be it.
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
