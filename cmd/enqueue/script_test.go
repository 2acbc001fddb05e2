package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/rogpeppe/go-internal/testscript"

	"issuance/internal/announce"
	"issuance/internal/budget"
	"issuance/internal/keys"
	"issuance/internal/redisconn"
	"issuance/internal/sandboxfile"
	"issuance/internal/seal"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/providers/ecticket"
	"issuance/providers/ecticket/ecticketsim"
	"issuance/providers/ecticket/wire"
	"issuance/tasks/order"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"enqueue": main})
}

// Every file of testdata shows what a user types and sees, with a Redis and an ECTicket simulator
// of its own. The commands of the scripts are the methods of world.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			testscript.Run(t, testscript.Params{
				Files: []string{file},
				Setup: w.setup,
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"exits":     w.exits,
					"narrow":    w.narrow,
					"redis":     w.redisCommand,
					"sandbox":   w.sandbox,
					"work":      w.work,
					"serve":     w.serve,
					"ban":       w.ban,
					"calls":     w.calls,
					"ticket-of": w.ticketOf,
					"subst":     w.subst,
					"webhook":   w.webhook,
					"tickets":   w.tickets,
					"events":    w.events,
				},
				RequireExplicitExec: true,
				RequireUniqueNames:  true,
				UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "", // writes what came out into the scripts
			})
		})
	}
}

// world is what surrounds one script.
type world struct {
	redis  *testredis.Server
	rdb    *redis.Client
	worker *worker
	server *asynq.Server // see serve
	sim    *ecticketsim.Sim
	simURL string
	hook   hook
	ago    atomic.Int64 // how far back the simulator's clock is set, in hours
}

func (w *world) now() time.Time { return time.Now().Add(-time.Duration(w.ago.Load()) * time.Hour) }

func newWorld(t *testing.T) *world {
	w := &world{redis: testredis.Start(t)}
	w.sim = ecticketsim.New(ecticketsim.Config{Now: w.now})
	w.rdb = w.redis.Client()
	w.worker = newWorker(w.rdb)
	server := httptest.NewServer(w.sim)
	t.Cleanup(server.Close)
	w.simURL = server.URL
	return w
}

// sealKey is production's in these scripts, as ISSUANCE_SEAL_KEYS takes it.
const sealKey = "c2NyaXB0cyBvbmx5OiAzMiBieXRlcyBmb3IgdGVzdHM="

// setup gives the script a home of its own, the zone of Taiwan, and no settings.
func (w *world) setup(env *testscript.Env) error {
	env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, "cache"))
	env.Setenv("TZ", "Asia/Taipei")
	env.Setenv("USER", "angela")
	env.Setenv("GORACE", "atexit_sleep_ms=0") // with -race, every process would take a second to end
	env.Setenv("REDIS", w.redis.URL())
	env.Setenv("REDIS_ADDR", w.redis.Addr)
	env.Setenv("SIM", w.simURL)
	env.Setenv("SEAL", sealKey)
	return nil
}

