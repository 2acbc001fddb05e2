package sandbox

import (
	"context"
	"time"

	"issuance/providers/ecticket/ecticketsim"
)

// Notify has the ECTicket simulator's visitors redeem a ticket every so often, or the merchant's back office refund
// one, and the simulator send notices of it to address, with the merchant's id behind it. Only tickets of orders that are not the demo's are
// used up. said is called with what has happened. It ends with the sandbox; call the function that is returned to wait
// for that.
func (s *Sandbox) Notify(every time.Duration, address string, said func(format string, args ...any)) (stop func()) {
	s.ecticket.SetNoticeTo(func(merchant, _ string) string { return address + merchant }) // never to another host
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for n := 1; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			s.visit(n%3 == 0, said)
			s.ecticket.RepeatNotices(ctx)
			s.ecticket.SendNotices(ctx)
		}
	}()
	return func() { cancel(); <-done }
}

// visit uses one ticket up, of the latest order that has one.
func (s *Sandbox) visit(refund bool, said func(format string, args ...any)) {
	orders := s.ecticket.Books().Orders
	for i := len(orders) - 1; i >= 0; i-- {
		o := orders[i]
		if o.Status != ecticketsim.Issued || s.isDemo(o.ID) {
			continue
		}
		for _, t := range o.Tickets {
			act, what := func(no string) error { return s.ecticket.Redeem(no, "") }, "redeemed by a visitor"
			if refund {
				act, what = s.ecticket.RefundInOffice, "refunded in the back office"
			}
			if t.UseStatus == ecticketsim.Unused && act(t.TicketNo) == nil {
				said("%s  simulator a ticket of %s is %s; ECTicket sends a notice\n", time.Now().Format(time.TimeOnly), o.ID, what)
				return
			}
		}
	}
}

// isDemo reports whether an order is one of the demo's, which has to end as it should.
func (s *Sandbox) isDemo(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.demo[id]
}
