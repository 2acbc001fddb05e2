package pass2usim

import (
	"time"

	"issuance/providers/pass2u/pass2udoc"
)

// Lag is how far queries stay behind what has happened. The zero value is none.
type Lag struct {
	// Generate: an order is not known to a query for so long after it was generated.
	Generate time.Duration
	// Refund: a refunded ticket is shown in its status before for so long.
	Refund time.Duration
}

// SetLag makes the queries of every order lag, but for those of SetLagOf. Generate and refund
// themselves do not lag.
func (s *Sim) SetLag(l Lag) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lag = l
}

// SetLagOf makes the queries of one order lag.
func (s *Sim) SetLagOf(channelOrderID string, l Lag) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lagOf[channelOrderID] = l
}

// lagging is the order's lag; s.mu is held.
func (s *Sim) lagging(o *order) Lag {
	if l, ok := s.lagOf[o.channelID]; ok {
		return l
	}
	return s.lag
}

// hidden reports whether something of the time at is still unknown to a query that lags by lag.
func (s *Sim) hidden(at time.Time, lag time.Duration) bool {
	return lag > 0 && at.After(s.now().Add(-lag))
}

// seen is the ticket as a query shows it.
func (s *Sim) seen(v *voucher, lag time.Duration) *voucher {
	if v.status == refunded && s.hidden(v.updated, lag) {
		before := *v
		before.status, before.updated = v.before, v.beforeUpdated
		return &before
	}
	return v
}

// SetClockOff sets the simulator's clock so far ahead of Config.Now: the times in its answers and
// their header Date.
func (s *Sim) SetClockOff(ahead time.Duration) { s.ahead.Store(int64(ahead)) }

// SetClocks has every call answered by a machine whose clock is so far ahead of the simulator's: the header Date, and
// the time of an order that it generates. off is called once a call, with the simulator locked; nil is one clock for all.
func (s *Sim) SetClocks(off func(Call) time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clocks = off
}

func (s *Sim) now() time.Time { return s.cfg.Now().Add(time.Duration(s.ahead.Load())) }

// Stranger is an order that another system has placed under the account's numbers.
type Stranger struct {
	ChannelOrderID string
	ProductSaleID  string // default DefaultCampaign
	PickupType     string // default "voucher"
	Quantity       int    // default 1
	MailTo         string // default: none
	// CreatedAt is when. Default: a year ago.
	CreatedAt time.Time
}

// AddStranger puts the order on the books, marked as OrderBook.Stranger. It panics when the number is
// taken. It takes nothing of a campaign's stock.
func (s *Sim) AddStranger(x Stranger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byChannel[x.ChannelOrderID] != nil {
		panic("pass2usim: the number " + x.ChannelOrderID + " is taken")
	}
	def(&x.ProductSaleID, DefaultCampaign)
	def(&x.PickupType, pass2udoc.PickupVoucher)
	def(&x.Quantity, 1)
	if x.CreatedAt.IsZero() {
		x.CreatedAt = s.now().AddDate(-1, 0, 0)
	}
	o := s.newOrder(request{ChannelOrderID: x.ChannelOrderID, ProductSaleID: x.ProductSaleID, PickupType: x.PickupType}, x.Quantity)
	o.stranger, o.created, o.mailTo = true, x.CreatedAt, x.MailTo
}
