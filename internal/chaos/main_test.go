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

// built is one of the product's programs with short times, built once for all tests.
type built struct {
	sync.Once
	bin string
	err error
}

var builtWorker, builtDoor built

func (b *built) get(t *testing.T, program, times string) string {
	t.Helper()
	overlay := plant(t, times)
	return must(t, func() (string, error) {
		b.Do(func() { b.bin, b.err = build(binDir, program, overlay) })
		return b.bin, b.err
	})
}

func theWorker(t *testing.T) string {
	t.Helper()
	return builtWorker.get(t, "worker", shortConfirmations)
}

func theDoor(t *testing.T) string {
	t.Helper()
	return builtDoor.get(t, "enqueue", shortWebhooks)
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
