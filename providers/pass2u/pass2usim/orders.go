package pass2usim

import (
	"fmt"
	"time"

	"issuance/providers/pass2u/pass2udoc"
)

// order is one order of the account; guarded by Sim.mu.
type order struct {
	ref, channelID, saleID, mailTo, passcode string
	byVoucher                                bool
	created                                  time.Time
	off                                      time.Duration // by how much that is shown off
	vouchers                                 []*voucher
	generated                                int   // how often a generate took effect
	refunds                                  []int // tickets of each refund that took effect
	mails                                    int
	stranger                                 bool // of another system that uses the same numbers
}

// answer is a successful answer, in the order of the documents' examples.
type answer struct {
	Pass2uOrderID  string          `json:"pass2uOrderId"`
	ProductSaleID  string          `json:"productSaleId"`
	ChannelOrderID string          `json:"channelOrderId"`
	MailTo         string          `json:"mailTo,omitempty"`
	OrderURL       string          `json:"orderUrl,omitempty"`
	OrderPasscode  string          `json:"orderPasscode,omitempty"`
	Expriation     string          `json:"expriationDate,omitempty"`
	Expiration     string          `json:"expirationDate,omitempty"`
	CreatedTime    string          `json:"createdTime"`
	Vouchers       []voucherAnswer `json:"vouchers,omitempty"`
}

// generate creates an order. The order of the checks is this simulator's: a repeated number is
// reported before a lack of stock.
func (s *Sim) generate(r request, origin string) reply {
	n := whole(r.Quantity)
	c := s.campaigns[r.ProductSaleID]
	switch {
	case s.fail[r.ChannelOrderID] != "":
		return s.no(s.fail[r.ChannelOrderID])
	case c == nil:
		return s.no(MsgSaleUnknown)
	case r.ChannelOrderID == "":
		return s.no(MsgInvalidQuery) // no message of the table fits
	case !pickupOK(r.PickupType):
		return s.no(MsgPickupFormat)
	case n == 0:
		return s.no(MsgQuantityFormat)
	case s.byChannel[r.ChannelOrderID] != nil:
		return s.no(MsgRepeated) // one number per account, whatever the campaign
	case !c.ExpiresAt.IsZero() && !s.now().Before(c.ExpiresAt):
		return s.no(MsgSaleExpired)
	case c.left < n:
		return s.no(MsgStock)
	}
	c.left -= n
	o := s.newOrder(r, n)
	o.mailTo = r.MailTo
	if r.MailTo != "" {
		o.mails++
	}
	return s.yes(o, "refunded", origin, 0)
}

// newOrder files an order of n tickets.
func (s *Sim) newOrder(r request, n int) *order {
	o := &order{
		ref: s.freshRef(), channelID: r.ChannelOrderID, saleID: r.ProductSaleID, generated: 1,
		byVoucher: r.PickupType == pass2udoc.PickupVoucher, created: s.now(), off: r.off,
		passcode: fmt.Sprintf("%07d", s.rand.IntN(10_000_000)), vouchers: make([]*voucher, n),
	}
	for i := range o.vouchers {
		o.vouchers[i] = s.freshVoucher()
	}
	s.byChannel[o.channelID], s.byRef[o.ref] = o, o
	return o
}

// query finds an order by exactly one of its two ids.
func (s *Sim) query(r request, origin string) reply {
	if s.campaigns[r.ProductSaleID] == nil {
		return s.no(MsgSaleUnknown)
	}
	if !pickupOK(r.PickupType) {
		return s.no(MsgPickupFormat)
	}
	if (r.Pass2uOrderID == "") == (r.ChannelOrderID == "") {
		return s.no(MsgInvalidQuery)
	}
	o, missing := s.byChannel[r.ChannelOrderID], MsgOrderUnknown
	if r.Pass2uOrderID != "" {
		o, missing = s.byRef[r.Pass2uOrderID], MsgRefUnknown
	}
	if o == nil || o.saleID != r.ProductSaleID || s.hidden(o.created, s.lagging(o).Generate) {
		return s.no(missing)
	}
	s.mail(o, r)
	byVoucher := o.byVoucher || s.cfg.PagesShowVouchers && r.PickupType == pass2udoc.PickupVoucher
	return s.yesAs(o, byVoucher, "refund", origin, s.lagging(o).Refund)
}

