package metrics_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"issuance/internal/budget"
	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/internal/metrics"
	"issuance/internal/queue"
	"issuance/internal/testredis"
	"issuance/providers"
	_ "issuance/providers/codecs"
	"issuance/tasks/order"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var shop = providers.Account{Provider: providers.ECTicket, Merchant: "2000132"}

// gathered are the values of a scrape by "name{label=value,…}"; of histograms, the number and the sum.
func gathered(t *testing.T, all ...prometheus.Collector) map[string]float64 {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(all...)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			var labels []string
			for _, l := range m.Label {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			name := f.GetName() + "{" + strings.Join(labels, ",") + "}"
			if h := m.Histogram; h != nil {
				out[name+" count"], out[name+" sum"] = float64(h.GetSampleCount()), h.GetSampleSum()
				continue
			}
			out[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return out
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func announced(t *testing.T, c redis.UniversalClient) *budget.Budget {
	t.Helper()
	b, err := budget.New(c, budget.Config{Account: shop, Default: true, PerSecond: 4})
	must(t, err)
	must(t, b.Announce(t.Context()))
	return b
}

func some(queues ...string) func() []string { return func() []string { return queues } }

// A Redis that hangs is reported within two seconds, with what does not need it; a second scrape meanwhile is no worse, and
// all is there again afterwards.
func TestAScrapeEndsWhenRedisHangs(t *testing.T) {
	s := testredis.Start(t)
	c := s.Client()
	announced(t, c)
	shared, own := metrics.NewShared(c, some("ecticket-checkout")), metrics.NewProcess()
	own.Banned(shop)
	s.Freeze()
	for range 2 {
		began := time.Now()
		got := gathered(t, shared, own)
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("it took %s", took)
		}
		if up, ok := got["issuance_redis_up{}"]; !ok || up != 0 || got["issuance_bans_total{account=ecticket:2000132}"] != 1 {
			t.Errorf("%v", got)
		}
		for _, part := range []string{"redis", "accounts", "records", "queues"} {
			if v, ok := got["issuance_scrape_complete{part="+part+"}"]; !ok || v != 0 {
				t.Errorf("%s: %v %t", part, v, ok)
			}
		}
	}
	s.Thaw()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) { // what waited ends first
		got := gathered(t, shared)
		if got["issuance_redis_up{}"] == 1 && got["issuance_account_health{account=ecticket:2000132,state=ok}"] == 1 && got["issuance_redis_writable{}"] == 1 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%v", got)
		}
	}
}

// A queue and an account that cannot be read take nothing else away.
func TestABrokenQueueTakesNothingElseDown(t *testing.T) {
	s := testredis.Start(t)
	c := s.Client()
	announced(t, c)
	must(t, c.SAdd(t.Context(), keys.Queues, "ecticket-checkout", "ecticket-bulk").Err())
	must(t, c.Set(t.Context(), keys.Queue("ecticket-bulk")+"pending", "no list", 0).Err())
	got := gathered(t, metrics.NewShared(c, some("ecticket-bulk", "ecticket-checkout")))
	if _, ok := got["issuance_queue_paused{queue=ecticket-checkout}"]; !ok {
		t.Error("the other queue is not shown")
	}
	if _, ok := got["issuance_queue_paused{queue=ecticket-bulk}"]; ok {
		t.Error("the broken queue is shown")
	}
	for name, want := range map[string]float64{"issuance_scrape_complete{part=queues}": 0, "issuance_scrape_complete{part=accounts}": 1,
		"issuance_redis_up{}": 1, "issuance_account_health{account=ecticket:2000132,state=ok}": 1, "issuance_ledger_open{account=ecticket:2000132}": 0} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v, want %v", name, v, want)
		}
	}
}

// Redis that takes no writes is up and not writable.
func TestNoWrites(t *testing.T) {
	s := testredis.Start(t)
	if s.Kind != testredis.Real {
		t.Skip("miniredis takes every write")
	}
	must(t, s.Client().ConfigSet(t.Context(), "maxmemory", "1").Err())
	got := gathered(t, metrics.NewShared(s.Client(), nil))
	if v, ok := got["issuance_redis_writable{}"]; !ok || v != 0 || got["issuance_redis_up{}"] != 1 {
		t.Errorf("%v", got)
	}
}

