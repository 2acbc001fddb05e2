package cli

import (
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"issuance/internal/budget"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/providers/ecticket/ecticketsim"
)

// shop is a desk with an account at a simulated ECTicket.
func shop(t *testing.T) *desk {
	t.Helper()
	d := deskAt(t, testredis.Mini(t))
	web := httptest.NewServer(ecticketsim.New(ecticketsim.Config{}))
	t.Cleanup(web.Close)
	account := ecticketsim.DefaultAccounts()[0]
	d.env["ECTICKET_BASE_URL"], d.env["ECTICKET_MERCHANT_ID"] = web.URL, account.MerchantID
	d.env["ECTICKET_HASH_KEY"], d.env["ECTICKET_HASH_IV"] = account.HashKey, account.HashIV
	return d
}

func (d *desk) announce(t *testing.T, merchant string, perSecond float64) *budget.Budget {
	t.Helper()
	b, err := budget.New(d.rdb, budget.Config{
		Account: providers.Account{Provider: providers.ECTicket, Merchant: merchant}, PerSecond: perSecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Announce(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

// A look-up takes as much of the account's allowance as the workers have announced, even where this
// environment allows more; an environment that allows less is kept to.
func TestLookUpsAreNoFasterThanTheWorkers(t *testing.T) {
	for _, c := range []struct {
		own, announced string
		spacing        time.Duration
	}{{"50", "0.1", 10 * time.Second}, {"0.2", "50", 5 * time.Second}} {
		for _, args := range [][]string{{"items", "VQT04959"}, {"ticket", "NOSUCH"}, {"bulk", "--dry-run", "--precheck", "-"}} {
			d := shop(t)
			d.env["ECTICKET_CALLS_PER_SECOND"] = c.own
			rate, err := strconv.ParseFloat(c.announced, 64)
			if err != nil {
				t.Fatal(err)
			}
			b := d.announce(t, "2000132", rate)
			d.announce(t, "3362787", 0.001) // another merchant's
			_, out, text := d.run(t.Context(), strings.NewReader("MerchantTradeNo,IssueType,PrintType,Operator,ItemNo1,TicketAmount1\nM1,2,2,A,VQT04959,1\n"), args...)
			st, err := b.State(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if used := st.Ahead; used < c.spacing/2 || used > c.spacing {
				t.Errorf("%v at %s/s of its own, %s/s announced: the next call is %s away, want %s\n%s%s", args, c.own, c.announced, used, c.spacing, out, text)
			}
		}
	}
}

// Whose allowance an estimate goes by: this merchant's, else the only one there is.
func TestAnEstimateGoesByOneAccount(t *testing.T) {
	for _, c := range []struct {
		merchant string
		accounts string
		p        providers.Name
		want     string
	}{
		{"1", "ecticket:1 ecticket:2 pass2u:main", providers.ECTicket, "ecticket:1"},
		{"3", "ecticket:1 ecticket:2 pass2u:main", providers.ECTicket, ""},
		{"", "ecticket:1 pass2u:main", providers.ECTicket, "ecticket:1"},
		{"", "ecticket:1 ecticket:2", providers.ECTicket, ""},
		{"1", "ecticket:1 pass2u:main", providers.Pass2U, "pass2u:main"},
		{"1", "ecticket:1", providers.Pass2U, ""},
		{"", "", providers.Pass2U, ""},
	} {
		var accounts []budget.State
		for _, name := range strings.Fields(c.accounts) {
			var account providers.Account
			if err := account.UnmarshalText([]byte(name)); err != nil {
				t.Fatal(err)
			}
			accounts = append(accounts, budget.State{Account: account})
		}
		got := ""
		if st := accountOf(accounts, c.p, c.merchant); st != nil {
			got = st.Account.String()
		}
		if got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}
