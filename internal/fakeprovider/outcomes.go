package fakeprovider

import (
	"time"

	"issuance/providers"
)

// The answers tests use most.

// Yes is Done without a result.
var Yes = providers.Outcome{Kind: providers.Done}

// Lost is an answer that was lost after the request had left.
var Lost = providers.Outcome{Kind: providers.Unknown, Code: "timeout", Message: "no answer came"}

// Refused is the provider's definite rejection.
var Refused = providers.Outcome{Kind: providers.Rejected, Code: "10200099", Message: "it was rejected"}

// Unreached is a request that never left.
var Unreached = providers.Outcome{Kind: providers.NotSent, Code: "connect", Message: "the connection was refused"}

// Down is HTTP 503 of a provider that says nothing more.
var Down = providers.Outcome{Kind: providers.Unknown, Code: "http_503", Message: "the provider failed"}

// Overloaded is HTTP 429 with a Retry-After.
func Overloaded(wait time.Duration) providers.Outcome {
	return providers.Outcome{Kind: providers.Unknown, Code: "http_429", Message: "too many requests", RetryAfter: wait}
}

// Garbage is an answer that is none of the provider's: a page with HTTP 200, or an empty body.
var Garbage = providers.Outcome{Kind: providers.Unknown, Code: "unreadable", Message: "the answer is not one of the provider's"}

// Untaken is a TransCode other than 1 for a question; for a call with effects it is of kind Unknown.
var Untaken = providers.Outcome{Kind: providers.Held, Code: "trans_10001", Message: "the envelope was refused", Alarm: true}

// Forbidden is HTTP 403 to a call with effects; to a question it is of kind Held.
var Forbidden = providers.Outcome{Kind: providers.Unknown, Code: "http_403", Message: "called too fast", RetryAfter: 30 * time.Minute, Banned: true}

// Busy is a look-up that was answered by an authentic rejection which need not mean "unknown number".
var Busy = providers.Finding{State: providers.Absent, Assumed: true,
	Outcome: providers.Outcome{Kind: providers.Rejected, Code: "10200500", Message: "the system is busy"}}

// Seen is a look-up that found an order issued and shows this of it.
func Seen(s providers.Sight) providers.Finding {
	f := Known(providers.FoundIssued)
	f.Sight = &s
	if s.Differs != "" {
		f.State, f.Outcome = providers.Unclear, providers.Outcome{Kind: providers.Unknown, Code: "other_order", Message: "the order found is another one"}
	}
	return f
}

// Known is a look-up that ended in state s.
func Known(s providers.FindingState) providers.Finding {
	f := providers.Finding{State: s}
	switch s {
	case providers.Unclear:
		f.Outcome = Lost
	case providers.FoundFailed:
		f.Outcome = providers.Outcome{Kind: providers.Rejected, Code: "status_2", Message: "issuing failed"}
	case providers.Absent:
		f.Outcome = providers.Outcome{Kind: providers.Rejected, Code: "absent", Message: "no such order"}
	}
	return f
}
