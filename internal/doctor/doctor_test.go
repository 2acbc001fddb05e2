package doctor_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"issuance/internal/announce"
	"issuance/internal/budget"
	"issuance/internal/config"
	"issuance/internal/doctor"
	"issuance/internal/keys"
	"issuance/internal/queue"
	"issuance/internal/redisconn"
	"issuance/internal/testredis"
	"issuance/providers"
	_ "issuance/providers/codecs"
	"issuance/providers/ecticket"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/providers/ecticket/wire"
	"issuance/tasks/order"
)

func TestMain(m *testing.M) {
	redisconn.LogTo(slog.New(slog.DiscardHandler)) // the library reports every connection that fails
	goleak.VerifyTestMain(m)
}

var shop = providers.Account{Provider: providers.ECTicket, Merchant: "2000132"}

// ward is a Redis in good health, with a running worker and an account, and a simulated provider.
type ward struct {
	*testing.T
	redis  *testredis.Server
	rdb    *redis.Client
	url    string // of the simulated provider
	config doctor.Config
	sim    *ecticketsim.Sim
	calls  atomic.Int32
	budget *budget.Budget
	young  bool // Redis says when it has started; else that it was long ago
}

func newWard(t *testing.T) *ward {
	t.Helper()
	w := &ward{T: t, redis: testredis.StartDurable(t)}
	if w.redis.Kind != testredis.Real {
		t.Skip("most of what can be wrong with Redis needs a real redis-server")
	}
	w.rdb = w.redis.Client()
	w.rdb.AddHook(ages{young: &w.young})
	options, err := redisconn.Parse(redisconn.Source{URL: w.redis.URL()})
	w.must(err)
	w.sim = ecticketsim.New(ecticketsim.Config{})
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.calls.Add(1)
		w.sim.ServeHTTP(rw, r)
	}))
	t.Cleanup(server.Close)
	w.url = server.URL
	w.budget, err = budget.New(w.rdb, budget.Config{Account: shop, Default: true, PerSecond: 100})
	w.must(err)
	w.must(w.budget.Announce(t.Context()))
	w.must(announce.SealKeys(t.Context(), w.rdb, []string{"k1"}))
	w.worker("w1", "v1", "k1")
	a := ecticketsim.DefaultAccounts()[0]
	gate := doctor.NewGate(w.budget)
	client, err := ecticket.New(ecticket.Config{BaseURL: server.URL, MerchantID: a.MerchantID, Keys: wire.Keys{HashKey: a.HashKey, HashIV: a.HashIV}, Gate: gate})
	w.must(err)
	t.Cleanup(client.Close)
	w.config = doctor.Config{RDB: w.rdb, Redis: options, SealKeys: []string{"k1"}, Version: "v1", Clients: []doctor.Client{{Provider: client, Gate: gate}}}
	return w
}

func (w *ward) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *ward) worker(name, version, key string) {
	w.Helper()
	w.must(announce.AnnounceWorker(w.Context(), w.rdb, announce.Worker{Name: name, Version: version, SealKeys: []string{key}, Accounts: []string{shop.String()}}))
}

func (w *ward) pause(lane order.Lane) {
	w.Helper()
	_, _, err := budget.Pause(w.Context(), w.rdb, shop, lane, "ann", "prices")
	w.must(err)
}

func (w *ward) set(name, value string) { w.must(w.rdb.ConfigSet(w.Context(), name, value).Err()) }

func (w *ward) examine() []doctor.Finding { return doctor.Examine(w.Context(), w.config) }

// finds wants one finding of a level that says something, with what to do about it.
func (w *ward) finds(level doctor.Level, area, says string) {
	w.Helper()
	list := w.examine()
	i := slices.IndexFunc(list, func(f doctor.Finding) bool {
		return f.Area == area && f.Level == level && strings.Contains(f.About+": "+f.Text, says)
	})
	if i < 0 {
		w.Errorf("%s %s: %q is not found in\n%s", area, level, says, text(list))
	} else if list[i].Do == "" && level == doctor.Wrong {
		w.Errorf("%q: nothing is said to be done", says)
	}
}

func text(list []doctor.Finding) string {
	var b strings.Builder
	for _, f := range list {
		b.WriteString(f.Area + " " + string(f.Level) + " " + f.About + ": " + f.Text + "\n")
	}
	return b.String()
}

