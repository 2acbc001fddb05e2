package redisconn

import (
	"bytes"
	"context"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"issuance/internal/testredis"
)

var _ asynq.RedisConnOpt = Options{}

// A Sentinel URL reaches the master with its own password and database, which asynq's own reader
// of such URLs forgets.
func TestSentinelKeepsPasswordAndDatabase(t *testing.T) {
	s := testredis.Mini(t)
	s.Embedded.RequireUserAuth("ann", "secret")
	sentinel := fakeSentinel(t, "mymaster", s.Addr)
	put(t, Source{URL: "redis-sentinel://ann:secret@" + sentinel + "/3?master=mymaster"})
	if v, err := s.Embedded.DB(3).Get("k"); v != "v" {
		t.Fatalf("not in database 3: %v", err)
	}
}

func TestCluster(t *testing.T) {
	s := testredis.Mini(t)
	s.Embedded.RequireAuth("secret")
	c := put(t, Source{ClusterAddrs: "redis://:secret@" + s.Addr})
	if _, ok := c.(*redis.ClusterClient); !ok {
		t.Fatalf("%T", c)
	}
	ws, err := Inspect(context.Background(), c)
	if err != nil || len(ws) != 1 || ws[0].Code != Embedded {
		t.Fatal(ws, err)
	}
}

func TestUnixSocket(t *testing.T) {
	s := testredis.Mini(t)
	path := filepath.Join(t.TempDir(), "r.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", s.Addr)
			if err != nil {
				_ = in.Close()
				return
			}
			go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
			go func() { _, _ = io.Copy(in, out); _ = in.Close() }()
		}
	}()
	put(t, Source{URL: "unix://" + path + "?db=1"})
	if v, err := s.Embedded.DB(1).Get("k"); v != "v" {
		t.Fatalf("not in database 1: %v", err)
	}
}

// TLS verifies the server: a private authority has to be named, and then works.
func TestTLS(t *testing.T) {
	https := httptest.NewTLSServer(nil) // for its certificate
	defer https.Close()
	m := miniredis.NewMiniRedis()
	if err := m.StartTLS(https.TLS); err != nil {
		t.Fatal(err)
	}
	defer m.Close()

	unknown, err := Parse(Source{URL: "rediss://" + m.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := Connect(context.Background(), unknown); err == nil {
		_ = c.Close()
		t.Fatal("a server of an unknown authority was trusted")
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: https.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	put(t, Source{URL: "rediss://" + m.Addr() + "?ca_file=" + ca})
}

// The error of a Redis that does not answer names the server and what to check, not the password.
func TestConnectError(t *testing.T) {
	var lines bytes.Buffer
	LogTo(slog.New(slog.NewJSONHandler(&lines, nil)))
	s := testredis.Mini(t)
	s.Kill()
	o, err := Parse(Source{URL: "redis://:Kanarie@" + s.Addr})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Connect(context.Background(), o)
	if err == nil || !strings.Contains(err.Error(), s.Addr) || !strings.Contains(err.Error(), "REDIS_URL") {
		t.Fatal(err)
	}
	if strings.Contains(err.Error()+lines.String(), "Kanarie") {
		t.Fatal(err, lines.String())
	}
}

// put stores k=v through the options of src.
func put(t *testing.T, src Source) redis.UniversalClient {
	t.Helper()
	o, err := Parse(src)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Connect(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.Set(context.Background(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	return c
}

// fakeSentinel answers for one master only.
func fakeSentinel(t *testing.T, name, addr string) string {
	t.Helper()
	srv, err := server.NewServer("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(srv.Close)
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	reg := func(cmd string, f server.Cmd) {
		if err := srv.Register(cmd, f); err != nil {
			t.Fatal(err)
		}
	}
	reg("SENTINEL", func(c *server.Peer, _ string, args []string) {
		switch strings.ToLower(args[0]) {
		case "get-master-addr-by-name":
			if args[1] != name {
				c.WriteNull()
				return
			}
			c.WriteLen(2)
			c.WriteBulk(host)
			c.WriteBulk(port)
		default: // sentinels, replicas: none
			c.WriteLen(0)
		}
	})
	return srv.Addr().String()
}