// refund takes n tickets of the refundable ones at random. Redeemed, expired and refunded
// tickets are not refundable (INFERRED from the error's name).
func (s *Sim) refund(r request, origin string) reply {
	o := s.byRef[r.Pass2uOrderID]
	n := s.refundQuantity(r)
	switch {
	case s.campaigns[r.ProductSaleID] == nil:
		return s.no(MsgSaleUnknown)
	case o == nil:
		return s.no(MsgRefUnknown)
	case s.byChannel[r.ChannelOrderID] == nil:
		return s.no(MsgOrderUnknown)
	case s.byChannel[r.ChannelOrderID] != o || o.saleID != r.ProductSaleID:
		return s.no(MsgInvalidQuery)
	case !pickupOK(r.PickupType):
		return s.no(MsgPickupFormat)
	case n == 0:
		return s.no(MsgQuantityFormat)
	}
	open := o.in(notPickedup, pickedup)
	if len(open) < n {
		return s.no(MsgRefundableTooFew)
	}
	s.rand.Shuffle(len(open), func(i, j int) { open[i], open[j] = open[j], open[i] })
	for _, v := range open[:n] {
		v.set(refunded, s.now())
	}
	o.refunds = append(o.refunds, n)
	s.mail(o, r)
	return s.yes(o, "refund", origin, 0)
}

// mail does what mailTo says, on every call: it sends the order.
func (s *Sim) mail(o *order, r request) {
	if r.MailTo != "" {
		o.mailTo = r.MailTo
		o.mails++
	}
}

// yes is the order as it stands. Its shape is that of its own pickupType, whatever the call
// says (the documents leave that open). refundedWord is what the call's table calls refunded
// tickets: "refunded" for generate, "refund" for query and refund. lag is how far the answer stays
// behind refunds.
func (s *Sim) yes(o *order, refundedWord, origin string, lag time.Duration) reply {
	return s.yesAs(o, o.byVoucher, refundedWord, origin, lag)
}

// yesAs is yes in the shape of a pickupType.
func (s *Sim) yesAs(o *order, byVoucher bool, refundedWord, origin string, lag time.Duration) reply {
	a := answer{Pass2uOrderID: o.ref, ProductSaleID: o.saleID, ChannelOrderID: o.channelID, MailTo: o.mailTo,
		CreatedTime: stamp(o.created.Add(o.off))}
	if s.cfg.PlainSpelling {
		a.Expiration = stamp(o.created.Add(s.cfg.TicketLife))
	} else {
		a.Expriation = stamp(o.created.Add(s.cfg.TicketLife))
	}
	if !byVoucher {
		a.OrderURL, a.OrderPasscode = origin+"/o/"+o.ref, o.passcode
		return reply{status: 200, body: a}
	}
	a.Vouchers = make([]voucherAnswer, len(o.vouchers))
	for i, v := range o.vouchers {
		a.Vouchers[i] = s.seen(v, lag).answer(refundedWord, origin)
	}
	return reply{status: 200, body: a}
}

func stamp(t time.Time) string { return t.In(taipei).Format(time.RFC3339) }

// freshRef makes a pass2uOrderId like those of the documents: twelve letters and digits.
func (s *Sim) freshRef() string {
	const alphabet = "0123456789abcdefghijklmnopqrstuvwxyz"
	for {
		b := make([]byte, 12)
		for i := range b {
			b[i] = alphabet[s.rand.IntN(len(alphabet))]
		}
		if s.byRef[string(b)] == nil {
			return string(b)
		}
	}
}

func (s *Sim) freshVoucher() *voucher {
	for {
		v := &voucher{id: 10_000_000_000 + s.rand.Int64N(90_000_000_000), token: s.rand.Uint64(), updated: s.now()}
		if s.byVoucher[v.id] == nil {
			s.byVoucher[v.id] = v
			return v
		}
	}
}
