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
var builtWorker = sync.OnceValues(func() (string, error) { return build(binDir, "worker", "") })

func theWorker(t *testing.T) string {
	t.Helper()
	return must(t, builtWorker)
}

// builtDoor is the product's enqueue with short times for webhooks, built once for all tests.
var builtDoor struct {
	sync.Once
	bin string
	err error
}

func theDoor(t *testing.T) string {
	t.Helper()
	overlay := plant(t, shortTimes)
	return must(t, func() (string, error) {
		builtDoor.Do(func() { builtDoor.bin, builtDoor.err = build(binDir, "enqueue", overlay) })
		return builtDoor.bin, builtDoor.err
	})
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
