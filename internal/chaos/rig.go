package chaos

import (
	"context"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/ledger"
	"issuance/internal/redisconn"
	"issuance/internal/seal"
	"issuance/internal/testredis"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/providers/pass2u/pass2usim"
	"issuance/tasks"
)

// The times of a rig. A request that is slow to arrive takes effect after its caller has given up
// (callTimeout), and before the worker may conclude that it cannot any more (settleAfter).
const (
	callTimeout = 1500 * time.Millisecond
	slowAnswer  = 2200 * time.Millisecond
	window      = 9 * time.Second // how long ECTicket takes a request after its Timestamp
	settleAfter = 11 * time.Second
	banFor      = 2 * time.Second
	jobEvery    = time.Second
)

// RigConfig sets a Rig up.
type RigConfig struct {
	Seed    uint64
	Workers int
	Binary  string // the worker's, of build
	// Doors is the number of front doors, before which the receivers of webhooks and the readers of events stand.
	// Default 0: producers reach Redis directly.
	Doors      int
	DoorBinary string
	// Answers decides what receivers of webhooks answer. Default: their own odds.
	Answers func(id string, try int) string
	Odds    Odds
	// CallsPerSecond is what ECTicket allows: it bans whoever calls more often, and the workers keep
	// within it. Default: ECTicket bans nobody, and the workers may make 1000 calls a second.
	CallsPerSecond int
	// Script decides how calls are misbehaved at before the odds do; see Weather.
	Script func(Call) (Fault, bool)
	Log    func(format string, args ...any)
	// LogDir keeps the workers' logs. Default: a directory that ends with the test.
	LogDir string
	// Place is where Redis is. Default: a redis-server of the rig's own, which Disasters can strike.
	Place *Place
	// Env are further variables of workers and front doors.
	Env []string
}

// Place is where an installation's Redis is.
type Place struct {
	Source  redisconn.Source
	Connect func() redis.UniversalClient // a client of the harness, closed with the test
	// Replaced: a master is replaced by a replica, which may be some milliseconds behind. An end that it does not have yet comes
	// again, under the same id, to those who have read it.
	Replaced bool
}

// Rig is a whole installation for one test.
type Rig struct {
	RigConfig
	Secrets  Secrets
	Redis    *testredis.Server // nil with a Place
	ECTicket *ecticketsim.Sim
	Pass2U   *pass2usim.Sim
	Weather  *Weather
	Intents  *Intents
	Workers  []*Worker
	Front    *FrontDoors // nil without front doors
	// Client is a producer's, and InSteps that of one who takes Redis for a cluster; Ledger and Ring are the
	// auditor's.
	Client, InSteps *tasks.Client
	Ledger          *ledger.Ledger
	Ring            *seal.Ring

	ecticketURL, pass2uURL string
	t                      testing.TB
}

// redisUser is whom workers and producers log in as; the harness itself needs no password.
const redisUser = "chaos"

// NewRig starts Redis and the simulators, and prepares the workers without starting them. All of
// it ends with the test.
func NewRig(t testing.TB, c RigConfig) *Rig {
	t.Helper()
	r := &Rig{RigConfig: c, t: t, Secrets: newSecrets(dice(c.Seed, "secrets"))}
	if r.Place == nil {
		r.startRedis()
	}
	r.Ledger = ledger.New(r.Place.Connect(), ledger.Options{})
	r.Intents = newIntents(r.Ledger)
	r.startSimulators()

	ring, err := seal.ParseRing(r.Secrets.SealKeys)
	if err != nil {
		t.Fatal(err)
	}
	r.Ring = ring
	where, err := redisconn.Parse(r.Place.Source)
	if err != nil {
		t.Fatal(err)
	}
	producers := where.New()
	producers.AddHook(crashHook{})
	t.Cleanup(func() { _ = producers.Close() })
	options := tasks.Options{SealKeys: r.Secrets.SealKeys, TaskTimeout: taskTimeout}
	stepwise := redis.UniversalClient(inSteps{producers})
	if slices.Contains(r.Env, waitForOne) {
		options.WaitReplicas = 1
		stepwise = producers // waiting needs to know what kind of client it is
	}
	if r.Client, err = tasks.NewClient(producers, options); err != nil {
		t.Fatal(err)
	}
	if r.InSteps, err = tasks.NewClient(stepwise, options); err != nil {
		t.Fatal(err)
	}
	dir := c.LogDir
	if dir == "" {
		dir = t.TempDir()
	}
	for i := range c.Workers {
		name := fmt.Sprintf("worker%d", i+1)
		r.Workers = append(r.Workers, &Worker{Name: name, bin: c.Binary, args: []string{"--verbose"}, env: r.environment(), log: filepath.Join(dir, name+".log")})
	}
	if c.Doors > 0 {
		r.Front = newFrontDoors(r, dir)
	}
	t.Cleanup(func() {
		for _, w := range r.processes() {
			w.kill()
			if t.Failed() {
				t.Logf("%s, the end of its log:\n%s", w.Name, tail(w.log, 1500))
			}
		}
	})
	return r
}

