package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"issuance/internal/budget"
	"issuance/internal/cli"
	"issuance/internal/keys"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/providers/ecticket/ecticketsim"
)

// signs are the places in which an account's health is shown.
type signs struct {
	*testing.T
	redis        *testredis.Server
	worker, door *process
	urls         [2]string // of the worker, and of the front door
	browser      *http.Client
	rules        map[string]alertRule
}

// alertRule is a rule of one metric of an account: it alerts where the metric is 1.
type alertRule struct {
	metric, labels string
}

var conditionForm = regexp.MustCompile(`^max by \([a-z, ]+\) \((issuance_[a-z_]+)(?:\{([^}]*)\})?\) == 1`)

// accountRules reads the rules of deploy/alerts.yaml that are about accounts.
func accountRules(t *testing.T) map[string]alertRule {
	t.Helper()
	text, err := os.ReadFile("../../deploy/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	rules := map[string]alertRule{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if m := conditionForm.FindStringSubmatch(r.Expr); m != nil {
				rules[r.Alert] = alertRule{m[1], m[2]}
			}
		}
	}
	return rules
}

// met reports whether a rule's condition holds for an account in an exposition of metrics.
func (r alertRule) met(metrics, account string) bool {
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, r.metric+"{") && strings.Contains(line, `account="`+account+`"`) && strings.Contains(line, r.labels) && strings.HasSuffix(line, "} 1\n") {
			return true
		}
	}
	return false
}

// watchSigns starts a worker and a front door.
func watchSigns(t *testing.T, s *testredis.Server, env map[string]string) *signs {
	v := &signs{T: t, redis: s, rules: accountRules(t), worker: start(t, env)}
	ctx, cancel := context.WithCancel(context.Background())
	v.door = &process{t: t, out: newOutput(), err: newOutput(), cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(v.door.done)
		v.door.code = cli.Run(ctx, []string{"serve", "--http-addr", "127.0.0.1:0"}, env, cli.Streams{In: strings.NewReader(""), Out: v.door.out, Err: v.door.err})
	}()
	t.Cleanup(func() { v.door.stop() })
	v.urls = [2]string{v.worker.sees(v.worker.err, `"admin":"([^"]+)"`)[1], v.door.sees(v.door.err, `"url":"([^"]+)"`)[1]}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	v.browser = &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}}
	return v
}

// console is the console's page of the accounts, in English.
func (v *signs) console() string {
	v.Helper()
	req, err := http.NewRequest(http.MethodGet, v.urls[1]+"/console/accounts", nil)
	if err != nil {
		v.Fatal(err)
	}
	req.Header.Set("Accept-Language", "en")
	resp, err := v.browser.Do(req)
	if err != nil {
		v.Fatal(err)
	}
	defer resp.Body.Close()
	var page bytes.Buffer
	if _, err := page.ReadFrom(resp.Body); err != nil {
		v.Fatal(err)
	}
	return page.String()
}

// healthOn is the word that the console shows beside an account.
func healthOn(page, account string) string {
	m := regexp.MustCompile(`<code>` + account + `</code></h2><span class="badge [a-z]+">([^<]*)</span>`).FindStringSubmatch(page)
	if m == nil {
		return ""
	}
	return m[1]
}

// lines counts lines of both logs.
func (v *signs) lines(pattern string) int {
	re := regexp.MustCompile(pattern)
	return len(re.FindAllString(v.worker.err.String(), -1)) + len(re.FindAllString(v.door.err.String(), -1))
}

// missing is what does not show yet that an account is in a state, "" when everything does.
func (v *signs) missing(c sign, h providers.Health, page string, metrics [2]string) string {
	rule, known := v.rules[c.alert]
	begun := `"msg":"(alarm: )?the account is ` + string(c.health) + `[":][^\n]*"account":"` + c.account + `"`
	over := `"msg":"the account is ok again[^\n]*"account":"` + c.account + `"`
	word, on := c.word, h != providers.HealthOK
	if !on {
		word = "ok"
	}
	for i, text := range metrics {
		switch {
		case !strings.Contains(text, `issuance_account_health{account="`+c.account+`",state="`+string(h)+`"} 1`+"\n"):
			return "metric of " + v.urls[i]
		case !known || rule.met(text, c.account) != on:
			return "condition of " + c.alert
		}
	}
	switch {
	case healthOn(page, c.account) != word:
		return "console: " + healthOn(page, c.account)
	case v.lines(begun) != 1:
		return "log"
	case on != (v.lines(over) == 0):
		return "log of the end"
	}
	return ""
}

// all waits until every account shows its state everywhere, or that it is ok again.
func (v *signs) all(list []sign, over bool, within time.Duration, meanwhile func()) {
	v.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(within); ; <-tick.C {
		var metrics [2]string
		for i, url := range v.urls {
			_, metrics[i] = get(v.T, url+"/metrics")
		}
		meanwhile()
		page, late := v.console(), ""
		for _, c := range list {
			h := c.health
			if over {
				h = providers.HealthOK
			}
			if m := v.missing(c, h, page, metrics); m != "" {
				late += "\n" + string(c.health) + ": " + m
			}
		}
		if late == "" {
			return
		}
		if time.Now().After(end) {
			v.Fatalf("not shown within %s (over: %t):%s\n%s", within, over, late, regexp.MustCompile(`.*the account is.*\n`).FindAllString(v.worker.err.String()+v.door.err.String(), -1))
		}
	}
}

