package chaos

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"

	"issuance/internal/redisconn"
)

var binDir string

// builtWorker is the product's worker, built once for all tests.
var builtWorker = sync.OnceValues(func() (string, error) { return buildWorker(binDir, "") })

func theWorker(t *testing.T) string {
	t.Helper()
	return must(t, builtWorker)
}

func must(t *testing.T, build func() (string, error)) string {
	t.Helper()
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

func TestMain(m *testing.M) {
	flag.Parse()
	// These tests wait for timers and processes; the processor is not what they need.
	if err := flag.Set("test.parallel", "8"); err != nil {
		fail(err)
	}
	redisconn.LogTo(slog.New(slog.DiscardHandler)) // Redis is away often enough
	dir, err := os.MkdirTemp("", "chaos")
	if err != nil {
		fail(err)
	}
	binDir = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(2)
}
