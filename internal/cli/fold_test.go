package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"issuance/internal/bulk"
)

// TestABulksMessagesFold: on a terminal no line of what a bulk says is wider than it.
func TestABulksMessagesFold(t *testing.T) {
	var out, errs bytes.Buffer
	a := &app{out: &out, err: &errs, width: 60, errWidth: 60}
	r := &rejects{app: a, n: 30, listed: 1, list: []string{"line 2: MerchantTradeNo: must be half-width letters and digits only (A-Z, a-z, 0-9) (found: string of 12 characters); format the column as Text"}}
	r.print()
	p := &bulk.Progress{}
	p.Enqueued.Store(18944)
	p.Lines.Store(18944)
	if err := (summary{app: a, progress: p, took: time.Second}).print(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := (summary{app: a}).printEstimates([]estimate{{Orders: 1234567, CallsPerSecond: 4, SharedWith: 3, Paused: "paused by angela: the provider asked us to wait until it calls"}}); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(out.String() + errs.String()) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 60 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if !strings.Contains(errs.String(), "--rejects") || !strings.Contains(out.String(), "18,944 enqueued") {
		t.Errorf("%s%s", out.String(), errs.String())
	}
}
