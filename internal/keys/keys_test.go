package keys

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

var (
	shop     = providers.Account{Provider: providers.ECTicket, Merchant: "2000132"}
	longer   = providers.Account{Provider: providers.ECTicket, Merchant: "20001321"}
	nameless = providers.Account{Provider: providers.ECTicket}
	a1       = order.Ref{Account: shop, OrderID: "A1"}
)

var refs = []order.Ref{a1, a1.Refund("R1"), {Account: longer, OrderID: "a-b_c.1"}, {Account: longer, OrderID: "a-b_c.1", RefundID: "R.-_1"},
	{Account: shop, OrderID: "order"}, {Account: shop, OrderID: "order", RefundID: "details"}, {Account: shop, OrderID: "refund", RefundID: "order"}}

// No other package builds a key: the product's prefix stands in no other Go or Lua file but tests.
func TestNoOtherPackageBuildsAKey(t *testing.T) {
	root, err := filepath.Abs("../..")
	must(t, err)
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatal(err)
	}
	looked := 0
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		switch {
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && rel != "." || rel == filepath.Join("internal", "keys")):
			return fs.SkipDir
		case d.IsDir() || strings.HasSuffix(path, "_test.go") || filepath.Ext(path) != ".go" && filepath.Ext(path) != ".lua":
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		looked++
		for i, line := range strings.Split(string(text), "\n") {
			if strings.Contains(line, `"`+Prefix) || strings.Contains(line, "`"+Prefix) || strings.Contains(line, "'"+Prefix) {
				t.Errorf("%s:%d builds a key: %s", rel, i+1, strings.TrimSpace(line))
			}
		}
		return nil
	})
	must(t, err)
	if looked < 50 {
		t.Errorf("only %d files were looked at", looked)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// All keys of one order are in one slot, whatever its refunds, and so are those of a poller and of an allowance.
func TestKeysOfAnOrderShareASlot(t *testing.T) {
	slot := testredis.Slot
	for _, r := range refs {
		want := slot(Record(r.Order()))
		for _, key := range []string{Record(r), Details(r), Refunds(r), Turn(r), Tickets(r), Record(r.Refund("x")), Details(r.Refund("x"))} {
			if slot(key) != want {
				t.Errorf("%s is in slot %d, the order in %d", key, slot(key), want)
			}
		}
	}
	for _, key := range []string{Looks(shop), Notice(shop, "f.1")} {
		if slot(key) != slot(Notices(shop)) {
			t.Errorf("%s is in another slot than the notices", key)
		}
	}
	for _, prefix := range []string{Pending(shop), Budget("platform-1"), Queue("ecticket-bulk")} {
		if slot(prefix+"a") != slot(prefix+"b") {
			t.Errorf("keys of %s are in different slots", prefix)
		}
	}
}

// No two things share a key.
func TestNoKeyIsUsedTwice(t *testing.T) {
	seen := map[string]bool{}
	all := []string{Events, Decisions, Cursors, Mode, Sandbox, Accounts, SealKeys, Terms, FactsNews, QueuesHeld(providers.ECTicket), QueuesHeld(providers.Pass2U)}
	for _, a := range []providers.Account{shop, longer, nameless, {Provider: providers.Pass2U, Merchant: "2000132"}} {
		all = append(all, Open(a), Reviews(a), Paused(a.String(), a), Pending(a), Lag(a), Absent(a), Facts(a), Budget(a.String()), Items(a), Notices(a), Looks(a), Notice(a, "looks"))
	}
	for _, r := range refs {
		all = append(all, Record(r), Details(r))
		if r.IsRefund() {
			all = append(all, Turn(r), Refunds(r), Tickets(r))
		}
	}
	for _, key := range all {
		if seen[key] {
			t.Errorf("%s is used twice", key)
		}
		seen[key] = true
		if !strings.HasPrefix(key, Prefix) {
			t.Errorf("%s is without prefix", key)
		}
	}
}

// The names in the sets of an account are read back as they were written, and others are passed over.
func TestMembersAreReadBack(t *testing.T) {
	for _, r := range refs {
		if got, ok := ParseMember(r.Account, Member(r)); !ok || got != r {
			t.Errorf("%q is read as %+v, %t", Member(r), got, ok)
		}
	}
	for _, m := range []string{"", ":", "A1:", ":R1", "A1:R1:", "A1:R1:x", "A1::R1"} {
		if got, ok := ParseMember(shop, m); ok {
			t.Errorf("%q is read as %+v", m, got)
		}
	}
}

// Records are found by their keys, of their own account only, and no other key is one.
func TestRecordsAreFoundByTheirKeys(t *testing.T) {
	for _, r := range refs {
		key := Record(r)
		if got, ok := ParseRecord(r.Account, key); !ok || got != r {
			t.Errorf("%s is read as %+v, %t", key, got, ok)
		}
		for _, a := range []providers.Account{shop, longer, nameless, {Provider: providers.Pass2U, Merchant: "2000132"}} {
			if got, ok := ParseRecord(a, key); ok != (a == r.Account) {
				t.Errorf("%s is taken for a record of %s: %+v", key, a, got)
			}
		}
		for _, key := range []string{Details(r), Refunds(r), Turn(r), Tickets(r), Notices(r.Account), Looks(r.Account), Notice(r.Account, "order"), Open(r.Account), Reviews(r.Account), Pending(r.Account) + "x", Prefix + "{" + r.Account.String() + ":}:order",
			Prefix + "{" + r.Account.String() + ":A1}:refund:", Prefix + "{" + r.Account.String() + ":A1", Prefix + "{" + r.Account.String() + ":A1}:orders", ""} {
			if got, ok := ParseRecord(r.Account, key); ok {
				t.Errorf("%s is taken for the record %+v", key, got)
			}
		}
	}
}

// A scan by the pattern finds an account's records and not those of one whose name begins alike.
func TestThePatternFindsAnAccountsRecords(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		rdb := s.Client()
		for _, r := range refs {
			must(t, rdb.Set(t.Context(), Record(r), "", 0).Err())
		}
		must(t, rdb.Set(t.Context(), Open(shop), "", 0).Err())
		found, err := rdb.Keys(t.Context(), RecordPattern(shop)).Result()
		must(t, err)
		var want []string
		for _, r := range refs {
			if r.Account == shop {
				want = append(want, Record(r))
			}
		}
		slices.Sort(found)
		slices.Sort(want)
		if !slices.Equal(found, want) {
			t.Errorf("found %v, want %v", found, want)
		}
	})
}

