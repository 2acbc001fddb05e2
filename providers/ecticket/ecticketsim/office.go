package ecticketsim

import "fmt"

// The methods here are what happens outside the API: the barcode scanner of a shop and the
// vendor's back office, which changes tickets behind a client's back.

// WriteOffNo is what a scanner reads from a ticket: its redemption code, a bearer secret.
func (s *Sim) WriteOffNo(ticketNo string) (code string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.byNumber(ticketNo)
	if t == nil {
		return "", false
	}
	return t.code.String(), true
}

// Redeem redeems an unused ticket in the name of its merchant at the branch storeID ("" for the
// head office). It fails when the ticket does not exist or is not unused.
func (s *Sim) Redeem(ticketNo, storeID string) error {
	return s.office(ticketNo, func(t *ticket, e *event) {
		e.store = storeID
		t.redeemed = e
		add(&t.redeems)
		s.notify(t, e, Redeemed)
	})
}

// RefundInOffice refunds an unused ticket in the vendor's back office. It fails when the ticket
// does not exist or is not unused. Books counts it separately from refunds by the API.
func (s *Sim) RefundInOffice(ticketNo string) error {
	return s.office(ticketNo, func(t *ticket, e *event) {
		t.refunded = e
		s.notify(t, e, Refunded)
	})
}

func (s *Sim) office(ticketNo string, act func(*ticket, *event)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.byNumber(ticketNo)
	if t == nil {
		return fmt.Errorf("ecticketsim: there is no such ticket")
	}
	now := s.now()
	if use := t.use(now); use != Unused {
		return fmt.Errorf("ecticketsim: the ticket's UseStatus is %d, not unused", use)
	}
	act(t, &event{at: now, merchant: t.order.key.merchant})
	return nil
}
