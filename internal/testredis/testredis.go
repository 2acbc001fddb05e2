// Package testredis gives tests a private Redis: a real redis-server where one is installed, an
// embedded miniredis otherwise. It never touches a Redis it did not start itself. It is imported
// by tests only and imports nothing of ours.
//
// Set ISSUANCE_TEST_REDIS=required to make a missing redis-server a failure instead of a
// fallback (CI does), or ISSUANCE_TEST_REDIS=off to use miniredis everywhere. ISSUANCE_TEST_REDIS_SERVER names
// another server program that speaks the same protocol, by name or path, such as valkey-server.
//
// StartCluster and StartSentinel start several redis-servers that work together. They skip the test where there is none.
package testredis

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Kind is which Redis a Server is.
type Kind string

const (
	// Miniredis runs inside the test process; its TTLs pass only by FastForward.
	Miniredis Kind = "miniredis"
	// Real is a redis-server process; its TTLs pass in real time.
	Real Kind = "redis"
)

// Server is a Redis that belongs to one test and ends with it. Its methods fail the test
// instead of returning errors and may be called from any goroutine of the test.
type Server struct {
	// Addr is host:port on the loopback interface; it survives Restart.
	Addr string
	Kind Kind
	// Embedded is the miniredis, nil for a real server.
	Embedded *miniredis.Miniredis

	t       testing.TB
	durable bool
	bin     string // redis-server's path, empty for miniredis
	args    []string
	dir     string

	mu     sync.Mutex
	proc   *process // nil when killed, or for miniredis
	frozen bool
	dead   bool
	own    *redis.Client // of admin
}

// Start gives a real redis-server without persistence, or miniredis where none is installed.
// A restarted server comes up empty; see StartDurable.
func Start(t testing.TB) *Server {
	t.Helper()
	return start(t, false)
}

// StartDurable is Start with an append-only file written at every command, so that what was
// acknowledged survives Kill and Restart. (miniredis keeps its memory instead.)
func StartDurable(t testing.TB) *Server {
	t.Helper()
	return start(t, true)
}

// StartFile starts a real redis-server with a config file, whose port, address and folder are
// replaced, and further arguments. Without redis-server it logs so and returns nil: there is nothing that could read
// the file.
func StartFile(t testing.TB, conf string, args ...string) *Server {
	t.Helper()
	bin, ok := lookup(t)
	if !ok {
		t.Logf("testredis: redis-server is not used, %s was not tried", conf)
		return nil
	}
	abs, err := filepath.Abs(conf)
	if err != nil {
		t.Fatalf("testredis: %v", err)
	}
	return startArgs(t, bin, true, append([]string{abs}, args...))
}

func start(t testing.TB, durable bool) *Server {
	t.Helper()
	bin, ok := lookup(t)
	if !ok {
		t.Log("testredis: miniredis (redis-server is not used)")
		return startMini(t, durable)
	}
	s := startReal(t, bin, durable)
	t.Logf("testredis: redis-server on %s", s.Addr)
	return s
}

// Mini always gives miniredis.
func Mini(t testing.TB) *Server {
	t.Helper()
	return startMini(t, false)
}

// Each runs the same promises over both kinds, as the subtests "miniredis" and "redis"; the
// second only where redis-server is installed.
func Each(t *testing.T, run func(t *testing.T, s *Server)) {
	t.Helper()
	t.Run(string(Miniredis), func(t *testing.T) { run(t, startMini(t, false)) })
	bin, ok := lookup(t)
	if !ok {
		t.Log("testredis: redis-server is not used, ran on miniredis only")
		return
	}
	t.Run(string(Real), func(t *testing.T) { run(t, startReal(t, bin, false)) })
}

// lookup finds redis-server, unless ISSUANCE_TEST_REDIS switches it off.
func lookup(t testing.TB) (string, bool) {
	t.Helper()
	mode := os.Getenv("ISSUANCE_TEST_REDIS")
	if mode == "off" {
		return "", false
	}
	program := cmp.Or(os.Getenv("ISSUANCE_TEST_REDIS_SERVER"), "redis-server")
	bin, err := exec.LookPath(program)
	if err != nil && mode == "required" {
		t.Fatalf("testredis: ISSUANCE_TEST_REDIS=required, but %s is not on PATH: install the package of that name", program)
	}
	return bin, err == nil
}

