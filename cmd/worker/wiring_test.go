package main

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/budget"
	"issuance/internal/config"
	"issuance/internal/handler"
	"issuance/internal/keys"
	"issuance/internal/metrics"
	"issuance/internal/queue"
	"issuance/internal/seal"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks"
	"issuance/tasks/order"
)

// wired is everything that settings of the process become.
func wired(c config.Config) string {
	k := &wiring{cfg: c, rdb: redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"}), log: slog.New(slog.DiscardHandler)}
	defer k.rdb.Close()
	text := fmt.Sprintf("%+v|%+v|%+v|%+v|%+v", k.tasks(), k.schedule(), k.sentinel(), ledgerOptions(c), serverOptions(c, nil))
	text += fmt.Sprintf("|idle %s", k.holder(providers.ECTicket, nil).Idle)
	for _, l := range order.Lanes() {
		text += fmt.Sprintf("|%s %d", l, k.lane(lane{providers.ECTicket, l}, 4, nil, nil).Concurrency)
	}
	return text
}

// A worker that dies in a poll has worked on other orders, too: polls share the process's company.
func TestPollsShareTheProcesssCompany(t *testing.T) {
	k := &wiring{worker: "w1", company: handler.NewCompany()}
	if c := k.poller(nil, nil, nil); c.Company != k.company || c.Worker != "w1" {
		t.Errorf("company %p of %p, worker %q", c.Company, k.company, c.Worker)
	}
}

// A setting that is read and lost on its way would keep its default for ever: each one of the process, the
// poller and the ledger changes something that is wired, and the three concurrencies change their own lane.
func TestEverySettingIsWired(t *testing.T) {
	base, err := config.Load(production("redis://127.0.0.1:1/0"))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := map[string]bool{"HTTPAddr": true, "HTTPHosts": true, "Network": true, "LogFormat": true, "URL": true, "ClusterAddrs": true} // tested where they are used
	for _, group := range []string{"Redis", "Worker", "Poll", "Ledger"} {
		fields := reflect.ValueOf(base).FieldByName(group)
		for i := range fields.NumField() {
			name := fields.Type().Field(i).Name
			if elsewhere[name] {
				continue
			}
			changed := base
			f := reflect.ValueOf(&changed).Elem().FieldByName(group).Field(i)
			f.SetInt(f.Int() + 7)
			if wired(changed) == wired(base) {
				t.Errorf("%s.%s is lost on its way", group, name)
			}
		}
	}
	base.Worker.CheckoutConcurrency, base.Worker.PollConcurrency, base.Worker.BulkConcurrency = 11, 12, 13
	if text := wired(base); !strings.Contains(text, "|checkout 11|poll 12|bulk 13") {
		t.Error(text)
	}
}

// Without a setting an account has as many tasks at once as its calls per second need; all accounts of a file share many.
func TestTasksAtOnceFollowTheCallsPerSecond(t *testing.T) {
	cfg, err := config.Load(production("redis://127.0.0.1:1/0"))
	if err != nil {
		t.Fatal(err)
	}
	k := &wiring{cfg: cfg}
	of := func(perSecond float64) (list []int) {
		for _, l := range order.Lanes() {
			list = append(list, k.lane(lane{providers.Pass2U, l}, perSecond, nil, nil).Concurrency)
		}
		return list
	}
	if got := fmt.Sprint(order.Lanes(), of(1), of(4), of(30), of(1e6)); got != "[checkout poll bulk] [8 4 4] [8 8 8] [60 60 60] [200 200 200]" {
		t.Error(got)
	}
	w := &worker{wiring: k}
	w.roster.list.Store(accountsOf([]*account{{Account: config.Account{Name: providers.Account{Provider: providers.Pass2U, Merchant: "main"}, CallsPerSecond: 30}}}))
	for _, l := range w.lanesOf(providers.Pass2U) {
		if l.Concurrency != 60 {
			t.Errorf("%s: %d", l.Lane, l.Concurrency)
		}
	}
	if k.cfg.File.Path = "accounts.yaml"; fmt.Sprint(of(1)) != "[10000 10000 10000]" {
		t.Error(of(1))
	}
}

// What the environment says of an account is what its client and its budget do.
func TestAccountsAreWired(t *testing.T) {
	rdb := testredis.Mini(t).Client()
	env := production("redis://127.0.0.1:1/0")
	for name, value := range map[string]string{
		"ECTICKET_BASE_URL": "https://ecticket-stage.ecpay.com.tw", "ECTICKET_MODE": "escrow", "ECTICKET_SETTLE_AFTER": "17m", "ECTICKET_TIMEOUT": "9s",
		"ECTICKET_CALLS_PER_SECOND": "3", "ECTICKET_BAN": "41m",
		"PASS2U_BASE_URL": "https://pass2u.example/api", "PASS2U_SETTLE_AFTER": "19m", "PASS2U_TIMEOUT": "8s", "PASS2U_CALLS_PER_SECOND": "2", "PASS2U_BAN": "43m",
	} {
		env[name] = value
	}
	cfg, err := config.Load(env)
	if err != nil {
		t.Fatal(err)
	}
	k := &wiring{cfg: cfg, rdb: rdb, mode: &modeWatch{rdb: rdb}, log: slog.New(slog.DiscardHandler), counts: metrics.NewProcess(), company: handler.NewCompany(), keyWaits: &handler.KeyWaits{}, ring: seal.Sandbox()}
	defer k.pool.Close()
	for name, want := range map[providers.Name]struct {
		account, host string
		settle        time.Duration
		rate          float64
		ban, timeout  time.Duration
		rules         providers.Rules
	}{
		providers.ECTicket: {"ecticket:2000132", "ecticket-stage.ecpay.com.tw", 17 * time.Minute, 3, 41 * time.Minute, 9 * time.Second, providers.Rules{Merchant: "2000132", Escrow: true}},
		providers.Pass2U:   {"pass2u:main", "pass2u.example", 19 * time.Minute, 2, 43 * time.Minute, 8 * time.Second, providers.Rules{}},
	} {
		found, ok := config.Find(cfg.Callable(), providers.Account{Provider: name})
		if !ok || len(config.Needs(name)) == 0 {
			t.Errorf("%s: it is said to be configured otherwise than it is", name)
		}
		a, err := k.open(found, nil)
		if err != nil {
			t.Fatal(err)
		}
		if a.Name.String() != want.account || a.provider.Host() != want.host || a.provider.Traits().SettleAfter != want.settle || a.Timeout != want.timeout {
			t.Errorf("%s: %s at %s, settles after %s, calls last %s", name, a.Name, a.provider.Host(), a.provider.Traits().SettleAfter, a.Timeout)
		}
		rules := a.Rules()
		if age := time.Since(rules.Now); age < 0 || age > time.Minute {
			t.Errorf("%s: rules of %s", name, rules.Now)
		}
		rules.Now = time.Time{}
		if rules != want.rules {
			t.Errorf("%s: %+v", name, rules)
		}
		if access := a.held.Access; access == "" || access != found.Access(k.ring.Fingerprint) {
			t.Errorf("%s: probes are made with the settings %q", name, access)
		}
		a.budget.Banned(t.Context(), "the test")
		s, err := a.budget.State(t.Context())
		if err != nil || s.Limit != want.rate || s.Ban == nil || s.Ban.Until.Sub(s.Ban.Since).Round(time.Second) != want.ban {
			t.Errorf("%s: %+v %v", name, s, err)
		}
		if err := a.gate.Pass(t.Context()); err == nil {
			t.Errorf("%s: the gate is not the account's budget", name)
		}
	}
}

// Calls of a process leave in one line where their accounts share an allowance, and where an account is replaced by itself with other settings.
func TestAccountsOfOneAllowanceDepartTogether(t *testing.T) {
	cfg, err := config.Load(production("redis://127.0.0.1:1/0"))
	if err != nil {
		t.Fatal(err)
	}
	rdb := testredis.Mini(t).Client()
	k := &wiring{cfg: cfg, rdb: rdb, mode: &modeWatch{rdb: rdb}, log: slog.New(slog.DiscardHandler), counts: metrics.NewProcess(), company: handler.NewCompany(), keyWaits: &handler.KeyWaits{}, ring: seal.Sandbox()}
	defer k.pool.Close()
	open := func(p providers.Name, allowance string, before *account) *account {
		found, _ := config.Find(cfg.Callable(), providers.Account{Provider: p})
		found.Allowance, found.CallsPerSecond = allowance, 0.001
		if before != nil {
			found.CallsPerSecond = 0.002
		}
		a, err := k.open(found, before)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	one := open(providers.ECTicket, "platform", nil)
	if err := one.gate.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	gone, stop := context.WithCancel(t.Context())
	stop()
	for name, c := range map[string]struct {
		of    *account
		waits bool
	}{
		"of the same allowance": {open(providers.Pass2U, "platform", nil), true},
		"changed":               {open(providers.ECTicket, "platform", one), true},
		"of another allowance":  {open(providers.Pass2U, "own", nil), false},
	} {
		if err := c.of.budget.Depart(gone); (err != nil) != c.waits {
			t.Errorf("an account %s: %v", name, err)
		}
	}
}

// Where another worker serves an account, too, calls keep to their slots: an account knows it by its own name.
func TestCallsKeepToTheirSlotsBesideAnotherWorker(t *testing.T) {
	cfg, err := config.Load(production("redis://127.0.0.1:1/0"))
	if err != nil {
		t.Fatal(err)
	}
	rdb := testredis.Mini(t).Client()
	ec, _ := config.Find(cfg.Callable(), providers.Account{Provider: providers.ECTicket})
	p2, _ := config.Find(cfg.Callable(), providers.Account{Provider: providers.Pass2U})
	k := &wiring{cfg: cfg, rdb: rdb, mode: &modeWatch{rdb: rdb}, log: slog.New(slog.DiscardHandler), counts: metrics.NewProcess(), company: handler.NewCompany(), keyWaits: &handler.KeyWaits{}, ring: seal.Sandbox(),
		elsewhere: func(a config.Account) func(context.Context) bool {
			return func(context.Context) bool { return a.Name == ec.Name }
		}}
	defer k.pool.Close()
	for c, shared := range map[*config.Account]bool{&ec: true, &p2: false} {
		a, err := k.open(*c, nil)
		if err != nil {
			t.Fatal(err)
		}
		paid, err := a.gate.Prepay(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, due := providers.SlotOf(paid).Due(); due.IsZero() == shared {
			t.Errorf("%s: its slot is at %v", c.Name, due)
		}
	}
}

// Another worker calls under an allowance when it serves any account of it.
func TestAnAllowanceIsSharedWithWhoServesAnyOfItsAccounts(t *testing.T) {
	of := func(merchant, allowance string) config.Account {
		return config.Account{Name: providers.Account{Provider: providers.ECTicket, Merchant: merchant}, Allowance: allowance}
	}
	all := []config.Account{of("1", "platform"), of("2", "platform"), of("3", ""), of("4", "ecticket:3"), of("5", ""), of("6", "")}
	w := &worker{neighbours: &neighbours{serve: map[providers.Account]bool{all[1].Name: true, all[3].Name: true, all[5].Name: true}, readAt: time.Now()}}
	w.roster.live = config.Config{Accounts: all}.Live(nil)
	for i, shared := range []bool{true, true, true, true, false, true} {
		if got := w.elsewhere(all[i])(t.Context()); got != shared {
			t.Errorf("%s with the allowance %q: %t", all[i].Name, all[i].Allowance, got)
		}
	}
}

// Bulk orders are called for in the bulk lane; finished records and tasks are kept as long as the settings
// say; and the worker announces its accounts and its seal keys.
func TestABulkOrderAndWhatStaysOfIt(t *testing.T) {
	t.Parallel()
	s := testredis.Start(t)
	o := newOutside(t, s.URL())
	o.env["ISSUANCE_KEEP_DETAILS"], o.env["ISSUANCE_KEEP_RECORDS"], o.env["WORKER_RETENTION"] = "3d", "5d", "7h"
	client := o.client(t, s)
	w := start(t, o.env)
	w.sees(w.err, `"admin"`)
	if _, err := client.Enqueue(t.Context(), pass2uOrder("B1"), tasks.InLane(tasks.Bulk)); err != nil {
		t.Fatal(err)
	}
	if st, err := client.Wait(t.Context(), pass2uAccount, "B1"); err != nil || st.State != order.Issued {
		t.Fatalf("%+v %v", st, err)
	}
	account, err := budget.New(s.Client(), budget.Config{Account: pass2uAccount, PerSecond: 100})
	if err != nil {
		t.Fatal(err)
	}
	if state, err := account.State(t.Context()); err != nil || state.Used[order.Bulk] == 0 || state.Used[order.Checkout] != 0 {
		t.Errorf("%+v %v", state.Used, err)
	}
	ref := order.Ref{Account: pass2uAccount, OrderID: "B1"}
	within(t, s, keys.Details(ref), 3*24*time.Hour)
	within(t, s, keys.Record(ref), 5*24*time.Hour)
	h := queue.HomeOf(ref, order.Queued, order.Bulk)
	kept, err := s.Client().HGet(t.Context(), keys.Task(h.Queue, h.ID), "msg").Result()
	if err != nil || kept == "" {
		t.Errorf("the finished task is gone: %v", err)
	}
	announced, err := budget.Announced(context.Background(), s.Client())
	if err != nil || len(announced) != 2 {
		t.Errorf("%+v %v", announced, err)
	}
	if n := s.Client().ZCard(t.Context(), keys.SealKeys).Val(); n != 1 {
		t.Errorf("%d seal keys are announced", n)
	}
	other, err := tasks.NewClient(s.Client(), tasks.Options{SealKeys: strings.Repeat("A", 41) + "QI="})
	if err == nil {
		_, err = other.Enqueue(t.Context(), pass2uOrder("B2"))
	}
	if err == nil {
		t.Error("a producer with another seal key is accepted")
	}
}

// within expects a key to expire within a minute of its time.
func within(t *testing.T, s *testredis.Server, key string, want time.Duration) {
	t.Helper()
	left, err := s.Client().PTTL(t.Context(), key).Result()
	if err != nil || left > want || left < want-time.Minute {
		t.Errorf("%s expires in %s, want %s; %v", key, left, want, err)
	}
}
