package cli

import (
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"issuance/internal/budget"
	"issuance/internal/config"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/tasks"
	"issuance/tasks/order"
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
	return d.serves(t, providers.Account{Provider: providers.ECTicket, Merchant: merchant}, perSecond)
}

// serves announces an account, as a worker of it does.
func (d *desk) serves(t *testing.T, a providers.Account, perSecond float64) *budget.Budget {
	t.Helper()
	b, err := budget.New(d.rdb, budget.Config{Account: a, PerSecond: perSecond})
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
	}{{"50", "0.1", 10100 * time.Millisecond}, {"0.2", "50", 5050 * time.Millisecond}} {
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

// Whose allowance an estimate goes by: the account that documents name, else this environment's, else the
// only one there is.
func TestAnEstimateGoesByOneAccount(t *testing.T) {
	for _, c := range []struct {
		env, announced string
		asked, want    string
		perSecond      float64
	}{
		{"", "ecticket:1 ecticket:2 pass2u:main", "ecticket:2", "ecticket:2", 2},
		{"1", "ecticket:1 ecticket:2 pass2u:main", "ecticket", "ecticket:1", 1},
		{"3", "ecticket:1 ecticket:2 pass2u:main", "ecticket", "ecticket:3", 4},
		{"", "ecticket:1 pass2u:main", "ecticket", "ecticket:1", 1},
		{"", "ecticket:1 ecticket:2", "ecticket", "ecticket", 4},
		{"1", "ecticket:1 pass2u:main", "pass2u", "pass2u:main", 2},
		{"1", "ecticket:1", "pass2u", "pass2u", 4},
		{"", "", "pass2u:x", "pass2u:x", 4},
	} {
		account := func(name string) (a tasks.Account) {
			if err := a.UnmarshalText([]byte(name)); err != nil {
				t.Fatal(err)
			}
			return a
		}
		cfg, err := config.LoadParts(map[string]string{"ECTICKET_MERCHANT_ID": c.env}, config.Estimates)
		if err != nil {
			t.Fatal(err)
		}
		p := paces{cfg: cfg}
		for i, name := range strings.Fields(c.announced) {
			p.states = append(p.states, budget.State{Account: account(name), Limit: float64(1 + i)})
		}
		if got := p.account(account(c.asked)); got.String() != c.want {
			t.Errorf("%+v: %s", c, got)
		}
		if got := p.of(account(c.asked)).perSecond; got != c.perSecond {
			t.Errorf("%+v: %g calls/s", c, got)
		}
	}
}

// Accounts of one allowance take turns, so an estimate counts what the others have to be called for meanwhile.
func TestAnEstimateCountsThoseThatShareTheAllowance(t *testing.T) {
	for own, want := range map[int64]int64{20: 50, 10: 30, 25: 55} {
		if got := inTurns(own, []int64{20, 10, 25}); got != want {
			t.Errorf("%d calls are done with the %dth, not the %dth", own, want, got)
		}
	}
}

// While bulk alone is paused, the catalogue is asked in the lane of the polls; a pause of everything is said to have no
// known end.
func TestADryRunAsksInALaneThatIsNotPaused(t *testing.T) {
	d := shop(t)
	b := d.announce(t, "2000132", 50)
	account := providers.Account{Provider: providers.ECTicket, Merchant: "2000132"}
	const csv = "MerchantTradeNo,IssueType,PrintType,Operator,ItemNo1,TicketAmount1\nM1,2,2,A,VQT04959,1\n"
	pause := func(lane order.Lane) {
		t.Helper()
		if _, _, err := budget.Pause(t.Context(), d.rdb, account, lane, "me", "b"); err != nil {
			t.Fatal(err)
		}
	}
	pause(order.Bulk)
	code, out, text := d.run(t.Context(), strings.NewReader(csv), "bulk", "--dry-run", "--precheck", "-")
	st, err := b.State(t.Context())
	if err != nil || code != Fine || st.Used[order.Poll] != 1 || st.Used[order.Bulk] != 0 {
		t.Errorf("exit code %d, calls %v, %v\n%s%s", code, st.Used, err, out, text)
	}
	pause("")
	for _, args := range [][]string{{"items", "VNS21400"}, {"ticket", "X1"}, {"bulk", "--dry-run", "--precheck", "-"}} {
		_, _, text := d.run(t.Context(), strings.NewReader(strings.ReplaceAll(csv, "VQT04959", "VNS21400")), args...)
		if !strings.Contains(text, "paused by me: b") || !strings.Contains(text, "lasts until somebody ends it") || strings.Contains(text, "try again") {
			t.Errorf("%v: %s", args, text)
		}
	}
}
