package embedredis

import (
	"context"
	"net"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A taken port is left alone: the sandbox takes the next one and reports that.
func TestNextFreePort(t *testing.T) {
	taken, port := occupy(t, "127.0.0.1:0")
	defer taken.Close()
	s, err := start(port, port+20)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !s.DefaultTaken || s.Addr == taken.Addr().String() || !strings.HasPrefix(s.Addr, "127.0.0.1:") {
		t.Fatalf("%+v", s)
	}
	ping(t, s)
}

// A server on all interfaces counts as taking the port.
func TestWildcardListenerIsNotShadowed(t *testing.T) {
	taken, port := occupy(t, "0.0.0.0:0")
	defer taken.Close()
	if s, err := start(port, port); err == nil {
		s.Close()
		t.Fatal("the sandbox listens over another server")
	}
}

// A free first port is used, and nothing is reported.
func TestFirstPort(t *testing.T) {
	probe, port := occupy(t, "127.0.0.1:0")
	_ = probe.Close()
	s, err := start(port, port)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.DefaultTaken || s.URL() != "redis://127.0.0.1:"+strconv.Itoa(port)+"/0" {
		t.Fatalf("%+v", s)
	}
	ping(t, s)
	s.Close()
}

// When no port is free the error names those that were tried.
func TestNoPort(t *testing.T) {
	taken, port := occupy(t, "127.0.0.1:0")
	defer taken.Close()
	_, err := start(port, port)
	if err == nil || !strings.Contains(err.Error(), strconv.Itoa(port)) {
		t.Fatal(err)
	}
}

// Keys expire in real time, to the step, without a test's help.
func TestTimeToLivePasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		m := miniredis.NewMiniRedis()
		defer m.Close()
		defer passTime(m)()
		c := redis.NewClient(&redis.Options{
			Dialer:                   func(context.Context, string, string) (net.Conn, error) { return m.Dial() },
			MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
		})
		defer c.Close()
		if err := c.Set(ctx, "k", "v", time.Minute).Err(); err != nil {
			t.Fatal(err)
		}
		<-time.After(59 * time.Second)
		if err := c.Get(ctx, "k").Err(); err != nil {
			t.Fatalf("gone too early: %v", err)
		}
		<-time.After(time.Second + step)
		if err := c.Get(ctx, "k").Err(); err != redis.Nil {
			t.Fatalf("outlived its time: %v", err)
		}
	})
}

// What a command costs does not grow with the keys that there are: none looks at the time that is left to all of them.
func TestACommandDoesNotLookAtEveryKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := miniredis.NewMiniRedis()
		defer m.Close()
		defer passTime(m)()
		if err := m.Set("k", "v"); err != nil {
			t.Fatal(err)
		}
		m.SetTTL("k", time.Minute)
		<-time.After(step / 2) // no look has passed the time yet, and a command does not
		if got := m.TTL("k"); got != time.Minute {
			t.Errorf("a command looks at the keys' time: %s are left", got)
		}
		<-time.After(step)
		if got := m.TTL("k"); got != time.Minute-step {
			t.Errorf("%s are left after a step", got)
		}
	})
}

func occupy(t *testing.T, addr string) (net.Listener, int) {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return l, l.Addr().(*net.TCPAddr).Port
}

func ping(t *testing.T, s *Server) {
	t.Helper()
	c := redis.NewClient(&redis.Options{
		Addr:                     s.Addr,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	defer c.Close()
	if err := c.Ping(context.Background()).Err(); err != nil {
		t.Fatal(err)
	}
}
