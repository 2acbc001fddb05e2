package testredis

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A killed server refuses connections, and a restarted one is back at the same address.
func TestKillAndRestart(t *testing.T) {
	Each(t, func(t *testing.T, s *Server) {
		ctx := context.Background()
		c := s.Client()
		must(t, c.Set(ctx, "k", "v", 0).Err())
		s.Kill()
		if err := c.Get(ctx, "k").Err(); err == nil || err == redis.Nil {
			t.Fatalf("a killed server answered: %v", err)
		}
		s.Restart()
		if err := c.Get(ctx, "k").Err(); err != redis.Nil {
			t.Fatalf("a server without persistence kept a key, or is not back: %v", err)
		}
	})
}

// What a durable server acknowledged survives SIGKILL.
func TestDurable(t *testing.T) {
	ctx := context.Background()
	s := StartDurable(t)
	c := s.Client()
	must(t, c.Set(ctx, "k", "v", 0).Err())
	s.Restart()
	if v, err := c.Get(ctx, "k").Result(); v != "v" {
		t.Fatalf("lost what was acknowledged: %q %v", v, err)
	}
}

// A frozen server accepts and answers nothing; a thawed one answers again.
func TestFreeze(t *testing.T) {
	Each(t, func(t *testing.T, s *Server) {
		c := s.Client()
		must(t, c.Ping(context.Background()).Err())
		s.Freeze()
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		if err := c.Set(ctx, "k", "v", 0).Err(); err == nil {
			t.Fatal("a frozen server answered")
		}
		s.Thaw()
		must(t, c.Ping(context.Background()).Err())
	})
}

// A test may end with its server frozen.
func TestEndsFrozen(t *testing.T) {
	Each(t, func(t *testing.T, s *Server) { s.Freeze() })
}

// Dump shows the content of every type in every database, keys that hold nothing excepted.
func TestDumpSeesEverything(t *testing.T) {
	Each(t, func(t *testing.T, s *Server) {
		ctx := context.Background()
		c := s.Client()
		must(t, c.Set(ctx, "a", "canary-string", 0).Err())
		must(t, c.HSet(ctx, "b", "canary-field", "canary-hash").Err())
		must(t, c.RPush(ctx, "c", "canary-list").Err())
		must(t, c.SAdd(ctx, "d", "canary-set").Err())
		must(t, c.ZAdd(ctx, "e", redis.Z{Score: 1, Member: "canary-zset"}).Err())
		must(t, c.XAdd(ctx, &redis.XAddArgs{Stream: "f", Values: []any{"canary-key", "canary-stream"}}).Err())
		must(t, c.XGroupCreate(ctx, "f", "canary-group", "$").Err())
		conn := c.Conn()
		must(t, conn.Select(ctx, 3).Err())
		must(t, conn.Set(ctx, "canary-name", "canary-other", 0).Err())
		must(t, conn.Select(ctx, 0).Err())
		must(t, conn.Close())

		var all strings.Builder
		dump := s.Dump(ctx)
		for k, v := range dump {
			all.WriteString(k + " " + v + "\n")
		}
		for _, w := range strings.Fields("string field hash list set zset key stream group name other") {
			if !strings.Contains(all.String(), "canary-"+w) {
				t.Errorf("Dump does not show canary-%s", w)
			}
		}
		if _, ok := dump["db3:canary-name"]; !ok || len(dump) != 7 {
			t.Errorf("keys: %v", dump)
		}
	})
}

// FastForward lets a TTL pass on miniredis.
func TestFastForward(t *testing.T) {
	ctx := context.Background()
	s := Mini(t)
	c := s.Client()
	must(t, c.Set(ctx, "k", "v", time.Minute).Err())
	s.FastForward(time.Minute)
	if err := c.Get(ctx, "k").Err(); err != redis.Nil {
		t.Fatalf("the key outlived its TTL: %v", err)
	}
}

// A port on which another Redis answers is never taken for our own.
func TestAnotherRedisOnThePortIsLeftAlone(t *testing.T) {
	bin, ok := lookup(t)
	if !ok {
		t.Log("needs redis-server")
		return
	}
	other := startReal(t, bin, false)
	if _, err := launch(bin, other.Addr, t.TempDir(), ownArgs(false)); err == nil {
		t.Fatal("another test's Redis was taken for our own")
	}
	must(t, other.Client().Ping(context.Background()).Err())
}

// The server dies with a test binary that was killed before its cleanups ran.
func TestDiesWithTheTestBinary(t *testing.T) {
	if os.Getenv("TESTREDIS_KILLED") != "" {
		s := Start(t)
		_, _ = os.Stdout.WriteString("addr=" + s.Addr + "\n")
		_ = os.Stdout.Sync()
		p, _ := os.FindProcess(os.Getpid())
		_ = p.Kill()
		<-make(chan struct{})
	}
	child := exec.Command(os.Args[0], "-test.run=^TestDiesWithTheTestBinary$")
	child.Env = append(os.Environ(), "TESTREDIS_KILLED=1")
	out, err := child.Output()
	if err == nil {
		t.Fatal("the killed test binary survived")
	}
	_, addr, ok := strings.Cut(string(out), "addr=")
	addr, _, _ = strings.Cut(addr, "\n")
	if !ok || addr == "" {
		t.Fatalf("no address in %q", out)
	}
	limit := time.NewTimer(10 * time.Second)
	defer limit.Stop()
	pause := time.NewTicker(5 * time.Millisecond)
	defer pause.Stop()
	for {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return // refused: gone
		}
		_ = c.Close()
		select {
		case <-limit.C:
			t.Fatalf("%s still listens", addr)
		case <-pause.C:
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