// exits N args… runs `enqueue args…` and wants exit code N.
func (w *world) exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: exits N args…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if onlyReads(args[1:]) {
		fitsNarrowTerminal(ts, args[1:])
	}
	got := 0
	if err := ts.Exec("enqueue", args[1:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("enqueue: %v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// redis kill|mark|durable|production|worker NAME|announce ACCOUNT [CALLS/S]|ban ACCOUNT|size N|kept ORDER DETAILS RECORD|decisions drives and looks at the
// script's Redis. production is mark and the announcements of one account for each provider.
func (w *world) redisCommand(ts *testscript.TestScript, _ bool, args []string) {
	ctx := context.Background()
	switch args[0] {
	case "kill":
		w.redis.Kill()
	case "mark", "production":
		ts.Check(redisconn.Mark(ctx, w.rdb, redisconn.Production))
		if args[0] == "production" {
			w.redisCommand(ts, false, []string{"announce", "ecticket:2000132"})
			w.redisCommand(ts, false, []string{"announce", "pass2u:main"})
		}
	case "decisions": // prints them, but for their times
		entries, err := w.rdb.XRange(ctx, keys.Decisions, "-", "+").Result()
		ts.Check(err)
		for _, e := range entries {
			v := e.Values
			ts.Stdout().Write(fmt.Appendf(nil, "%s|%s|%s|%s|%s|%s\n", v["what"], v["account"], v["order_id"], v["refund_id"], v["who"], v["reason"]))
		}
	case "announce", "ban", "outage": // an account, as a worker would
		account, err := providers.ParseAccount(args[1])
		ts.Check(err)
		cfg := budget.Config{Account: account, PerSecond: 4}
		if len(args) > 2 {
			rate, err := strconv.ParseFloat(args[2], 64)
			ts.Check(err)
			cfg.PerSecond = rate
		}
		if len(args) > 3 {
			cfg.Allowance = args[3]
		}
		b, err := budget.New(w.rdb, cfg)
		ts.Check(err)
		if args[0] == "ban" {
			b.Banned(ctx, "HTTP 403")
			return
		}
		if args[0] == "outage" {
			b.Answered(ctx, providers.Condition{State: providers.HealthUnreachable, Code: "timeout", Took: 20 * time.Second})
			return
		}
		ts.Check(b.Announce(ctx))
	case "kept": // how long a settled order's details and record are kept
		account, id, _ := strings.Cut(args[1], "/")
		a, err := providers.ParseAccount(account)
		ts.Check(err)
		ref := order.Ref{Account: a, OrderID: id}
		for i, key := range []string{keys.Details(ref), keys.Record(ref)} {
			want, err := time.ParseDuration(args[2+i])
			ts.Check(err)
			if left, err := w.rdb.TTL(ctx, key).Result(); err != nil || left > want || left < want-time.Hour {
				ts.Fatalf("%s is kept for %s, want %s (%v)", key, left, want, err)
			}
		}
	case "durable": // as production's should be
		for name, value := range map[string]string{"appendonly": "yes", "appendfsync": "always"} {
			ts.Check(w.rdb.ConfigSet(ctx, name, value).Err())
		}
	case "worker": // a running one
		ts.Check(announce.AnnounceWorker(ctx, w.rdb, announce.Worker{Name: args[1], Version: "v1", Accounts: []string{"ecticket:2000132"}}))
	case "withdraw": // an account that was removed
		account, err := providers.ParseAccount(args[1])
		ts.Check(err)
		ts.Check(budget.Withdraw(ctx, w.rdb, account))
	case "killed": // a worker that was heard of for the last time half a minute ago
		at := time.Now().Add(-30 * time.Second).UTC().Format(time.RFC3339)
		ts.Check(w.rdb.HSet(ctx, keys.Workers, args[1], `{"version":"v1","accounts":["ecticket:2000132"],"at":"`+at+`"}`).Err())
	case "size": // the number of keys
		n, err := w.rdb.DBSize(ctx).Result()
		ts.Check(err)
		if fmt.Sprint(n) != args[1] {
			ts.Fatalf("Redis holds %d keys, want %s", n, args[1])
		}
	default:
		ts.Fatalf("redis: unknown %q", args[0])
	}
}

// sandbox [hidden] makes the script's Redis a sandbox's, as its worker would, and leaves its
// address in the user's cache folder unless it is hidden. "sandbox file URL [NAME]" only leaves an address.
func (w *world) sandbox(ts *testscript.TestScript, _ bool, args []string) {
	url, name := w.redis.URL(), "own"
	if len(args) >= 2 && args[0] == "file" {
		url = args[1]
		if len(args) > 2 {
			name = args[2]
		}
	} else {
		ctx := context.Background()
		ts.Check(redisconn.Mark(ctx, w.rdb, redisconn.Sandbox))
		account := ecticketsim.DefaultAccounts()[0]
		ts.Check(w.rdb.HSet(ctx, keys.Sandbox, map[string]string{
			"ECTICKET_BASE_URL": w.simURL, "ECTICKET_MERCHANT_ID": account.MerchantID, "ECTICKET_HASH_KEY": account.HashKey,
			"ECTICKET_HASH_IV": account.HashIV, "ECTICKET_CALLS_PER_SECOND": "100", "ISSUANCE_SEAL_KEYS": seal.SandboxKey(),
			"SANDBOX_ID": "x", "PATH": "/nowhere",
		}).Err())
	}
	if len(args) == 1 && args[0] == "hidden" {
		return
	}
	host, err := os.Hostname()
	ts.Check(err)
	raw, err := json.Marshal(sandboxfile.Info{RedisURL: url, PID: 4711, Host: host, Started: time.Now()})
	ts.Check(err)
	dir := filepath.Join(ts.Getenv("XDG_CACHE_HOME"), "issuance")
	ts.Check(os.MkdirAll(dir, 0o700))
	ts.Check(os.WriteFile(filepath.Join(dir, "sandbox-"+name+".json"), raw, 0o600))
}

// ban ACCOUNT reports a ban to the call budget.
func (w *world) ban(ts *testscript.TestScript, _ bool, args []string) {
	account, err := providers.ParseAccount(args[0])
	ts.Check(err)
	b, err := budget.New(w.rdb, budget.Config{Account: account, PerSecond: 4})
	ts.Check(err)
	b.Banned(context.Background(), "HTTP 403")
}

// calls N wants the simulator to have been called N times.
func (w *world) calls(ts *testscript.TestScript, _ bool, args []string) {
	n := 0
	for _, calls := range w.sim.Books().Calls {
		n += calls
	}
	if fmt.Sprint(n) != args[0] {
		ts.Fatalf("ECTicket was called %d times, want %s", n, args[0])
	}
}

// ticketOf STATUS sets $TICKETNO to a ticket of that use status, and $WRITEOFFNO to its redemption
// code; "serial" is one of a serial-number order.
func (w *world) ticketOf(ts *testscript.TestScript, _ bool, args []string) {
	number := "T" + args[0]
	doc := map[string]any{"MerchantTradeNo": number, "IssueType": "2", "PrintType": "2", "Operator": "A",
		"TicketInfo": []map[string]any{{"ItemNo": "VQT04959", "TicketAmount": 1}}}
	switch args[0] {
	case "serial":
		doc = map[string]any{"MerchantTradeNo": number, "IssueType": "4", "Operator": "A",
			"TicketInfo": []map[string]any{{"ItemName": "SPA課程體驗券", "TicketPrice": 3200, "TicketAmount": 1}}}
	case "invalid": // a gift voucher issued two days ago that expired on that day
		w.ago.Store(48)
		defer w.ago.Store(0)
		doc = map[string]any{"FreeTradeNo": number, "IssueType": "2", "PrintType": "2", "Operator": "A",
			"TicketInfo": []map[string]any{{"ItemNo": "GFT00001", "TicketAmount": 1, "ExpireDate": w.now().In(providers.Taiwan).Format("20060102")}}}
	}
	raw, err := json.Marshal(doc)
	ts.Check(err)
	account := ecticketsim.DefaultAccounts()[0]
	client, err := ecticket.New(ecticket.Config{BaseURL: w.simURL, MerchantID: account.MerchantID,
		Keys: wire.Keys{HashKey: account.HashKey, HashIV: account.HashIV}, Now: w.now})
	ts.Check(err)
	defer client.Close()
	ctx := context.Background()
	if out := client.Issue(ctx, providers.Order{ID: number, Request: raw}); out.Kind != providers.Accepted && out.Kind != providers.Done {
		ts.Fatalf("issue: %v", out)
	}
	w.sim.RunJob()
	order, _ := w.sim.Books().Order(number)
	if len(order.Tickets) != 1 {
		ts.Fatalf("the order has %d tickets", len(order.Tickets))
	}
	ticket := order.Tickets[0].TicketNo
	switch args[0] {
	case "redeemed":
		ts.Check(w.sim.Redeem(ticket, "TP1001"))
	case "refunded":
		ts.Check(w.sim.RefundInOffice(ticket))
	}
	code, _ := w.sim.WriteOffNo(ticket)
	ts.Setenv("TICKETNO", ticket)
	ts.Setenv("WRITEOFFNO", code)
}

// subst FILE replaces $VARIABLES in a file of the script.
func (w *world) subst(ts *testscript.TestScript, _ bool, args []string) {
	text := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}
