package doctor_test

import (
	"net/http"
	"net/http/httptest"

	"context"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/budget"
	"issuance/internal/doctor"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/providers/pass2u"
	"issuance/providers/pass2u/pass2usim"
)

// slow moves a clock while Redis is asked whether it is there.
type slow struct {
	testredis.Hook
	passes func()
}

func (s slow) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "ping" {
			s.passes()
		}
		return next(ctx, cmd)
	}
}

// A Redis that takes long to answer is worth knowing.
func TestASlowRedisIsFound(t *testing.T) {
	w := newWard(t)
	var passed time.Duration
	w.config.Now = func() time.Time { return time.Now().Add(passed) }
	w.rdb.AddHook(slow{passes: func() { passed += 60 * time.Millisecond }})
	w.finds(doctor.Note, doctor.Redis, "Redis takes 6")
}

// A provider's clock that is minutes away is wrong: a little more, and it refuses every request.
func TestAProvidersClockThatIsFarAwayIsWrong(t *testing.T) {
	for off, says := range map[time.Duration]string{6 * time.Minute: "ahead of this machine's", -6 * time.Minute: "behind this machine's"} {
		w := newWard(t)
		w.sim.SetClockOff(off)
		w.finds(doctor.Wrong, doctor.Clocks, says)
	}
}

// An account whose harmless call is refused is wrong, with what the provider has said and what to do.
func TestAnAccountThatRefusesTheCallIsWrong(t *testing.T) {
	w := newWard(t)
	w.sim.SetFault(func(ecticketsim.Call) ecticketsim.Fault {
		return ecticketsim.Fault{Kind: ecticketsim.TransRefused}
	})
	w.finds(doctor.Wrong, doctor.Accounts, "refuses our call from here: trans_")
	if n := w.calls.Load(); n != 1 {
		t.Errorf("it was called %d times", n)
	}
}

// answers is a client whose look-up ends in an outcome that says nothing of the order.
type answers struct {
	providers.Provider
	outcome providers.Outcome
}

func (a answers) LookUp(context.Context, providers.Order) providers.Finding {
	return providers.Finding{State: providers.Unclear, Outcome: a.outcome}
}

// Whatever an account answers to a made-up order, an authentic rejection shows that it can be called.
func TestARejectionIsAnAnswer(t *testing.T) {
	w := newWard(t)
	w.config.Clients = []doctor.Client{{Provider: answers{w.config.Clients[0].Provider, providers.Outcome{Kind: providers.Rejected, Code: "product_sale_id_does_not_exist"}}}}
	w.finds(doctor.OK, doctor.Accounts, "answers our call from here")
}

// pass2u makes the examination one of an account at Pass2U, whose answer to a made-up order is that it has no such sale.
func (w *ward) pass2u() {
	w.Helper()
	sim := pass2usim.New(pass2usim.Config{})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.calls.Add(1)
		sim.ServeHTTP(rw, r)
	}))
	w.Cleanup(server.Close)
	rdb, _ := w.config.RDB.(*redis.Client)
	b, err := budget.New(rdb, budget.Config{Account: providers.Account{Provider: providers.Pass2U, Merchant: "main"}, Default: true, PerSecond: 100})
	w.must(err)
	gate := doctor.NewGate(b)
	client, err := pass2u.New(pass2u.Config{BaseURL: server.URL, APIKey: pass2usim.DefaultAPIKey, Gate: gate})
	w.must(err)
	w.Cleanup(client.Close)
	w.config.Clients = []doctor.Client{{Provider: client, Gate: gate}}
}

// An account at Pass2U answers the harmless call by a rejection, and that is no trouble of the account.
func TestAnAccountAtPass2UAnswersTheCall(t *testing.T) {
	w := newWard(t)
	w.pass2u()
	w.finds(doctor.OK, doctor.Accounts, "pass2u:main: answers our call from here")
	if n := w.calls.Load(); n != 1 {
		t.Errorf("it was called %d times", n)
	}
}