func (r *Rig) startSimulators() {
	r.Weather = newWeather(r.Seed, r.Odds, slowAnswer)
	r.Weather.script, r.Weather.witness = r.Script, r.Intents.witness
	r.ECTicket = ecticketsim.New(ecticketsim.Config{Accounts: []ecticketsim.Account{r.Secrets.account()}, JobEvery: jobEvery,
		Window: window, BanFor: banFor, CallsPerSecond: float64(r.CallsPerSecond), Burst: r.CallsPerSecond, Seed: r.Seed, KeepAnswers: true})
	r.ECTicket.SetFault(r.Weather.ecticket)
	r.Pass2U = pass2usim.New(pass2usim.Config{APIKey: r.Secrets.APIKey, Seed: r.Seed, BanFor: banFor, KeepAnswers: true})
	r.Pass2U.SetFault(r.Weather.pass2u)

	ctx, cancel := context.WithCancel(context.Background())
	jobs := r.ECTicket.Start(ctx)
	e, p := httptest.NewServer(r.Weather.distance(r.ECTicket)), httptest.NewServer(r.Weather.distance(r.Pass2U))
	r.ecticketURL, r.pass2uURL = e.URL, p.URL+"/api/v1/public/product"
	r.t.Cleanup(func() {
		cancel()
		<-jobs
		r.Pass2U.Close()
		e.CloseClientConnections()
		p.CloseClientConnections()
		e.Close()
		p.Close()
	})
}

// startRedis starts a redis-server of the rig's own.
func (r *Rig) startRedis() {
	r.t.Helper()
	r.Redis = testredis.StartDurable(r.t)
	if r.Redis.Kind != testredis.Real {
		r.t.Fatal("chaos: needs a redis-server that can be killed: install the package redis-server")
	}
	r.letIn(r.t.Context())
	r.Place = &Place{Source: redisconn.Source{URL: fmt.Sprintf("redis://%s:%s@%s/0", redisUser, r.Secrets.RedisPassword, r.Redis.Addr)},
		Connect: func() redis.UniversalClient { return r.Redis.Client() }}
}

// letIn makes the workers' login. A Redis that was started again has forgotten it.
func (r *Rig) letIn(ctx context.Context) {
	c := redis.NewClient(&redis.Options{Addr: r.Redis.Addr})
	defer c.Close()
	if err := c.Do(ctx, "ACL", "SETUSER", redisUser, "on", ">"+r.Secrets.RedisPassword, "~*", "&*", "+@all").Err(); err != nil && ctx.Err() == nil {
		r.t.Errorf("chaos: make the workers' login: %v", err)
	}
}

const taskTimeout = 20 * time.Second

// waitForOne has receipts and intents wait for a replica.
const waitForOne = "REDIS_WAIT_REPLICAS=1"

// idleProbe is longer than a run: when all orders have ended, a call that nobody needs is an error of the worker's.
const idleProbe = time.Hour

func (r *Rig) environment() []string {
	list := slices.Clone(r.Env)
	allowed := "1000"
	if r.CallsPerSecond > 0 {
		allowed = strconv.Itoa(r.CallsPerSecond)
	}
	for name, value := range map[string]string{
		"REDIS_URL":                 r.Place.Source.URL,
		"REDIS_CLUSTER_ADDRS":       r.Place.Source.ClusterAddrs,
		"WORKER_HTTP_ADDR":          "127.0.0.1:0",
		"LOG_FORMAT":                "json",
		"WORKER_TASK_TIMEOUT":       taskTimeout.String(),
		"WORKER_IDLE_PROBE":         idleProbe.String(),
		"WORKER_SHUTDOWN_TIMEOUT":   "25s",
		"ISSUANCE_SEAL_KEYS":        r.Secrets.SealKeys,
		"ECTICKET_BASE_URL":         r.ecticketURL,
		"ECTICKET_MERCHANT_ID":      merchantID,
		"ECTICKET_HASH_KEY":         r.Secrets.HashKey,
		"ECTICKET_HASH_IV":          r.Secrets.HashIV,
		"ECTICKET_CALLS_PER_SECOND": allowed,
		"ECTICKET_BAN":              banFor.String(),
		"ECTICKET_TIMEOUT":          callTimeout.String(),
		"ECTICKET_SETTLE_AFTER":     settleAfter.String(),
		"PASS2U_BASE_URL":           r.pass2uURL,
		"PASS2U_API_KEY":            r.Secrets.APIKey,
		"PASS2U_CALLS_PER_SECOND":   "1000",
		"PASS2U_BAN":                banFor.String(),
		"PASS2U_TIMEOUT":            callTimeout.String(),
		"PASS2U_SETTLE_AFTER":       settleAfter.String(),
		"POLL_SENTINEL":             "1s",
		"POLL_INTERVAL":             "2s",
		"POLL_EXPECTED":             "30s",
		"POLL_MAX_INTERVAL":         "5s",
	} {
		list = append(list, name+"="+value)
	}
	return list
}

// processes are the workers and the front doors.
func (r *Rig) processes() []*Worker { return slices.Concat(r.Workers, r.Front.processes()) }

// StartWorkers starts all workers and front doors and waits until they serve.
func (r *Rig) StartWorkers(ctx context.Context) error {
	for _, w := range r.processes() {
		if err := w.start(); err != nil {
			return err
		}
	}
	for _, w := range r.processes() {
		if _, err := w.ready(ctx); err != nil {
			return err
		}
	}
	return r.Front.open(ctx)
}

// StopWorkers asks all workers and front doors to end, and reports the first that does not end well.
func (r *Rig) StopWorkers(ctx context.Context) error {
	for _, w := range r.processes() {
		if err := w.stop(ctx); err != nil {
			return fmt.Errorf("%s: %w", w.Name, err)
		}
	}
	return nil
}