// Records are counted by what they wait for: the oldest of each lane, wherever its task is, and reviews by code, those of a
// provider's own codes together.
func TestRecordsAreCounted(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		c := s.Client()
		announced(t, c)
		now, err := c.Time(t.Context()).Result()
		must(t, err)
		record := func(id string, lane order.Lane, age time.Duration, state order.State, code string) order.Ref {
			r := order.Ref{Account: shop, OrderID: id}
			must(t, c.HSet(t.Context(), keys.Record(r), "state", string(state), "lane", string(lane), "created", now.Add(-age).UnixMilli(), "code", code).Err())
			return r
		}
		task := func(r order.Ref, lane order.Lane) string { return queue.HomeOf(r, order.Queued, lane).ID }
		checkout, bulk := keys.Queue("ecticket-checkout"), keys.Queue("ecticket-bulk")
		old := record("A1", order.Checkout, time.Hour, order.Queued, "")
		must(t, c.ZAdd(t.Context(), checkout+"retry", redis.Z{Score: 1, Member: task(old, order.Checkout)}).Err())
		must(t, c.LPush(t.Context(), checkout+"pending", task(record("A2", order.Checkout, time.Minute, order.Submitting, ""), order.Checkout)).Err())
		must(t, c.LPush(t.Context(), bulk+"pending", task(record("B1", order.Bulk, 2*time.Minute, order.Issued, ""), order.Bulk), "unknown:task").Err())
		must(t, c.ZAdd(t.Context(), keys.Pending(shop)+"waiting", redis.Z{Score: float64(now.Add(-5 * time.Minute).UnixMilli()), Member: "P1"}).Err())
		for i, code := range []order.Code{order.CodeOverdue, order.CodeOverdue, order.CodeInDoubt, "10200047", "E1"} {
			r := record("R"+string(rune('0'+i)), order.Checkout, time.Hour, order.Review, string(code))
			must(t, c.ZAdd(t.Context(), keys.Reviews(shop), redis.Z{Score: 1, Member: keys.Member(r)}).Err())
		}
		shared := metrics.NewShared(c, nil)
		about := func(name string, least float64) {
			t.Helper()
			if v := gathered(t, shared)[name]; v < least || v > least+30 {
				t.Errorf("%s is %v, want %v", name, v, least)
			}
		}
		about("issuance_oldest_waiting_seconds{account=ecticket:2000132,lane=checkout}", 3600)
		about("issuance_oldest_waiting_seconds{account=ecticket:2000132,lane=poll}", 300)
		about("issuance_oldest_waiting_seconds{account=ecticket:2000132,lane=bulk}", 0)
		must(t, c.Del(t.Context(), checkout+"retry").Err())
		about("issuance_oldest_waiting_seconds{account=ecticket:2000132,lane=checkout}", 3600) // it is remembered without its task
		must(t, c.HSet(t.Context(), keys.Record(old), "state", string(order.Issued)).Err())
		about("issuance_oldest_waiting_seconds{account=ecticket:2000132,lane=checkout}", 60)
		got := gathered(t, shared)
		for name, want := range map[string]float64{"issuance_ledger_review{account=ecticket:2000132}": 5, "issuance_ledger_pending{account=ecticket:2000132}": 1,
			"issuance_ledger_review_codes{account=ecticket:2000132,code=overdue}": 2, "issuance_ledger_review_codes{account=ecticket:2000132,code=in_doubt}": 1,
			"issuance_ledger_review_codes{account=ecticket:2000132,code=other}": 2} {
			if got[name] != want {
				t.Errorf("%s is %v, want %v", name, got[name], want)
			}
		}
	})
}

