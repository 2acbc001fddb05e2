package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/config"
	"issuance/internal/ledger"
	"issuance/internal/redisconn"
	"issuance/internal/sandboxfile"
	"issuance/internal/seal"
	"issuance/tasks"
)

// connectWithin bounds how long a Redis may take to answer for the first time.
const connectWithin = 5 * time.Second

// waysOut ends every message about a missing connection.
const waysOut = "start a sandbox with `go run ./cmd/worker --sandbox`, or set REDIS_URL (and ISSUANCE_SEAL_KEYS) to what your workers have"

// session is a connection and the settings that go with it.
type session struct {
	rdb    redis.UniversalClient
	ledger *ledger.Ledger
	// env is the environment; behind a sandbox's Redis, what it leaves for the command line fills
	// the gaps.
	env map[string]string
}

func (s *session) close() { _ = s.rdb.Close() }

// connect finds Redis: by the environment, else the sandbox of this machine.
func (a *app) connect(ctx context.Context) (*session, error) {
	cfg, err := config.Load(pick(a.env, "REDIS_"))
	if err != nil {
		return nil, err
	}
	found := false // by the sandbox's file
	source := redisconn.Source{URL: cfg.Redis.URL.Reveal(), ClusterAddrs: cfg.Redis.ClusterAddrs.Reveal()}
	var info sandboxfile.Info
	if source == (redisconn.Source{}) {
		info, err = sandboxfile.Read()
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, errors.New("REDIS_URL is not set, and no sandbox runs on this machine: " + waysOut)
		case err != nil:
			return nil, fmt.Errorf("REDIS_URL is not set, and where this machine's sandbox is cannot be read: %w", err)
		}
		found, source = true, redisconn.Source{URL: info.RedisURL, ClusterAddrs: info.ClusterAddrs}
	}
	options, err := redisconn.Parse(source)
	if err != nil {
		return nil, err
	}
	if found {
		a.tell("using the sandbox at %s", shownAddress(info, options))
	}
	first, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	rdb, err := redisconn.Connect(first, options)
	if err != nil && found && ctx.Err() == nil {
		return nil, fmt.Errorf("that sandbox (process %d) does not answer, so it has probably ended: %s", info.PID, waysOut)
	}
	if err != nil {
		return nil, err
	}
	s := &session{rdb: rdb, ledger: ledger.New(rdb, ledger.Options{}), env: map[string]string{}}
	maps.Copy(s.env, a.env)
	ignored, err := s.takeSandboxSettings(ctx, found)
	if err != nil {
		s.close()
		return nil, err
	}
	if len(ignored) > 0 {
		a.tell("this is a sandbox with accounts of its own; not used: %s", strings.Join(ignored, ", "))
	}
	return s, nil
}

// takeSandboxSettings reads what a sandbox leaves for the command line. Its accounts replace the
// environment's: calls to the real ones would not be counted against the budget that is kept in
// the production's Redis. Seal keys are not replaced: with real keys, somebody means production,
// and enqueueing in a sandbox is then refused.
func (s *session) takeSandboxSettings(ctx context.Context, found bool) (ignored []string, err error) {
	mode, err := redisconn.ReadMode(ctx, s.rdb)
	if err != nil {
		return nil, err
	}
	if mode != redisconn.Sandbox {
		if found { // another server listens there now; nobody meant that one
			return nil, errors.New("the Redis that answers there is not a sandbox's (any more): " + waysOut)
		}
		return nil, nil
	}
	left, err := s.rdb.HGetAll(ctx, ledger.SandboxKey).Result()
	if err != nil {
		return nil, fmt.Errorf("read the sandbox's settings: %w", err)
	}
	for name, value := range s.env {
		if account(name) && value != left[name] {
			delete(s.env, name)
			ignored = append(ignored, name)
		}
	}
	for name, value := range left {
		if account(name) {
			s.env[name] = value
		}
	}
	if s.env[sealKeys] == "" && s.env[sealKeys+"_FILE"] == "" {
		s.env[sealKeys] = left[sealKeys]
	}
	slices.Sort(ignored)
	return ignored, nil
}

const sealKeys = "ISSUANCE_SEAL_KEYS"

// account reports whether a variable is about an account at a provider.
func account(name string) bool {
	return (strings.HasPrefix(name, "ECTICKET_") || strings.HasPrefix(name, "PASS2U_")) && name != precheckName
}

// shownAddress is the sandbox's address without a password.
func shownAddress(info sandboxfile.Info, o redisconn.Options) string {
	if u, err := url.Parse(info.RedisURL); err == nil && info.RedisURL != "" && u.User == nil && u.RawQuery == "" {
		return info.RedisURL
	}
	return o.Describe()
}

// tasks makes a client that can enqueue and open what is sealed.
func (s *session) tasks(rules tasks.Rules) (*tasks.Client, error) {
	cfg, err := config.Load(pick(s.env, sealKeys))
	if err != nil {
		return nil, err
	}
	if !cfg.Seal.Keys.Set() {
		return nil, errors.New("ISSUANCE_SEAL_KEYS is not set: it must hold the workers' keys, because customers' data is sealed on its way through Redis. " +
			"To try things out, start a sandbox with `go run ./cmd/worker --sandbox`")
	}
	timeout, err := s.duration("WORKER_TASK_TIMEOUT")
	if err != nil {
		return nil, err
	}
	retention, err := s.duration("WORKER_RETENTION")
	if err != nil {
		return nil, err
	}
	return tasks.NewClient(s.rdb, tasks.Options{SealKeys: cfg.Seal.Keys.Reveal(), Rules: rules, TaskTimeout: timeout, Retention: retention})
}

// reader makes a client that reads what is not sealed, for which nobody needs keys.
func (s *session) reader() (*tasks.Client, error) {
	return tasks.NewClient(s.rdb, tasks.Options{SealKeys: seal.SandboxKey()})
}

// duration reads one of the few settings that a task takes along to the worker.
func (s *session) duration(name string) (time.Duration, error) {
	if s.env[name] == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(s.env[name])
	if err != nil || d < time.Second {
		return 0, fmt.Errorf("%s is %q; write a duration of at least 1s, such as 60s", name, s.env[name])
	}
	return d, nil
}

// rules are what the environment says about documents.
func rules(env map[string]string, now func() time.Time) tasks.Rules {
	return tasks.Rules{MerchantID: strings.TrimSpace(env["ECTICKET_MERCHANT_ID"]), Escrow: env["ECTICKET_MODE"] == string(config.Escrow), Now: now}
}

// pick leaves of an environment what one purpose needs, so that a mistake in a setting of another
// does not stand in the way.
func pick(env map[string]string, prefix string) map[string]string {
	out := map[string]string{}
	for name, value := range env {
		if strings.HasPrefix(name, prefix) {
			out[name] = value
		}
	}
	return out
}
