package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks"
)

func TestOnlyWhatIsNewIsPrinted(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	a, b, c := ledger.Step{At: at(1), Event: "a"}, ledger.Step{At: at(2), Event: "b"}, ledger.Step{At: at(3), Event: "c"}
	gap := ledger.Step{Event: "…"}
	for name, c := range map[string]struct {
		history []ledger.Step
		last    ledger.Step
		want    []ledger.Step
	}{
		"all at first":                     {[]ledger.Step{a, b}, ledger.Step{}, []ledger.Step{a, b}},
		"nothing":                          {nil, ledger.Step{}, nil},
		"the rest":                         {[]ledger.Step{a, b, c}, a, []ledger.Step{b, c}},
		"nothing new":                      {[]ledger.Step{a, b}, b, []ledger.Step{}},
		"the last of equal ones":           {[]ledger.Step{a, b, b, c}, b, []ledger.Step{c}},
		"the last one printed is gone":     {[]ledger.Step{a, gap, c}, b, []ledger.Step{c}},
		"everything since is gone as well": {[]ledger.Step{a, gap}, b, nil},
	} {
		if diff := cmp.Diff(c.want, newSteps(c.history, c.last)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestEveryReviewSaysWhatToCheckAndHowToEndIt(t *testing.T) {
	two := 2
	for _, l := range []reviewLine{
		{Provider: providers.ECTicket, OrderID: "O1", Attempts: 1},
		{Provider: providers.Pass2U, OrderID: "O1", Attempts: 1},
		{Provider: providers.ECTicket, OrderID: "O1", RefundID: "R1", Attempts: 1},
		{Provider: providers.Pass2U, OrderID: "O1", RefundID: "R1", Attempts: 1},
		{Provider: providers.Pass2U, OrderID: "O1", RefundID: "R1", Attempts: 1, Planned: 3, Baseline: &two},
	} {
		text := whatToCheck(l)
		ends := orderEnds
		if l.RefundID != "" {
			ends = refundEnds
		}
		for _, part := range append(names(ends), "O1") {
			if !strings.Contains(text, part) {
				t.Errorf("%s/%s/%s: %q is not in: %s", l.Provider, l.OrderID, l.RefundID, part, text)
			}
		}
		if !strings.Contains(text, late+" after it was last sent") {
			t.Errorf("%s/%s/%s: a request may still be under way: %s", l.Provider, l.OrderID, l.RefundID, text)
		}
		l.Attempts = 0
		if text := whatToCheck(l); !strings.Contains(text, "nothing of it was ever sent") || !strings.Contains(text, "failed") {
			t.Errorf("never sent: %s", text)
		}
	}
	// A number that somebody else has: that the order is there says nothing.
	taken := whatToCheck(reviewLine{Provider: providers.Pass2U, OrderID: "O1", Attempts: 1, Error: &tasks.StatusError{Code: "number_taken"}})
	if !strings.Contains(taken, "find out whose order O1") || strings.Contains(taken, "It is there, with") {
		t.Error(taken)
	}
	if got, want := howToResolve(reviewLine{Provider: providers.Pass2U, OrderID: "O1", RefundID: "R1"}),
		"enqueue resolve pass2u O1 --refund R1 --as 'refunded|partially_refunded|failed' --reason 'what you found'"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
