package console

import (
	"fmt"
	"testing"
	"time"

	"issuance/internal/ledger"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

// A look at a large file reads a bounded number of its orders, and the next ones count on.
func TestALargeFileIsCountedInParts(t *testing.T) {
	rdb, now := testredis.Mini(t).Client(), time.Now()
	c := &Console{Config: Config{RDB: rdb, Ledger: ledger.New(rdb, ledger.Options{}), Now: func() time.Time { return now }}}
	s := newFiles(c)
	names := make([]string, tallyReads+700)
	for i := range names {
		names[i] = order.Ref{Account: providers.Account{Provider: providers.ECTicket, Merchant: "1"}, OrderID: fmt.Sprintf("O%06d", i)}.String()
	}
	if err := s.enqueued(t.Context(), "FILE", names); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		wait    time.Duration
		counted int64
	}{{0, tallyReads}, {tallyEvery / 2, tallyReads}, {tallyEvery, tallyReads + 700}} {
		now = now.Add(want.wait)
		tally, err := s.tally(t.Context(), "FILE")
		if err != nil {
			t.Fatal(err)
		}
		if _, all, open := tally.counts(); all != want.counted || open != want.counted {
			t.Errorf("after %s %d are counted, %d of them open", want.wait, all, open)
		}
	}
}

// Few files are counted at a time: what nobody looks at any more is forgotten first.
func TestOnlyFilesThatAreLookedAtAreCounted(t *testing.T) {
	var all tallies
	now := time.Now()
	first := all.get("0", now)
	for i := 1; i <= mostTallies; i++ {
		all.get(fmt.Sprint(i), now.Add(time.Duration(i)*time.Second))
	}
	if len(all.of) != mostTallies || all.of["0"] != nil || all.of["1"] == nil {
		t.Errorf("%d are kept", len(all.of))
	}
	if again := all.get("0", now.Add(time.Minute)); again == first || all.get("0", now.Add(time.Hour)) != again || len(all.of) != 1 {
		t.Errorf("%d are kept", len(all.of))
	}
}