// asynq's keys are what asynq writes: lists and sets of a queue under its prefix, and a hash with a state per
// task.
func TestAsynqsKeysAreWhatAsynqWrites(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		rdb := s.Client()
		ctx := t.Context()
		client, inspector := asynq.NewClientFromRedisClient(rdb), asynq.NewInspectorFromRedisClient(rdb)
		const queue = "ecticket-bulk"
		enqueue := func(id string, opts ...asynq.Option) {
			t.Helper()
			_, err := client.Enqueue(asynq.NewTask("x", nil), append(opts, asynq.Queue(queue), asynq.TaskID(id), asynq.Retention(time.Hour), asynq.MaxRetry(9))...)
			must(t, err)
		}
		started, release := make(chan string, 2), make(chan struct{})
		enqueue("retries")
		enqueue("runs")
		enqueue("waits", asynq.ProcessIn(time.Hour))
		enqueue("ends", asynq.ProcessIn(time.Hour))
		must(t, inspector.ArchiveTask(queue, "ends"))
		srv := asynq.NewServerFromRedisClient(rdb, asynq.Config{Queues: map[string]int{queue: 1}, Concurrency: 2, LogLevel: asynq.FatalLevel, ShutdownTimeout: time.Second,
			TaskCheckInterval: 10 * time.Millisecond})
		must(t, srv.Start(asynq.HandlerFunc(func(ctx context.Context, _ *asynq.Task) error {
			id, _ := asynq.GetTaskID(ctx)
			if id == "retries" {
				return context.DeadlineExceeded
			}
			started <- id
			<-release
			return nil
		})))
		stop := func() { srv.Shutdown() }
		t.Cleanup(stop)
		<-started
		holds := func(kind, id, state string) {
			t.Helper()
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			in := func() bool { return rdb.ZScore(ctx, Queue(queue)+kind, id).Err() == nil }
			if kind == "active" || kind == "pending" {
				in = func() bool { return rdb.LPos(ctx, Queue(queue)+kind, id, redis.LPosArgs{}).Err() == nil }
			}
			for giveUp := time.Now().Add(10 * time.Second); ; <-tick.C {
				if in() && rdb.HGet(ctx, Task(queue, id), "state").Val() == state {
					return
				}
				if time.Now().After(giveUp) {
					t.Fatalf("%s is not in %s with state %s; there are %v", id, Queue(queue)+kind, state, rdb.Keys(ctx, "asynq:*").Val())
				}
			}
		}
		holds("retry", "retries", "retry")
		holds("active", "runs", "active")
		holds("lease", "runs", "active")
		holds("scheduled", "waits", "scheduled")
		holds("archived", "ends", "archived")
		close(release)
		holds("completed", "runs", "completed")
		stop()
		enqueue("next")
		holds("pending", "next", "pending")
		must(t, inspector.PauseQueue(queue))
		if rdb.Exists(ctx, Queue(queue)+"paused").Val() != 1 {
			t.Error("a paused queue has no such key")
		}
	})
}
