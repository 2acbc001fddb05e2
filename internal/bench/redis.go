package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Which Redis a benchmark runs on. It is always its own, started and ended by it.
const (
	redisAuto     = "auto"
	redisServer   = "server"
	redisEmbedded = "embedded"
)

// testRedis is a running Redis.
type testRedis struct {
	redis.UniversalClient
	what string // for the report
	stop func()
}

// startRedis starts a private Redis without persistence; more are further arguments for
// redis-server.
func startRedis(kind string, more ...string) (*testRedis, error) {
	path, err := exec.LookPath("redis-server")
	switch {
	case kind != redisAuto && kind != redisServer && kind != redisEmbedded:
		return nil, fmt.Errorf("--redis is %s, %s or %s", redisAuto, redisServer, redisEmbedded)
	case kind == redisEmbedded || kind == redisAuto && err != nil:
		return startEmbedded()
	case err != nil:
		return nil, errors.New("redis-server is not on PATH: install it, or use --redis embedded")
	}
	return startServer(path, more)
}

func startEmbedded() (*testRedis, error) {
	m := miniredis.NewMiniRedis()
	if err := m.Start(); err != nil {
		return nil, err
	}
	r := &testRedis{UniversalClient: connect("tcp", m.Addr()), what: "miniredis"}
	r.stop = func() { _ = r.Close(); m.Close() }
	return r, nil
}

func startServer(path string, more []string) (*testRedis, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(dir, "redis.sock")
	cmd := exec.Command(path, append([]string{"--port", "0", "--unixsocket", socket, "--dir", dir, "--save", "", "--appendonly", "no"}, more...)...)
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	r := &testRedis{UniversalClient: connect("unix", socket)}
	r.stop = func() {
		_ = r.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = os.RemoveAll(dir)
	}
	info, err := r.firstAnswer(socket)
	if err != nil {
		r.stop()
		return nil, fmt.Errorf("redis-server does not answer: %w", err)
	}
	r.what = "redis-server " + info["Server"]["redis_version"]
	return r, nil
}

// firstAnswer waits up to 5 s until the server listens, and asks what it is.
func (r *testRedis) firstAnswer(socket string) (map[string]map[string]string, error) {
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
		if _, err := os.Stat(socket); err == nil {
			break
		}
		<-time.After(5 * time.Millisecond)
	}
	return r.InfoMap(context.Background(), "server").Result()
}

func connect(network, addr string) *redis.Client {
	return redis.NewClient(&redis.Options{Network: network, Addr: addr, DialerRetries: 1,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}})
}
