package fairness

import (
	"os/exec"
	"testing"
)

// A backlog, a ban and a provider that hangs are their own account's: the others' orders go out as if those were not there.
func TestAccountsDoNotNoticeEachOther(t *testing.T) {
	needsRedis(t)
	r, err := Run(t, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", r)
	if r.Ratio > 1.1 || r.Ratio == 0 {
		t.Errorf("the last bulk order of an account is issued after %.2f s, alone after %.2f s", r.Worst, r.Alone)
	}
	if r.CheckoutP99 > 1 {
		t.Errorf("checkouts wait %.2f s", r.CheckoutP99)
	}
	if r.BacklogRate < 0.9*PerSecond {
		t.Errorf("%.2f orders per second of the backlog are issued, of %d", r.BacklogRate, PerSecond)
	}
	if r.Banned > 0 {
		t.Errorf("%d requests of the banned account left", r.Banned)
	}
}

// Calls per second are the sum of the allowances, and an order of many accounts costs no more commands than one of few.
func TestAccountsReachTheSumOfTheirAllowances(t *testing.T) {
	needsRedis(t)
	rows, err := RunSum(t, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		t.Logf("%+v", r)
		if r.Share < 0.95 {
			t.Errorf("%d accounts make %.2f of their calls", r.Accounts, r.Share)
		}
	}
	if first, last := rows[0], rows[len(rows)-1]; last.Commands > 1.1*first.Commands {
		t.Errorf("an order costs %.1f commands with %d accounts, and %.1f with one", last.Commands, last.Accounts, first.Commands)
	}
}

func needsRedis(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed")
	}
}
