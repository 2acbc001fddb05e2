package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"issuance/internal/budget"
	"issuance/internal/redisconn"
	"issuance/internal/testredis"
)

// measured is what a worker of so many accounts takes: until it serves, of memory (heap and stacks in use), and of
// goroutines.
type measured struct {
	started    time.Duration
	memory     uint64
	goroutines int
}

func inUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what finalizers have freed
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

func measure(t *testing.T, accounts int) measured {
	t.Helper()
	s := testredis.Start(t)
	text := "x-platform: &platform {provider: ecticket, hash_key: 0123456789abcdef, hash_iv: 0123456789abcdef, base_url: \"http://127.0.0.1:1\"}\naccounts:\n"
	for i := range accounts {
		text += fmt.Sprintf("- {<<: *platform, account: M%d}\n", i)
	}
	path := filepath.Join(t.TempDir(), "accounts.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	env := production(s.URL())
	for _, name := range []string{"ECTICKET_MERCHANT_ID", "ECTICKET_HASH_KEY", "ECTICKET_HASH_IV"} {
		delete(env, name)
	}
	env["ISSUANCE_ACCOUNTS_FILE"] = path
	before, goroutines := inUse(), runtime.NumGoroutine()
	began := time.Now()
	settings, err := check(flags{}, env)
	if err != nil {
		t.Fatal(err)
	}
	w, err := build(t.Context(), settings, redisconn.Production, slog.New(slog.NewTextHandler(io.Discard, nil)), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.stop()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.start(l); err != nil {
		t.Fatal(err)
	}
	m := measured{started: time.Since(began)}
	states, err := budget.States(t.Context(), s.Client())
	if err != nil || len(states) != accounts+1 { // and Pass2U's
		t.Errorf("%d accounts are announced, %v", len(states), err)
	}
	if n := len(w.conditions(t.Context())); n != accounts+1 {
		t.Errorf("%d accounts have a health", n)
	}
	// What every loop does once must not add up with the number of accounts.
	if err := w.followOnce(t.Context()); err != nil {
		t.Error(err)
	}
	if err := w.announce(t.Context()); err != nil {
		t.Error(err)
	}
	m.memory, m.goroutines = inUse()-before, runtime.NumGoroutine()-goroutines
	return m
}

// A thousand accounts start in a few seconds, and none of them costs a goroutine or much memory.
func TestAThousandAccountsCostLittle(t *testing.T) {
	one, thousand := measure(t, 1), measure(t, 1000)
	t.Logf("1 account: started in %s, %d KiB, %d goroutines", one.started.Round(time.Millisecond), one.memory>>10, one.goroutines)
	t.Logf("1000 accounts: started in %s, %d KiB, %d goroutines", thousand.started.Round(time.Millisecond), thousand.memory>>10, thousand.goroutines)
	if thousand.started > 5*time.Second {
		t.Errorf("1000 accounts start in %s", thousand.started)
	}
	if more := int64(thousand.memory) - int64(one.memory); more > 64<<20 {
		t.Errorf("1000 accounts take %d MiB more than one", more>>20)
	}
	if more := thousand.goroutines - one.goroutines; more > 50 {
		t.Errorf("1000 accounts have %d goroutines more than one", more)
	}
}