// Where all is well, every area is looked at and nothing is wrong.
func TestAllIsWell(t *testing.T) {
	w := newWard(t)
	list := w.examine()
	var areas []string
	for _, f := range list {
		if f.Level != doctor.OK {
			t.Errorf("%+v", f)
		}
		areas = append(areas, f.Area)
	}
	if got := slices.Compact(areas); !slices.Equal(got, []string{doctor.Redis, doctor.Settings, doctor.SealKeys, doctor.Accounts, doctor.Clocks, doctor.Queues, doctor.Workers, doctor.Webhooks}) {
		t.Errorf("%v", got)
	}
	if n := w.calls.Load(); n != 1 {
		t.Errorf("the provider was called %d times", n)
	}
}

// What is wrong with Redis is found: eviction, persistence, memory, writes, a replica.
func TestRedisIsExamined(t *testing.T) {
	w := newWard(t)
	w.set("maxmemory-policy", "allkeys-lru")
	w.finds(doctor.Wrong, doctor.Redis, "evicts keys")
	w.set("maxmemory-policy", "noeviction")
	w.set("appendfsync", "everysec")
	w.finds(doctor.Note, doctor.Redis, "once a second")
	w.set("appendonly", "no")
	w.finds(doctor.Wrong, doctor.Redis, "append-only file is off")
	w.config.Sandbox = true
	w.finds(doctor.Note, doctor.Redis, "append-only file is off")
	w.set("maxmemory", "1")
	w.finds(doctor.Wrong, doctor.Redis, "takes no writes")
	w.finds(doctor.Wrong, doctor.Redis, "of maxmemory")
	w.set("maxmemory", "0")
	w.must(w.rdb.Do(t.Context(), "REPLICAOF", "127.0.0.1", "1").Err())
	w.finds(doctor.Wrong, doctor.Redis, "replica")
}

// A user who may not ask is told so, and nothing is called wrong for that.
func TestAUserWhoMayNotAsk(t *testing.T) {
	w := newWard(t)
	w.must(w.rdb.Do(t.Context(), "ACL", "SETUSER", "poor", "on", "nopass", "~*", "+@all", "-info", "-set").Err())
	poor := redis.NewClient(&redis.Options{Addr: w.redis.Addr, Username: "poor", Password: "x"})
	t.Cleanup(func() { _ = poor.Close() })
	w.config.RDB = poor
	w.finds(doctor.Note, doctor.Redis, "may not ask")
}

// Redis that does not answer is one finding of each area, and the examination ends.
func TestWithoutRedis(t *testing.T) {
	w := newWard(t)
	w.redis.Kill()
	for _, area := range []string{doctor.Redis, doctor.Queues, doctor.Workers} {
		w.finds(doctor.Wrong, area, "")
	}
}

// Mistakes of the settings and keys that the workers do not hold are found.
func TestSettingsAndKeysAreExamined(t *testing.T) {
	w := newWard(t)
	w.config.Mistakes = []config.Mistake{{Variable: "POLL_INTERVAL", Text: "is too short"}}
	w.config.Settings.Warnings = []string{"ECTICKET_MODES is unknown"}
	w.finds(doctor.Wrong, doctor.Settings, "POLL_INTERVAL: is too short")
	w.finds(doctor.Note, doctor.Settings, "ECTICKET_MODES")
	w.config.SealKeys = []string{"other", "k1"}
	w.finds(doctor.Wrong, doctor.SealKeys, "no worker holds")
	w.config.SealKeys = nil
	w.finds(doctor.Note, doctor.SealKeys, "not set here")
	w.config.SealKeys = []string{"k1"}
	w.must(w.rdb.Del(t.Context(), keys.SealKeys).Err())
	w.finds(doctor.Note, doctor.SealKeys, "no worker has announced")
}

// Clocks that are apart are found: ours, Redis', and the provider's.
func TestClocksAreExamined(t *testing.T) {
	w := newWard(t)
	w.sim.SetClockOff(-2 * time.Minute)
	w.config.Now = func() time.Time { return time.Now().Add(-10 * time.Second) }
	w.finds(doctor.Wrong, doctor.Clocks, "Redis' clock is 10s ahead of")
	w.config.Now = nil
	w.finds(doctor.Note, doctor.Clocks, "behind this machine's")
}

var otherTimes = regexp.MustCompile(`\dT\d|\dZ|UTC|\+00:00`)

