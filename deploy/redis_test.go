package deploy

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"issuance/internal/redisconn"
	"issuance/internal/testredis"

	"github.com/redis/go-redis/v9"
)

// redis-server accepts redis.conf, runs with what it promises, keeps what it acknowledged when it
// is killed, and the worker has nothing to warn about.
func TestRedisConf(t *testing.T) {
	s := testredis.StartFile(t, "redis.conf")
	if s == nil {
		return // logged by testredis
	}
	ctx := context.Background()
	c := s.Client()
	for name, want := range map[string]string{
		"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction", "no-appendfsync-on-rewrite": "no",
		"aof-load-truncated": "yes", "save": "", "protected-mode": "yes", "tcp-keepalive": "60", "timeout": "0",
		"hash-max-listpack-value": "2048", "hash-max-listpack-entries": "512",
	} {
		if got := c.ConfigGet(ctx, name).Val()[name]; got != want {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
	}
	if ws, err := redisconn.Inspect(ctx, c); err != nil || len(ws) != 0 {
		t.Errorf("%v %v", ws, err)
	}
	if err := c.Set(ctx, "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	s.Restart()
	if v, err := c.Get(ctx, "k").Result(); v != "v" {
		t.Errorf("lost what was acknowledged: %v", err)
	}
}

// Redis reads its append-only file as the user default when it starts, and what that user may not do is lost.
func TestNothingIsLostWhenRedisRestartsWithItsUsers(t *testing.T) {
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed, and nothing else reads an append-only file")
	}
	dir := t.TempDir()
	if out, err := exec.Command("sh", "make-secrets.sh", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	secret, err := os.ReadFile(filepath.Join(dir, "redis_url_worker"))
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "redis.sock")
	at, err := redis.ParseURL(strings.TrimSpace(string(secret)))
	if err != nil {
		t.Fatal(err)
	}
	at.Network, at.Addr = "unix", socket
	worker := redis.NewClient(at)
	defer worker.Close()
	run := func() (kill func()) {
		cmd := exec.Command(bin, "redis.conf", "--port", "0", "--unixsocket", socket, "--dir", dir, "--daemonize", "no",
			"--aclfile", filepath.Join(dir, "redis_users.acl"), "--logfile", filepath.Join(dir, "log"))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		stop := sync.OnceFunc(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		t.Cleanup(stop)
		for limit := time.Now().Add(20 * time.Second); worker.Ping(t.Context()).Err() != nil; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(limit) {
				log, _ := os.ReadFile(filepath.Join(dir, "log"))
				t.Fatalf("redis-server does not answer: %s", log)
			}
		}
		return stop
	}
	kill := run()
	nobody := redis.NewClient(&redis.Options{Network: "unix", Addr: socket})
	defer nobody.Close()
	if err := nobody.Ping(t.Context()).Err(); err == nil || !strings.Contains(err.Error(), "NOAUTH") {
		t.Errorf("without a password: %v", err)
	}
	for _, password := range []string{"", "default"} {
		if err := nobody.Do(t.Context(), "AUTH", "default", password).Err(); err == nil {
			t.Errorf("the user default can log in with the password %q", password)
		}
	}
	const script = `redis.call('HSET', KEYS[1], 'state', 'queued') redis.call('ZADD', KEYS[2], 1, 'A') return 1`
	if err := worker.Eval(t.Context(), script, []string{"issuance:{a}:order", "issuance:{a}:open"}).Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := worker.TxPipelined(t.Context(), func(p redis.Pipeliner) error {
		p.Set(t.Context(), "issuance:{a}:x", 1, 0)
		p.Set(t.Context(), "issuance:{a}:y", 1, 0)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	kill()
	run()
	if n, err := worker.Exists(t.Context(), "issuance:{a}:order", "issuance:{a}:open", "issuance:{a}:x", "issuance:{a}:y").Result(); n != 4 {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		t.Errorf("%d of 4 keys are left, %v\n%s", n, err, log)
	}
}
