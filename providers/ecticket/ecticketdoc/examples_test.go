package ecticketdoc_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"issuance/providers/ecticket/ecticketdoc"
)

// The four data examples of "ECTicket, Issue", as printed, by IssueType.
var examples = func() map[string]string {
	out := map[string]string{}
	for kind, name := range map[string]string{"1": "convenience", "2": "paper", "3": "electronic", "4": "serial"} {
		raw, err := os.ReadFile("testdata/" + name + ".json")
		if err != nil {
			panic(err)
		}
		out[kind] = string(raw)
	}
	return out
}()

// before is a day on which the third example's StartDate is still to come.
var before = time.Date(2023, 12, 31, 12, 0, 0, 0, ecticketdoc.Taiwan)

func TestThePrintedExamplesAreValidInput(t *testing.T) {
	want := map[string]int{"1": 8, "2": 20, "3": 14, "4": 6}
	for kind, text := range examples {
		o, err := ecticketdoc.Parse("request", json.RawMessage(text), ecticketdoc.Options{MerchantID: "2000132", Now: before})
		if err != nil {
			t.Errorf("example of IssueType %s: %v", kind, err)
			continue
		}
		if o.ID() != "CBX20220302153064851" || o.IssueType != kind || o.TicketCount() != want[kind] || o.Gift() {
			t.Errorf("example of IssueType %s is read as %s", kind, o.Shape())
		}
	}
}

func TestAnExampleWhoseStartDateHasPassedHasOneViolation(t *testing.T) {
	_, err := ecticketdoc.Parse("request", json.RawMessage(examples["3"]), ecticketdoc.Options{})
	if err == nil || len(err.Violations) != 1 {
		t.Fatalf("got %v, want exactly one violation", err)
	}
	v := err.Violations[0]
	if v.Path != "request.TicketInfo[0].StartDate, request.TicketInfo[1].StartDate" || v.Shape != "string of 8 characters" {
		t.Errorf("got %v", v)
	}
}

func TestTheDayOfIssueIsTaiwans(t *testing.T) {
	for _, c := range []struct {
		now   time.Time
		valid bool
	}{
		{time.Date(2023, 12, 31, 15, 59, 59, 0, time.UTC), true},                   // 23:59:59 in Taiwan, the day before
		{time.Date(2023, 12, 31, 16, 0, 0, 0, time.UTC), false},                    // midnight in Taiwan: the StartDate itself
		{time.Date(2024, 1, 1, 12, 0, 0, 0, time.UTC), false},                      // still the StartDate
		{time.Date(2023, 12, 31, 11, 0, 0, 0, time.FixedZone("", -5*3600)), false}, // the same midnight
	} {
		_, err := ecticketdoc.Parse("", json.RawMessage(examples["3"]), ecticketdoc.Options{Now: c.now})
		if (err == nil) != c.valid {
			t.Errorf("at %s: %v, want valid %t", c.now, err, c.valid)
		}
	}
}
