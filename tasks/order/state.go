package order

import (
	"slices"
	"strings"
)

// State is where an order or a refund stands.
type State string

const (
	// Queued: recorded and waiting; no request is under way and none is in doubt.
	Queued State = "queued"
	// Submitting: the intent to call the provider is written. Until the answer is recorded the
	// request may or may not have taken effect.
	Submitting State = "submitting"
	// Accepted: the provider has the order and has not issued it yet. Orders only.
	Accepted State = "accepted"
	// Issued: the provider has issued the tickets. Orders only. Final.
	Issued State = "issued"
	// Refunded: everything that was asked for is refunded. Refunds only. Final.
	Refunded State = "refunded"
	// PartiallyRefunded: some of what was asked for is refunded, the rest never will be.
	// Refunds only. Final.
	PartiallyRefunded State = "partially_refunded"
	// Failed: the provider's definite rejection; nothing was issued or refunded. Final.
	Failed State = "failed"
	// Cancelled: ended by a person or the checkout before anything was sent. Final.
	Cancelled State = "cancelled"
	// Review: the machine cannot prove the truth, and a person decides. Final for the machine; an
	// operator resolves or reopens it with a recorded reason.
	Review State = "review"
)

// OrderStates lists the states an order can have.
func OrderStates() []State {
	return []State{Queued, Submitting, Accepted, Issued, Failed, Cancelled, Review}
}

// RefundStates lists the states a refund can have.
func RefundStates() []State {
	return []State{Queued, Submitting, Refunded, PartiallyRefunded, Failed, Cancelled, Review}
}

// Words is the state as a sentence has it, after "it is".
func (s State) Words() string {
	if s == Review {
		return "in review"
	}
	return strings.ReplaceAll(string(s), "_", " ")
}

// Final reports whether the machine is finished with a record in state s.
func (s State) Final() bool {
	return slices.Contains([]State{Issued, Refunded, PartiallyRefunded, Failed, Cancelled, Review}, s)
}

// Settled reports whether s is final and will never change: every final state but Review.
func (s State) Settled() bool { return s.Final() && s != Review }

// TicketState is where one ticket of a refund's plan stands.
type TicketState string

const (
	// TicketPlanned: chosen, nothing sent yet (or certainly without effect).
	TicketPlanned TicketState = "planned"
	// TicketSending: the intent is written; found at the start of a run it means doubt.
	TicketSending TicketState = "sending"
	// TicketDoubt: a request for it may have taken effect.
	TicketDoubt TicketState = "doubt"
	// TicketRefunded: refunded by this refund.
	TicketRefunded TicketState = "refunded"
	// TicketElsewhere: refunded, but by somebody else.
	TicketElsewhere TicketState = "elsewhere"
	// TicketRejected: the provider refuses to refund it.
	TicketRejected TicketState = "rejected"
)

// TicketStates lists the states a ticket of a refund can have.
func TicketStates() []TicketState {
	return []TicketState{TicketPlanned, TicketSending, TicketDoubt, TicketRefunded, TicketElsewhere, TicketRejected}
}

// Settled reports whether nothing more will happen to the ticket.
func (s TicketState) Settled() bool {
	return s == TicketRefunded || s == TicketElsewhere || s == TicketRejected
}