// Every state of an account that is not ok is found, with what to do, and so is what a call from here shows.
func TestAccountsAreExamined(t *testing.T) {
	w := newWard(t)
	w.pause("")
	w.finds(doctor.Note, doctor.Accounts, "paused")
	w.finds(doctor.Note, doctor.Accounts, "was not called, because it is paused by ann: prices, since 20")
	_, err := budget.Resume(t.Context(), w.rdb, shop, "")
	w.must(err)
	w.pause(order.Bulk)
	w.finds(doctor.Note, doctor.Accounts, "bulk is paused by ann")
	w.budget.KeyMissing(t.Context())
	w.finds(doctor.Wrong, doctor.Accounts, "key_missing")
	w.sim.SetFault(func(ecticketsim.Call) ecticketsim.Fault { return ecticketsim.Fault{Kind: ecticketsim.Error5xxAfter} })
	w.finds(doctor.Wrong, doctor.Accounts, "no usable answer")
	w.sim.SetFault(func(ecticketsim.Call) ecticketsim.Fault { return ecticketsim.Fault{Kind: ecticketsim.Ban403} })
	w.finds(doctor.Wrong, doctor.Accounts, "answers our call from here with a ban")
	w.must(w.rdb.Del(t.Context(), keys.Budget(shop.String())+"ban").Err())
	w.budget.Answered(t.Context(), providers.Condition{State: providers.HealthUnreachable, Code: "http_503", RetryAfter: time.Hour})
	w.finds(doctor.Wrong, doctor.Accounts, "unreachable since")
	w.finds(doctor.Note, doctor.Accounts, "was not called, because the provider is unreachable (http_503) since 20")
	w.budget.Banned(t.Context(), "HTTP 403")
	w.finds(doctor.Wrong, doctor.Accounts, "banned since")
	w.finds(doctor.Note, doctor.Accounts, "was not called, because the provider bans it until 20")
	w.config.Zone = time.FixedZone("", 8*3600)
	for _, f := range w.examine() { // one form of time, that of the command line
		if otherTimes.MatchString(f.Text) || strings.Contains(f.Text, "since 20") && !strings.Contains(f.Text, "+08:00") {
			t.Errorf("%s", f.Text)
		}
	}
	w.must(w.rdb.HSet(t.Context(), keys.Accounts, shop.String(), `{"calls_per_second":4,"at":"2020-01-01T00:00:00Z"}`).Err())
	w.finds(doctor.Wrong, doctor.Accounts, "no_worker")
	w.must(w.rdb.Del(t.Context(), keys.Accounts).Err())
	w.finds(doctor.Wrong, doctor.Accounts, "no worker has served it")
	w.config.Clients = nil
	w.finds(doctor.Wrong, doctor.Accounts, "no worker has served an account")
}

// Ids without a task, tasks without a record, archived tasks, tasks of dead workers, queues that somebody has paused, and
// records at which no sweeper looks are found.
func TestQueuesAreExamined(t *testing.T) {
	w := newWard(t)
	ctx, name := t.Context(), "ecticket-checkout"
	key := keys.Queue(name)
	ref := order.Ref{Account: shop, OrderID: "A1"}
	id := queue.HomeOf(ref, order.Queued, order.Checkout).ID
	w.must(w.rdb.LPush(ctx, key+"pending", id).Err())
	w.finds(doctor.Wrong, doctor.Queues, "1 ids name no task")
	w.finds(doctor.Wrong, doctor.Queues, "1 tasks name no record")
	w.must(w.rdb.HSet(ctx, keys.Record(ref), "state", "queued").Err())
	w.must(w.rdb.HSet(ctx, keys.Task(name, id), "msg", "x").Err())
	beside := id + "~3" // as the sweeper makes it where a dead worker's task has the record's own id
	w.must(w.rdb.LPush(ctx, key+"pending", beside).Err())
	w.must(w.rdb.HSet(ctx, keys.Task(name, beside), "msg", "x").Err())
	for _, f := range w.examine() {
		if f.Area == doctor.Queues && f.Level != doctor.OK {
			t.Errorf("%+v", f)
		}
	}
	w.must(w.rdb.ZAdd(ctx, key+"archived", redis.Z{Score: 1, Member: id}).Err())
	w.finds(doctor.Note, doctor.Queues, "archived")
	w.must(w.rdb.ZAdd(ctx, key+"lease", redis.Z{Score: float64(time.Now().Add(-3 * time.Minute).Unix()), Member: id}).Err())
	w.finds(doctor.Wrong, doctor.Queues, "workers that have died")
	w.must(w.rdb.Set(ctx, key+"paused", 1, 0).Err())
	w.finds(doctor.Wrong, doctor.Queues, "paused by a person")
	w.must(w.rdb.HSet(ctx, keys.QueuesHeld(providers.ECTicket), name, "paused x1 "+shop.String()).Err())
	w.finds(doctor.Note, doctor.Queues, "calls of ecticket:2000132 are held")
	w.must(w.rdb.ZAdd(ctx, keys.Open(shop), redis.Z{Score: 1, Member: "A1"}).Err())
	w.finds(doctor.Wrong, doctor.Queues, "not been looked at")
	w.must(w.rdb.ZAdd(ctx, keys.Reviews(shop), redis.Z{Score: 1, Member: "A1"}).Err())
	w.finds(doctor.Note, doctor.Queues, "1 record needs review")
}

