package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Redis is a redis-server process of our own.
type Redis struct {
	Addr string
	// RDB is the benchmark's own client; what is measured should have one of its own (Client).
	RDB  *redis.Client
	proc *exec.Cmd
	done <-chan struct{}
	dir  string
}

// InMemory are the settings of a server that writes nothing to disk.
var InMemory = []string{"--save", "", "--appendonly", "no"}

// startLimit bounds one start of a child.
const startLimit = 20 * time.Second

// StartRedis starts a redis-server on a free loopback port; args are its own, and may start with a
// config file. It needs redis-server on the PATH.
func StartRedis(ctx context.Context, args ...string) (*Redis, error) {
	bin, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, errors.New("this benchmark needs redis-server on the PATH: install the package redis-server")
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "issuance-bench-redis-")
	if err != nil {
		return nil, err
	}
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		if args[0], err = filepath.Abs(args[0]); err != nil {
			return nil, err
		}
	}
	// Later arguments win.
	args = append(args, "--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", dir, "--daemonize", "no",
		"--logfile", filepath.Join(dir, "redis.log"))
	r := &Redis{Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), proc: exec.Command(bin, args...), dir: dir}
	if r.done, err = launch(r.proc); err != nil {
		return nil, fmt.Errorf("start redis-server: %w", err)
	}
	r.RDB = r.Client()
	limit := time.Now().Add(startLimit)
	for r.RDB.Ping(ctx).Err() != nil {
		if time.Now().After(limit) || ctx.Err() != nil {
			log, _ := os.ReadFile(filepath.Join(dir, "redis.log"))
			r.Close()
			return nil, fmt.Errorf("redis-server did not start:\n%s", log)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return r, nil
}

// FreePort is a loopback port on which nothing listens now.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// URL is the server as REDIS_URL takes it.
func (r *Redis) URL() string { return "redis://" + r.Addr + "/0" }

// Client is another client of the server; the caller closes it.
func (r *Redis) Client() *redis.Client {
	return redis.NewClient(&redis.Options{Addr: r.Addr, PoolSize: 64, ContextTimeoutEnabled: true,
		ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}})
}

// Close ends the server and removes its files.
func (r *Redis) Close() {
	_ = r.RDB.Close()
	_ = r.proc.Process.Kill()
	<-r.done
	_ = os.RemoveAll(r.dir)
}

// Version is the server's.
func (r *Redis) Version(ctx context.Context) string { return r.info(ctx, "server")["redis_version"] }

// Memory is how many bytes the server's data takes (used_memory).
func (r *Redis) Memory(ctx context.Context) (int64, error) {
	n, err := strconv.ParseInt(r.info(ctx, "memory")["used_memory"], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("INFO memory: %w", err)
	}
	return n, nil
}

// LogSize is how many bytes the append-only file has.
func (r *Redis) LogSize(ctx context.Context) (int64, error) {
	n, err := strconv.ParseInt(r.info(ctx, "persistence")["aof_current_size"], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("INFO persistence: %w", err)
	}
	return n, nil
}

// CPU is the processor time the server has used.
func (r *Redis) CPU(ctx context.Context) time.Duration {
	info := r.info(ctx, "cpu")
	var sum float64
	for _, name := range []string{"used_cpu_sys", "used_cpu_user"} {
		v, _ := strconv.ParseFloat(info[name], 64)
		sum += v
	}
	return time.Duration(sum * float64(time.Second))
}

// Commands counts the commands the server has run since it started, those inside scripts included.
func (r *Redis) Commands(ctx context.Context) (int64, error) {
	var sum int64
	for _, v := range r.info(ctx, "commandstats") {
		calls, _, _ := strings.Cut(strings.TrimPrefix(v, "calls="), ",")
		n, err := strconv.ParseInt(calls, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("INFO commandstats: %w", err)
		}
		sum += n
	}
	return sum, nil
}

func (r *Redis) info(ctx context.Context, section string) map[string]string {
	out := map[string]string{}
	for _, line := range strings.Split(r.RDB.Info(ctx, section).Val(), "\r\n") {
		if name, value, ok := strings.Cut(line, ":"); ok {
			out[name] = value
		}
	}
	return out
}
