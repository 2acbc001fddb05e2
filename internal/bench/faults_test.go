package main

import (
	"bytes"
	"strings"
	"testing"

	"issuance/internal/bench/faults"
)

// A fault that ends wrongly fails the benchmark, and the report says which and why.
func TestAWrongEndIsReported(t *testing.T) {
	rows := []faults.Row{{Fault: "none", Provider: "pass2u", End: "issued"}, {Fault: "the answer is lost", Provider: "ecticket", Wrong: []string{"A ends as failed"}}}
	r := faultsReport(rows)
	var text bytes.Buffer
	if err := r.print(&text, false); err != nil || r.met() || !strings.Contains(text.String(), "ecticket, the answer is lost: A ends as failed") {
		t.Errorf("met %t, %v:\n%s", r.met(), err, text.String())
	}
	if r := faultsReport(rows[:1]); !r.met() {
		t.Error("a right end is not enough")
	}
}
