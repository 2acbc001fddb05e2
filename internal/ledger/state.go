package ledger

import "slices"

// State is where an order or a refund stands.
type State string

const (
	// Queued: known and waiting; no request is under way and none is in doubt.
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
	// Failed: the provider's definite no; nothing was issued or refunded. Final.
	Failed State = "failed"
	// Review: the machine cannot prove the truth; a person decides. Final for the machine,
	// resolved, or reopened, by an operator with a recorded reason.
	Review State = "review"
)

// OrderStates lists the states an order can have.
func OrderStates() []State { return []State{Queued, Submitting, Accepted, Issued, Failed, Review} }

// RefundStates lists the states a refund can have.
func RefundStates() []State {
	return []State{Queued, Submitting, Refunded, PartiallyRefunded, Failed, Review}
}

// Final reports whether the machine is finished with a record in state s.
func (s State) Final() bool {
	return slices.Contains([]State{Issued, Refunded, PartiallyRefunded, Failed, Review}, s)
}
