package providers

import (
	"fmt"
	"time"
)

// Kind says how a call ended. The set is closed: handlers act on it alone.
type Kind string

const (
	// Accepted: an authentic confirmation, but the effect is still to come and
	// has to be asked for.
	Accepted Kind = "accepted"
	// Done: an authentic confirmation, and the effect has taken place.
	Done Kind = "done"
	// Rejected: an authentic, definite business rejection. Never retried.
	Rejected Kind = "rejected"
	// NotSent: nothing left this machine, or the provider certainly did not act. Safe to
	// send again.
	NotSent Kind = "not_sent"
	// Unknown: the request may have taken effect. Ask before acting again.
	Unknown Kind = "unknown"
	// Held: the call was not made (call budget, ban) or the provider refused our
	// credentials. Wait without using up a retry.
	Held Kind = "held"
)

// Kinds lists every kind.
func Kinds() []Kind { return []Kind{Accepted, Done, Rejected, NotSent, Unknown, Held} }

// Outcome is how one call ended. Code and Message are safe to store, show and log:
// a provider's package puts no customer data and no secret into them.
type Outcome struct {
	Kind Kind
	// Code is the provider's own code, or a short reason of ours such as "timeout".
	Code string
	// Message is for people: the provider's words, cleaned, or ours.
	Message string
	// RetryAfter is the earliest sensible moment to try again, from now; 0 leaves it to
	// the caller's backoff.
	RetryAfter time.Duration
	// Exists is set when the provider said that it already has an order of this number.
	// It comes with kind Unknown: only a look-up shows whose order that is.
	Exists bool
	// Refusal is set with Unknown when the provider has answered the request with an error of its own that does not say whether
	// it took effect: the same request will be answered so again, unless the provider's trouble passes.
	Refusal bool
	// MayHide is set with Rejected when what was rejected may be a copy of a request that took effect, or the answer an older one:
	// it is the end only when look-ups show no effect, and none can come any more.
	MayHide bool
	// Banned is set when the call drew the provider's ban (HTTP 403).
	Banned bool
	// Alarm is set when a person has to act (credentials refused, IP not listed).
	Alarm bool
	// Differs is set with Accepted where the answer shows other tickets than were ordered, and names the field; empty when
	// nothing that it shows does. What the provider has is then still to be compared with the request.
	Differs string
	// Result is set with Done, and with Accepted where the provider reported something already.
	Result *Result
}

// Settled reports whether the outcome leaves no doubt about what happened at the provider.
func (o Outcome) Settled() bool { return o.Kind != Unknown }

// Unasked reports whether the provider was not asked at all, as far as that matters: the call was held
// back, never left this machine, or was turned away for its credentials. Nothing follows from it.
func (o Outcome) Unasked() bool { return o.Kind == NotSent || o.Kind == Held }

// Error makes an outcome usable as an error; its text is safe to show.
func (o Outcome) Error() string {
	switch {
	case o.Code != "" && o.Message != "":
		return fmt.Sprintf("%s: %s: %s", o.Kind, o.Code, o.Message)
	case o.Code != "" || o.Message != "":
		return fmt.Sprintf("%s: %s%s", o.Kind, o.Code, o.Message)
	default:
		return string(o.Kind)
	}
}

// FindingState says what a look-up learned about an order.
type FindingState string

const (
	// FoundIssued: the provider has the order and has issued it.
	FoundIssued FindingState = "found_issued"
	// FoundPending: the provider has the order and has not issued it yet.
	FoundPending FindingState = "found_pending"
	// FoundFailed: the provider had the order and says, definitely, that issuing failed.
	FoundFailed FindingState = "found_failed"
	// Absent: an authentic answer that the provider does not know the order. A request
	// still under way can make it appear until Traits.SettleAfter has passed.
	Absent FindingState = "absent"
	// Unclear: the look-up itself did not get an authentic answer. Nothing was learned.
	Unclear FindingState = "unclear"
)

// Finding is what a look-up learned.
type Finding struct {
	State FindingState
	// Outcome explains: the provider's code and message for FoundFailed and Absent, the
	// kind (NotSent, Unknown, Held) and RetryAfter for Unclear.
	Outcome Outcome
	// Result is what the provider reported about the order, nil where it reported nothing. Its tickets, if any, are all
	// that this answer lists of an order that needs them.
	Result *Result
	// Sight is what the look-up shows of the order's age and content, nil when it does not. Whether an order
	// that Differs from the request is Unclear is the provider's to say: either way its Sight says why.
	Sight *Sight
	// Assumed is set with Absent when the rejection is not known to mean "unknown number": the
	// provider's codes are not public, and it may mean that the question cannot be answered now.
	Assumed bool
}

// Found reports whether the provider has the order.
func (f Finding) Found() bool {
	return f.State == FoundIssued || f.State == FoundPending || f.State == FoundFailed
}
