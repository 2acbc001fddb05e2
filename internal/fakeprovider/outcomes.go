package fakeprovider

import "issuance/providers"

// The answers tests use most.

// Yes is Done without a result.
var Yes = providers.Outcome{Kind: providers.Done}

// Lost is an answer that was lost after the request had left.
var Lost = providers.Outcome{Kind: providers.Unknown, Code: "timeout", Message: "no answer came"}

// Refused is the provider's definite rejection.
var Refused = providers.Outcome{Kind: providers.Rejected, Code: "10200099", Message: "it was rejected"}

// Unreached is a request that never left.
var Unreached = providers.Outcome{Kind: providers.NotSent, Code: "connect", Message: "the connection was refused"}

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
