package doctor_test

import (
	"os"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"issuance/internal/budget"
	"issuance/internal/doctor"
	"issuance/internal/redisconn"
	"issuance/providers"
	"issuance/providers/ecticket"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/providers/ecticket/wire"
)

// as makes everything that the ward's examination does a Redis user's of deploy/users.acl.
func (w *ward) as(name string) {
	w.Helper()
	raw, err := os.ReadFile("../../deploy/users.acl")
	w.must(err)
	rest, ok := strings.CutPrefix(string(raw[strings.Index(string(raw), "\nuser "+name+" ")+1:]), "user ")
	if !ok {
		w.Fatalf("there is no user %s", name)
	}
	line, _, _ := strings.Cut(rest, "\n")
	args := []any{"ACL", "SETUSER"}
	for _, f := range strings.Fields(line) {
		if strings.HasPrefix(f, "#") {
			f = ">pw"
		}
		args = append(args, f)
	}
	w.must(w.rdb.Do(w.Context(), args...).Err())
	rdb := redis.NewClient(&redis.Options{Addr: w.redis.Addr, Username: name, Password: "pw"})
	w.Cleanup(func() { _ = rdb.Close() })
	b, err := budget.New(rdb, budget.Config{Account: shop, Default: true, PerSecond: 100})
	w.must(err)
	a := ecticketsim.DefaultAccounts()[0]
	gate := doctor.NewGate(b)
	client, err := ecticket.New(ecticket.Config{BaseURL: w.url, MerchantID: a.MerchantID, Keys: wire.Keys{HashKey: a.HashKey, HashIV: a.HashIV}, Gate: gate})
	w.must(err)
	w.Cleanup(client.Close)
	options, err := redisconn.Parse(redisconn.Source{URL: "redis://" + name + ":pw@" + w.redis.Addr})
	w.must(err)
	w.config.RDB, w.config.Redis, w.config.Clients = rdb, options, []doctor.Client{{Provider: client, Gate: gate}}
}

// No user of deploy/users.acl takes what it may not see for something that is wrong, and each is shown what to do instead.
func TestWhatAUserMayNotSeeIsNotWrong(t *testing.T) {
	for _, name := range []string{"worker", "producer", "gateway", "operator", "reader"} {
		t.Run(name, func(t *testing.T) {
			w := newWard(t)
			w.as(name)
			for _, f := range w.examine() {
				if f.Level == doctor.Wrong || f.Level == doctor.Note && f.Do == "" {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}

// A user who may not ask the call budget calls no provider, and says so instead of calling the provider away.
func TestAUserWhoMayNotAskTheBudgetCallsNobody(t *testing.T) {
	for _, code := range []string{"no_budget", "call_budget_unknown"} { // as the providers' clients name it
		w := newWard(t)
		w.config.Clients = []doctor.Client{{Provider: answers{w.config.Clients[0].Provider, providers.Outcome{Kind: providers.NotSent, Code: code,
			Message: "the call budget cannot be asked: i/o timeout"}}}}
		w.finds(doctor.Wrong, doctor.Accounts, "was not called: the call budget cannot be asked: i/o timeout")
	}
	w := newWard(t)
	w.as("producer")
	w.finds(doctor.Note, doctor.Accounts, "ecticket:2000132: was not called: the user of REDIS_URL may not ask its call budget")
	w.pass2u()
	w.finds(doctor.Note, doctor.Accounts, "pass2u:main: was not called: the user of REDIS_URL may not ask its call budget")
	if n := w.calls.Load(); n != 0 {
		t.Errorf("the provider was called %d times", n)
	}
}