// sign is one health of one account: what it is called in the console, the rule that alerts of it, what brings it and ends it.
type sign struct {
	health               providers.Health
	account, word, alert string
	begin, end           func()
}

// Every health of an account that can be provoked is shown alike by the console, the metrics of worker and front door, the
// condition of an alert rule, the command line and readiness, and by one line of all logs; so is its end. It takes at most 30 s
// to be seen, and 15 s to be gone.
func TestEveryHealthIsShownEverywhere(t *testing.T) {
	t.Parallel()
	s := testredis.Start(t)
	o := newOutside(t, s.URL())
	rdb, ctx := s.Client(), t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	// Accounts that other workers serve: what their calls have shown is in Redis.
	elsewhere := func(merchant string) *budget.Budget {
		b, err := budget.New(rdb, budget.Config{Account: providers.Account{Provider: providers.ECTicket, Merchant: merchant}, PerSecond: 4, Ramp: time.Millisecond})
		must(err)
		must(b.Announce(ctx))
		return b
	}
	name := func(merchant string) providers.Account {
		return providers.Account{Provider: providers.ECTicket, Merchant: merchant}
	}
	answered := func(b *budget.Budget, h providers.Health, times int) func() {
		return func() {
			for range times {
				b.Answered(ctx, providers.Condition{State: h, Code: "test", Took: 11 * time.Second})
			}
		}
	}
	refused, garbage, banned, keyless := elsewhere("1000001"), elsewhere("1000002"), elsewhere("1000003"), elsewhere("1000005")
	elsewhere("1000004")
	silent := func(at string) {
		must(rdb.HSet(ctx, keys.Accounts, "ecticket:1000006", `{"calls_per_second":4,"at":"`+at+`"}`).Err())
	}
	silent(time.Now().UTC().Format(time.RFC3339))
	v := watchSigns(t, s, o.env)
	healths := []sign{
		{providers.HealthUnreachable, ecticketAccount.String(), "unreachable", "IssuanceAccountUnreachable", func() {
			o.ecticket.StartOutage(ecticketsim.Fault{Kind: ecticketsim.Error5xxBefore}, 0) // nobody sells meanwhile
		}, func() { o.ecticket.EndOutage() }},
		{providers.HealthRefused, "ecticket:1000001", "refused", "IssuanceAccountRefused", answered(refused, providers.HealthRefused, 3), answered(refused, providers.HealthOK, 1)},
		{providers.HealthGarbage, "ecticket:1000002", "no proper answers", "IssuanceAccountGarbage", answered(garbage, providers.HealthGarbage, 3), answered(garbage, providers.HealthOK, 1)},
		{providers.HealthBanned, "ecticket:1000003", "banned", "IssuanceAccountBanned", func() { banned.Banned(ctx, "HTTP 403") }, func() { must(rdb.Del(ctx, keys.Budget("ecticket:1000003")+"ban").Err()) }},
		{providers.HealthPaused, "ecticket:1000004", "paused", "IssuanceAccountPaused", func() {
			_, _, err := budget.Pause(ctx, rdb, name("1000004"), "", "ann", "prices")
			must(err)
		}, func() { _, err := budget.Resume(ctx, rdb, name("1000004"), ""); must(err) }},
		{providers.HealthKeyMissing, "ecticket:1000005", "key missing", "IssuanceKeyMissing", func() { keyless.KeyMissing(ctx) },
			func() { must(rdb.HDel(ctx, keys.Health("ecticket:1000005", name("1000005")), "key_missing").Err()) }},
		{providers.HealthNoWorker, "ecticket:1000006", "no worker", "IssuanceNoWorker", func() { silent(time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)) },
			func() { silent(time.Now().UTC().Format(time.RFC3339)) }},
	}
	for _, c := range healths {
		c.begin()
	}
	v.all(healths, false, 30*time.Second, func() { keyless.KeyMissing(ctx) }) // a document without its key is tried again and again
	v.alsoShown(healths)
	for _, c := range healths {
		c.end()
	}
	v.all(healths, true, 15*time.Second, func() {})
}

// alsoShown looks at the command line, and at readiness, which does not depend on an account's health.
func (v *signs) alsoShown(list []sign) {
	v.Helper()
	var out bytes.Buffer
	cli.Run(v.Context(), []string{"budget", "--json"}, map[string]string{"REDIS_URL": v.redis.URL()}, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &out})
	var ready readiness
	_, body := get(v.T, v.urls[0]+"/readyz")
	if err := json.Unmarshal([]byte(body), &ready); err != nil || !ready.Ready {
		v.Errorf("readiness depends on an account's health: %s %v", body, err)
	}
	for _, c := range list {
		shown := false
		for line := range strings.Lines(out.String()) {
			shown = shown || strings.Contains(line, `"account":"`+c.account+`"`) && strings.Contains(line, `"state":"`+string(c.health)+`"`)
		}
		if !shown {
			v.Errorf("budget does not show %s:\n%s", c.health, out.String())
		}
		if detail, served := ready.Accounts[c.account]; served && !strings.HasPrefix(detail, string(c.health)) {
			v.Errorf("/readyz says %q instead of %s", detail, c.health)
		}
	}
}