// The lags of an order are measured from what is known: the last moment it was pending, else its acceptance; an order issued
// at once has none. What a person decides is no lag, and neither is a refund's.
func TestLags(t *testing.T) {
	at := time.Unix(1e9, 0)
	ended := func(change func(*ledger.Change)) map[string]float64 {
		p := metrics.NewProcess()
		c := ledger.Change{Ref: order.Ref{Account: shop, OrderID: "A1"}, Event: "issued", State: order.Issued, FinalAt: at.Add(100 * time.Second),
			AcceptedAt: at, PendingAt: at.Add(92 * time.Second), Lane: order.Checkout, Trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
		change(&c)
		p.Changed(c)
		return gathered(t, p)
	}
	final, recorded := "issuance_accepted_final_seconds{account=ecticket:2000132,lane=", "issuance_issued_recorded_seconds{account=ecticket:2000132,lane="
	for _, c := range []struct {
		name   string
		change func(*ledger.Change)
		lane   string
		want   [4]float64 // of both, number and sum
	}{
		{"polled", func(*ledger.Change) {}, "checkout", [4]float64{1, 100, 1, 8}},
		{"bulk, never found pending", func(c *ledger.Change) { c.Lane, c.PendingAt = order.Bulk, time.Time{} }, "bulk", [4]float64{1, 100, 1, 100}},
		{"at once", func(c *ledger.Change) { c.AcceptedAt, c.PendingAt = time.Time{}, time.Time{} }, "checkout", [4]float64{0, 0, 1, 0}},
		{"failed", func(c *ledger.Change) { c.Event, c.State = "failed", order.Failed }, "checkout", [4]float64{1, 100, 0, 0}},
		{"resolved", func(c *ledger.Change) { c.FinalAt = time.Time{} }, "checkout", [4]float64{}},
		{"a refund", func(c *ledger.Change) { c.RefundID, c.Event, c.State = "R1", "refunded", order.Refunded }, "checkout", [4]float64{}},
	} {
		got := ended(c.change)
		have := [4]float64{got[final+c.lane+"} count"], got[final+c.lane+"} sum"], got[recorded+c.lane+"} count"], got[recorded+c.lane+"} sum"]}
		if have != c.want {
			t.Errorf("%s: %v, want %v", c.name, have, c.want)
		}
	}
}

// A lag has the order's trace as its exemplar.
func TestALagHasAnExemplar(t *testing.T) {
	p := metrics.NewProcess()
	p.Changed(ledger.Change{Ref: order.Ref{Account: shop, OrderID: "A1"}, Event: "issued", State: order.Issued, FinalAt: time.Unix(1e9, 0),
		Trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(p)
	families, err := r.Gather()
	must(t, err)
	var traces []string
	for _, f := range families {
		for _, m := range f.Metric {
			for _, b := range m.GetHistogram().GetBucket() {
				if e := b.GetExemplar(); e != nil {
					traces = append(traces, label(e.Label, "trace_id"))
				}
			}
		}
	}
	if !slices.Equal(traces, []string{"0af7651916cd43dd8448eb211c80319c"}) {
		t.Errorf("%v", traces)
	}
}

func label(list []*dto.LabelPair, name string) string {
	for _, l := range list {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

// Calls are counted by their end, and waits for the budget by lane; a call that was held is no wait.
func TestCallsAreCounted(t *testing.T) {
	p := metrics.NewProcess()
	p.Called(shop, providers.Call{Name: "Issue", Kind: providers.Accepted, Took: 2 * time.Second})
	p.Passed(shop, order.Checkout, time.Second, nil)
	p.Passed(shop, order.Bulk, time.Second, &providers.HeldError{})
	p.Verified(shop, "any")
	p.Banned(shop)
	got := gathered(t, p)
	for name, want := range map[string]float64{
		"issuance_provider_call_seconds{account=ecticket:2000132,call=Issue,outcome=accepted} sum": 2,
		"issuance_call_wait_seconds{account=ecticket:2000132,lane=checkout} sum":                   1,
		"issuance_calls_held_total{account=ecticket:2000132,lane=bulk}":                            1,
		"issuance_answers_verified_total{account=ecticket:2000132,variant=any}":                    1,
		"issuance_bans_total{account=ecticket:2000132}":                                            1,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	if n := testutil.CollectAndCount(p, "issuance_call_wait_seconds"); n != 1 {
		t.Errorf("%d lanes waited", n)
	}
}
