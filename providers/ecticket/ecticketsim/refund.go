package ecticketsim

import (
	"encoding/json"
	"math"
	"unicode/utf8"
)

const (
	doIt   = "1" // refund, redeem
	cancel = "2" // cancel the refund, cancel the redemption
)

type ticketAction struct {
	TicketNo, WriteOffNo string
	Action               string
	CancelReason         string
	StoreID, Operator    string
}

// check looks at what both actions share. Refund's own fields are not public: the simulator
// wants a ticket and checks the rest only when it is there, and takes unknown fields.
func (s *Sim) check(a ticketAction) *reply {
	var r reply
	switch {
	case a.Action != "" && a.Action != doIt && a.Action != cancel:
		r = refuse(RtnField, `Action must be "1" or "2"`)
	case utf8.RuneCountInString(a.CancelReason) > 50:
		r = refuse(RtnField, "CancelReason must have at most 50 characters")
	case len(a.Operator) > 10 || !alphanumeric(a.Operator):
		r = refuse(RtnField, "Operator must be at most 10 letters and digits")
	case a.StoreID != "" && !s.stores[a.StoreID]:
		r = refuse(RtnStore, "StoreID is not an active branch")
	default:
		return nil
	}
	return &r
}

// refund refunds one ticket, or cancels its refund.
func (s *Sim) refund(in inbound) any {
	var a ticketAction
	if err := json.Unmarshal(in.plain, &a); err != nil {
		return refuse(RtnField, "a field is of the wrong type")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if no := s.check(a); no != nil {
		return *no
	}
	t, no := s.findTicket(in.request.MerchantID, a.TicketNo, a.WriteOffNo)
	if no != nil {
		return *no
	}
	by := &event{at: in.now, off: in.off, merchant: in.request.MerchantID, store: a.StoreID}
	if a.Action == cancel {
		if t.refunded == nil {
			return refuse(RtnUseStatus, "the ticket is not refunded")
		}
		t.refunded = nil
		add(&t.cancels)
		return success("success")
	}
	if t.use(in.now) != Unused {
		return refuse(RtnUseStatus, "the ticket is redeemed, refunded or invalid")
	}
	t.refunded = by
	add(&t.refunds)
	s.notify(t, by, Refunded)
	return success("success")
}

// writeOff redeems one ticket, or cancels its redemption.
func (s *Sim) writeOff(in inbound) any {
	var a ticketAction
	if err := json.Unmarshal(in.plain, &a); err != nil {
		return refuse(RtnField, "a field is of the wrong type")
	}
	switch {
	case a.Action == "" || a.Operator == "" || a.WriteOffNo == "":
		return refuse(RtnField, "WriteOffNo, Action and Operator are required")
	case a.Action == cancel && a.CancelReason == "":
		return refuse(RtnField, "CancelReason is required to cancel")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if no := s.check(a); no != nil {
		return *no
	}
	t, no := s.findTicket(in.request.MerchantID, "", a.WriteOffNo)
	if no != nil {
		return *no
	}
	if a.Action == cancel {
		if t.use(in.now) != Redeemed {
			return refuse(RtnUseStatus, "the ticket is not redeemed")
		}
		t.redeemed = nil
		return success("success")
	}
	switch {
	case t.use(in.now) != Unused:
		return refuse(RtnUseStatus, "the ticket is redeemed, refunded or invalid")
	case in.now.Format(dayFormat) < t.line.start:
		return refuse(RtnUseStatus, "the ticket's StartDate has not come")
	}
	t.redeemed = &event{at: in.now, off: in.off, merchant: in.request.MerchantID, store: a.StoreID}
	add(&t.redeems)
	s.notify(t, t.redeemed, Redeemed)
	return success("success")
}

func alphanumeric(s string) bool {
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') {
			return false
		}
	}
	return true
}

func add(n *uint16) {
	if *n < math.MaxUint16 {
		*n++
	}
}