// Workers that are gone, differ in version or in seal keys are found.
func TestWorkersAreExamined(t *testing.T) {
	w := newWard(t)
	w.config.Version = "v2"
	w.finds(doctor.Note, doctor.Workers, "another version than this program")
	w.worker("w2", "v2", "k1")
	w.finds(doctor.Note, doctor.Workers, "different versions")
	w.worker("w2", "v2", "k2")
	w.finds(doctor.Wrong, doctor.Workers, "different seal keys")
	late := time.Now().Add(-announce.Every - 10*time.Second).UTC().Format(time.RFC3339) // it may have died: its settings are nobody's trouble
	w.must(w.rdb.HSet(t.Context(), keys.Workers, "w2", `{"version":"v1","seal_keys":["k2"],"at":"`+late+`"}`).Err())
	w.finds(doctor.Note, doctor.Workers, "w2: not heard of for 3")
	if found := w.examine(); slices.ContainsFunc(found, func(f doctor.Finding) bool { return strings.Contains(f.Text, "different seal keys") }) {
		t.Error(found)
	}
	w.must(w.rdb.HSet(t.Context(), keys.Workers, "w2", `{"version":"v1","at":"2020-01-01T00:00:00Z"}`).Err())
	w.finds(doctor.Note, doctor.Workers, "w2: silent since 2020")
	w.must(announce.Leave(t.Context(), w.rdb, "w1"))
	w.finds(doctor.Wrong, doctor.Workers, "no worker is running")
	w.worker("w1", "v1", "k1")
	if n := w.rdb.HLen(t.Context(), keys.Workers).Val(); n != 1 {
		t.Errorf("%d workers are remembered; one is silent for years", n)
	}
}

// Webhooks that are off, fail, lag or are served by nobody are found.
func TestWebhooksAreExamined(t *testing.T) {
	w := newWard(t)
	ctx, state := t.Context(), keys.Webhook("shop")+"state"
	seen := func(at time.Time) {
		w.must(w.rdb.HSet(ctx, keys.Webhooks, "shop", `{"host":"https://shop.example","seen":"`+at.UTC().Format(time.RFC3339)+`"}`).Err())
	}
	seen(time.Now())
	w.finds(doctor.OK, doctor.Webhooks, "shop: takes events")
	w.must(w.rdb.HSet(ctx, state, "cursor", "1000-0").Err())
	w.must(w.rdb.XAdd(ctx, &redis.XAddArgs{Stream: keys.Events, ID: "9000000-0", Values: []string{"a", "b"}}).Err())
	w.finds(doctor.Note, doctor.Webhooks, "behind the stream")
	w.must(w.rdb.HSet(ctx, state, "fails", 1, "failing_since", time.Now().UnixMilli()).Err())
	w.finds(doctor.Note, doctor.Webhooks, "the last delivery failed, it is tried again")
	w.must(w.rdb.HSet(ctx, state, "failing_since", time.Now().Add(-5*time.Minute).UnixMilli()).Err())
	w.finds(doctor.Wrong, doctor.Webhooks, "it has taken nothing since")
	w.must(w.rdb.HSet(ctx, state, "fails", 5).Err())
	w.finds(doctor.Wrong, doctor.Webhooks, "5 failures in a row")
	w.must(w.rdb.HSet(ctx, state, "off", 1000).Err())
	w.finds(doctor.Wrong, doctor.Webhooks, "switched off")
	seen(time.Now().Add(-time.Hour))
	w.finds(doctor.Wrong, doctor.Webhooks, "no front door serves it")
	w.must(w.rdb.HSet(ctx, keys.Webhooks, "", `{"seen":"`+time.Now().UTC().Format(time.RFC3339)+`"}`).Err())
	w.finds(doctor.Note, doctor.Webhooks, "shop: it is in no front door's file any more")
	for _, f := range w.examine() {
		if f.Area == doctor.Webhooks && f.Level == doctor.Wrong {
			t.Errorf("of a webhook that was taken out: %+v", f)
		}
	}
}
