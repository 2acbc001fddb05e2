package console

import (
	"testing"

	"issuance/internal/budget"
	"issuance/providers"
)

// TestWhyThereIsNoEstimateIsTheRealReason: one that is known stands alone, and others that do not hold are not guessed at.
func TestWhyThereIsNoEstimateIsTheRealReason(t *testing.T) {
	paused := account{Health: providers.HealthOK}
	paused.Paused = make([]budget.Hold, 1)
	for want, a := range map[string]account{
		"No estimate: no worker serves the account.":                          {Health: providers.HealthNoWorker},
		"No estimate: the seal key of some documents is missing.":             {Health: providers.HealthKeyMissing},
		"No estimate: calls are held.":                                        paused,
		"No estimate: the provider has ended nothing in the last 10 minutes.": {Health: providers.HealthOK},
	} {
		if got := English.T(a.NoPace()); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := English.T("event.rejected"); got != "Rejected; has to be confirmed by a look" { // no look has confirmed it yet, and one may not
		t.Errorf("a rejection is called %q", got)
	}
}
