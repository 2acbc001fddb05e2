package cli_test

import (
	"bytes"
	"strings"
	"testing"

	"issuance/internal/budget"
	"issuance/internal/cli"
	"issuance/internal/redisconn"
	"issuance/internal/testredis"
	"issuance/providers"
)

// TestAnOrderOfAnAccountThatNobodyServes: the answer names the accounts that there are, and how to name one.
func TestAnOrderOfAnAccountThatNobodyServes(t *testing.T) {
	s := testredis.Start(t)
	must(t, redisconn.Mark(t.Context(), s.Client(), redisconn.Production))
	for _, merchant := range []string{"north", "south"} {
		b, err := budget.New(s.Client(), budget.Config{Account: providers.Account{Provider: providers.Pass2U, Merchant: merchant}, PerSecond: 1})
		must(t, err)
		must(t, b.Announce(t.Context()))
	}
	var out, errs bytes.Buffer
	exit := cli.Run(t.Context(), []string{"status", "pass2u", "A0010"}, environment(s), cli.Streams{Out: &out, Err: &errs})
	const want = "no worker serves account pass2u:main; there are: pass2u:north, pass2u:south; write ACCOUNT as pass2u:MERCHANT"
	if exit != cli.Unknown || !strings.Contains(errs.String(), want) {
		t.Errorf("exit code %d: %s", exit, errs.String())
	}
}
