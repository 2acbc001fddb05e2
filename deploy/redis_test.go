package deploy

import (
	"context"
	"testing"

	"issuance/internal/redisconn"
	"issuance/internal/testredis"
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
