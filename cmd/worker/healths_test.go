package main

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"issuance/internal/budget"
	"issuance/internal/cli"
	"issuance/internal/keys"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/providers/ecticket/ecticketsim"
)

// shown is where an account's health is shown.
type shown struct {
	*testing.T
	s     *testredis.Server
	w     *process
	url   string
	rules string // deploy/alerts.yaml
}

// everywhere waits until an account is in a state by the metric, and wants the same of the command line, of /readyz if the
// worker serves the account, of a rule that alerts, and so many lines of the log that begin like line.
func (v *shown) everywhere(account string, h providers.Health, line string, within time.Duration) {
	v.Helper()
	want := `issuance_account_health{account="` + account + `",state="` + string(h) + `"} 1` + "\n"
	for end := time.Now().Add(within); ; time.Sleep(50 * time.Millisecond) {
		if _, body := get(v.T, v.url+"/metrics"); strings.Contains(body, want) {
			break
		}
		if time.Now().After(end) {
			v.Fatalf("%s is not %s within %s", account, h, within)
		}
	}
	var out bytes.Buffer
	cli.Run(v.Context(), []string{"budget", "--json"}, map[string]string{"REDIS_URL": v.s.URL()}, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &out})
	if !strings.Contains(out.String(), `"account":"`+account+`"`) || !strings.Contains(out.String(), `"state":"`+string(h)+`"`) {
		v.Errorf("budget does not show %s:\n%s", h, out.String())
	}
	var ready readiness
	_, body := get(v.T, v.url+"/readyz")
	if err := json.Unmarshal([]byte(body), &ready); err != nil || !ready.Ready {
		v.Errorf("%s: readiness depends on it: %s %v", h, body, err)
	}
	if detail, served := ready.Accounts[account]; served && !strings.HasPrefix(detail, string(h)) {
		v.Errorf("/readyz says %q instead of %s", detail, h)
	}
	rule := `state="` + string(h) + `"`
	switch h {
	case providers.HealthBanned:
		rule = "(issuance_banned) == 1"
	case providers.HealthPaused:
		rule = "(issuance_paused) == 1"
	}
	if h != providers.HealthOK && !strings.Contains(v.rules, rule) {
		v.Errorf("no rule alerts of %s", h)
	}
	v.w.sees(v.w.err, line+`.*"account":"`+account+`"`)
}

// Every health of an account that can be provoked is shown alike by metric, command line and readiness, an alert rule waits
// for it, and the log says so once. A provider that is off is known within 30 s, and all is well within 15 s of its return.
func TestEveryHealthIsShownEverywhere(t *testing.T) {
	t.Parallel()
	s := testredis.Start(t)
	o := newOutside(t, s.URL())
	client, c, account := o.client(t, s), s.Client(), ecticketAccount.String()
	rules, err := os.ReadFile("../../deploy/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	other, err := budget.New(c, budget.Config{Account: ecticketAccount, PerSecond: 100, Ban: 8 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	w := start(t, o.env)
	v := &shown{T: t, s: s, w: w, url: w.sees(w.err, `"admin":"([^"]+)"`)[1], rules: string(rules)}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	sells := func(id string) { _, err := client.Enqueue(t.Context(), ecticketOrder(id)); must(err) }
	forget := func() { must(c.Del(t.Context(), keys.Health(account, ecticketAccount)).Err()) }

	o.ecticket.StartOutage(ecticketsim.Fault{Kind: ecticketsim.Error5xxBefore}, 0)
	sells("E1")
	v.everywhere(account, providers.HealthUnreachable, `alarm: the account is unreachable`, 30*time.Second)
	o.ecticket.EndOutage()
	v.everywhere(account, providers.HealthOK, `the account is ok again`, 15*time.Second)
	for kind, h := range map[ecticketsim.FaultKind]providers.Health{ecticketsim.TransRefused: providers.HealthRefused, ecticketsim.GarbageBefore: providers.HealthGarbage} {
		o.ecticket.SetFault(func(ecticketsim.Call) ecticketsim.Fault { return ecticketsim.Fault{Kind: kind} })
		for range 3 {
			other.Answered(t.Context(), providers.Condition{State: h, Code: "test"}) // as other workers' calls say, too
		}
		sells(string(h))
		v.everywhere(account, h, `alarm: the account is `+string(h), 30*time.Second)
		o.ecticket.SetFault(nil)
		forget()
		v.everywhere(account, providers.HealthOK, ``, 15*time.Second)
	}
	_, _, err = budget.Pause(t.Context(), c, ecticketAccount, "", "ann", "prices")
	must(err)
	v.everywhere(account, providers.HealthPaused, `the account is paused`, 15*time.Second)
	_, err = budget.Resume(t.Context(), c, ecticketAccount, "")
	must(err)
	other.Banned(t.Context(), "HTTP 403")
	v.everywhere(account, providers.HealthBanned, `alarm: the account is banned`, 15*time.Second)
	must(c.Del(t.Context(), keys.Budget(account)+"ban").Err())
	other.KeyMissing(t.Context())
	v.everywhere(account, providers.HealthKeyMissing, `the account is key_missing`, 15*time.Second)
	forget()
	v.everywhere(account, providers.HealthOK, `the account is ok again.*"was":"key_missing"|"was":"key_missing"`, 15*time.Second)
	must(c.HSet(t.Context(), keys.Accounts, "ecticket:3362787", `{"calls_per_second":4,"at":"`+time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)+`"}`).Err())
	v.everywhere("ecticket:3362787", providers.HealthNoWorker, `alarm: the account is no_worker`, 15*time.Second)
	for _, h := range []string{"unreachable", "banned", "no_worker"} {
		if n := strings.Count(w.err.String(), "alarm: the account is "+h); n != 1 {
			t.Errorf("%s is said %d times", h, n)
		}
	}
}
