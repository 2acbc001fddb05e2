// Package thinevent is what callers of the front door and receivers of webhooks see of an event: which order or
// refund came to which end, or what became of an order's ticket, and nothing of its customer.
//
// It imports internal/ledger, providers and tasks/order.
package thinevent

import (
	"time"

	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

// Event is a final status, or what became of a ticket, without customers' data: it says of which order a status is to be asked for.
type Event struct {
	Type      string    `json:"type" example:"order.issued" doc:"order.STATE, refund.STATE, ticket.redeemed or ticket.refunded"`
	Timestamp time.Time `json:"timestamp"`
	Data      EventData `json:"data"`
}

// EventData names the order and its state.
type EventData struct {
	EventID  string            `json:"event_id" doc:"new for every end and every change of a ticket; the same event may come twice"`
	Provider providers.Name    `json:"provider"`
	Account  providers.Account `json:"account"`
	OrderID  string            `json:"order_id"`
	RefundID string            `json:"refund_id,omitempty"`
	Ticket   int               `json:"ticket,omitempty" doc:"of ticket.…: its place among the order's tickets, from 1"`
	State    order.State       `json:"state" doc:"the order's or the refund's state; of ticket.…: redeemed or refunded"`
	Code     string            `json:"code,omitempty" doc:"why, where there is something to say"`
}

// Prefixes of a type.
const (
	orders  = "order."
	refunds = "refund."
	tickets = "ticket."
)

// New is what is seen of an event of the ledger.
func New(e ledger.Event) Event {
	kind := Type(e.Ref, e.State)
	if e.Ticket > 0 {
		kind = tickets + string(e.State)
	}
	return Event{Type: kind, Timestamp: e.At, Data: EventData{EventID: e.ID, Provider: e.Account.Provider, Account: e.Account,
		OrderID: e.OrderID, RefundID: e.RefundID, Ticket: e.Ticket, State: e.State, Code: e.Code}}
}

// Type is the type of a record's end: order.STATE or refund.STATE.
func Type(r order.Ref, s order.State) string {
	if r.IsRefund() {
		return refunds + string(s)
	}
	return orders + string(s)
}

// Types lists every type.
func Types() (all []string) {
	for _, s := range order.OrderStates() {
		if s.Final() {
			all = append(all, orders+string(s))
		}
	}
	for _, s := range order.RefundStates() {
		if s.Final() {
			all = append(all, refunds+string(s))
		}
	}
	return append(all, tickets+string(providers.Redeemed), tickets+string(providers.Refunded))
}

// Families are the patterns that stand for all types of one kind.
func Families() []string { return []string{orders + "*", refunds + "*", tickets + "*"} }
