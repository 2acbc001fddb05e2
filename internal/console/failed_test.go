package console

import (
	"net/http/httptest"
	"testing"

	"issuance/tasks"
	"issuance/tasks/order"
)

// A page says truly why something failed: by the provider, by a person, or before anything was sent.
func TestAFailureSaysWhoseItIs(t *testing.T) {
	because := func(code order.Code) *tasks.StatusError { return &tasks.StatusError{Code: string(code)} }
	for _, c := range []struct {
		what string
		of   tasks.Standing
		key  string
	}{
		{"rejected by the provider", tasks.Standing{Attempts: 1, Error: because("10200047")}, "story.failed"},
		{"rejected without a code", tasks.Standing{Attempts: 1, Error: because(order.CodeRejected)}, "story.failed"},
		{"the provider could not issue it", tasks.Standing{Attempts: 1, Error: because(order.CodeIssuingFailed)}, "story.failed"},
		{"too few tickets are left", tasks.Standing{Error: because(order.CodeNotEnough)}, "story.failed.unsent"},
		{"another order's ticket", tasks.Standing{Unsent: 1, Error: because(order.CodeNotOfThisOrder)}, "story.failed.unsent"},
		{"its document keeps no rules", tasks.Standing{Error: because(order.CodeInvalidDocument)}, "story.failed.unsent"},
		{"its order was not issued", tasks.Standing{Attempts: 1, Error: because(order.CodeOrderFailed)}, "story.failed.ours"},
		{"an operator", tasks.Standing{Attempts: 2, ResolvedBy: "angela", Error: because(order.CodeInDoubt)}, "story.failed.decided"},
		{"an operator, of what was never sent", tasks.Standing{ResolvedBy: "angela"}, "story.failed.decided"},
	} {
		c.of.State = order.Failed
		for _, l := range Languages() {
			v := &view{visit: &visit{lang: l, r: httptest.NewRequest("GET", Path, nil)}}
			if got := v.Story(c.of); got != words[c.key][l] {
				t.Errorf("%s: %q, want %s", c.what, got, c.key)
			}
		}
	}
}
