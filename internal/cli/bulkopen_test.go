package cli

import (
	"strings"
	"testing"
	"time"

	"issuance/tasks"
)

// What was enqueued before goes first, so an estimate that does not count it says so.
func TestAnEstimateNamesWhatIsOpenBeside(t *testing.T) {
	e := estimate{Account: tasks.Account{Provider: "ecticket", Merchant: "2000132"}, Orders: 10, CallsPerSecond: 5, Seconds: 4}
	if text := e.text(time.UTC); strings.Contains(text, "open") {
		t.Error(text)
	}
	e.OthersOpen = 1300
	if text := e.text(time.UTC); !strings.Contains(text, "about 4 s") || !strings.Contains(text, "1,300 more of the account are open") {
		t.Error(text)
	}
}