// needed is lookup for what miniredis cannot stand in for.
func needed(t testing.TB, what string) (bin string) {
	t.Helper()
	bin, ok := lookup(t)
	if !ok {
		t.Skipf("testredis: %s needs redis-server, which is not used", what)
	}
	return bin
}

// until waits for a condition, of which it says in the end what is missing.
func until(t testing.TB, limit time.Duration, missing func() error) {
	t.Helper()
	if err := await(limit, missing); err != nil {
		t.Fatalf("testredis: %v", err)
	}
}

// await is until with an error.
func await(limit time.Duration, missing func() error) error {
	end := time.NewTimer(limit)
	defer end.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := missing()
		if err == nil {
			return nil
		}
		select {
		case <-end.C:
			return fmt.Errorf("after %s: %w", limit, err)
		case <-tick.C:
		}
	}
}

// URL is the server as REDIS_URL takes it.
func (s *Server) URL() string { return "redis://" + s.Addr + "/0" }

// Client gives a new client, closed with the test. It gives up quickly on a dead server.
func (s *Server) Client() *redis.Client {
	c := redis.NewClient(&redis.Options{
		Addr:                     s.Addr,
		ContextTimeoutEnabled:    true,
		MaxRetries:               1,
		DialerRetries:            1,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// Kill ends the server at once (SIGKILL); connections break and new ones are refused.
func (s *Server) Kill() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kill()
}

func (s *Server) kill() {
	if s.dead {
		return
	}
	s.dead = true
	if s.Embedded != nil {
		if s.frozen {
			s.Embedded.Unlock()
		}
		s.Embedded.Close()
	} else {
		s.proc.kill()
		s.proc = nil
	}
	s.frozen = false
}

// Restart brings a server up again on the same port, killing it first when it still runs.
// Data survives on a server of StartDurable only.
func (s *Server) Restart() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kill()
	var err error
	if s.Embedded != nil {
		if !s.durable {
			s.Embedded.FlushAll()
		}
		// Close cancelled it, and blocking commands would return at once.
		s.Embedded.Ctx, s.Embedded.CtxCancel = context.WithCancel(context.Background())
		err = s.Embedded.Restart()
	} else {
		s.proc, err = launch(s.bin, s.Addr, s.dir, s.args)
	}
	if err != nil {
		s.t.Fatalf("testredis: restart on %s: %v", s.Addr, err)
	}
	s.dead = false
}

// Freeze makes the server hang: connections stay open and are accepted, no command is answered.
func (s *Server) Freeze() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead || s.frozen {
		s.t.Fatal("testredis: Freeze needs a running server")
	}
	s.frozen = true
	if s.Embedded != nil {
		s.Embedded.Lock()
		return
	}
	if err := s.proc.stop(); err != nil {
		s.t.Fatalf("testredis: freeze: %v", err)
	}
}

// Thaw ends a Freeze; commands sent meanwhile are carried out.
func (s *Server) Thaw() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.frozen {
		return
	}
	s.frozen = false
	if s.Embedded != nil {
		s.Embedded.Unlock()
		return
	}
	if err := s.proc.cont(); err != nil {
		s.t.Fatalf("testredis: thaw: %v", err)
	}
}

// FastForward lets TTLs pass on miniredis; on a real server it does nothing.
func (s *Server) FastForward(d time.Duration) {
	if s.Embedded != nil {
		s.Embedded.FastForward(d)
	}
}

func (s *Server) String() string { return fmt.Sprintf("%s on %s", s.Kind, s.Addr) }

func startMini(t testing.TB, durable bool) *Server {
	t.Helper()
	m := miniredis.NewMiniRedis()
	if err := m.Start(); err != nil {
		t.Fatalf("testredis: start miniredis: %v", err)
	}
	s := &Server{Addr: m.Addr(), Kind: Miniredis, Embedded: m, t: t, durable: durable}
	t.Cleanup(s.Kill)
	return s
}
