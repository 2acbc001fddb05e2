package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/config"
	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/internal/operate"
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
	keep   config.Ledger // how long records are kept
	wait   int           // REDIS_WAIT_REPLICAS
	redis  redisconn.Options
	// env is the environment, at a sandbox with the sandbox's accounts; see config.AtSandbox.
	env map[string]string
}

func (s *session) close() { _ = s.rdb.Close() }

// with connects, does something, and ends the connection.
func (a *app) with(ctx context.Context, do func(*session) error) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	return do(s)
}

// read is with, for commands that ask without keys.
func (a *app) read(ctx context.Context, do func(*session, *tasks.Client) error) error {
	return a.with(ctx, func(s *session) error {
		client, err := s.reader()
		if err != nil {
			return err
		}
		return do(s, client)
	})
}

// answers reports whether Redis is there and the command is not being interrupted.
func (s *session) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	return s.rdb.Ping(ctx).Err() == nil
}

// noWrites is why Redis takes no writes ("takes no writes: …"); "" where it does, and where nobody knows.
func (s *session) noWrites(ctx context.Context) string {
	return redisconn.NoWrites(redisconn.TakesWrites(ctx, s.rdb))
}

// warnNoWrites says that nothing goes on because Redis takes no writes.
func (a *app) warnNoWrites(ctx context.Context, s *session) (why string) {
	if why = s.noWrites(ctx); why != "" {
		a.report("Redis %s; nothing happens until it does", why)
	}
	return why
}

// connect finds Redis: by the environment, else the sandbox of this machine.
func (a *app) connect(ctx context.Context) (*session, error) {
	cfg, err := config.LoadParts(a.env, config.Connection)
	if err != nil {
		return nil, err
	}
	if cfg.Redis.URL.Set() || cfg.Redis.ClusterAddrs.Set() {
		options, err := cfg.Redis.Options()
		if err != nil {
			return nil, err
		}
		return a.open(ctx, options, false)
	}
	return a.connectToSandbox(ctx)
}

// names reports whether the environment says which Redis is meant.
func (a *app) names() bool {
	cfg, err := config.LoadParts(a.env, config.Connection)
	return err == nil && (cfg.Redis.URL.Set() || cfg.Redis.ClusterAddrs.Set())
}

// connectToSandbox finds the sandbox of this machine that was started last and still runs.
func (a *app) connectToSandbox(ctx context.Context) (*session, error) {
	list, err := sandboxfile.List()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, coded(codeSettings, "REDIS_URL is not set, and no sandbox runs on this machine: %s", waysOut)
	case err != nil:
		return nil, coded(codeSettings, "REDIS_URL is not set, and where this machine's sandbox is cannot be read: %w", err)
	}
	var running []redisconn.Options
	var shown []string
	var ended error // why the latest is not used
	var at string
	for _, info := range list {
		options, err := redisconn.Parse(redisconn.Source{URL: info.RedisURL, ClusterAddrs: info.ClusterAddrs})
		if err != nil {
			return nil, err
		}
		address := shownAddress(info, options)
		if slices.Contains(shown, address) {
			continue // an ended one's, where a later one runs now
		}
		if err := runs(ctx, options); err == nil {
			running, shown = append(running, options), append(shown, address)
		} else if ended == nil {
			at = address
			if ended = err; errors.As(err, new(*unreachableError)) && ctx.Err() == nil {
				ended = &unreachableError{fmt.Errorf("that sandbox (process %d) does not answer, so it has probably ended: %s", info.PID, waysOut)}
			}
		}
	}
	if len(running) == 0 {
		a.report("using the sandbox at %s", at)
		return nil, ended
	}
	others := ""
	if len(shown) > 1 {
		others = fmt.Sprintf(", the latest of %d; set REDIS_URL for another: %s", len(shown), strings.Join(shown[1:], ", "))
	}
	a.report("using the sandbox at %s%s", shown[0], others)
	return a.open(ctx, running[0], true)
}

// runs is nil when a sandbox's Redis answers.
func runs(ctx context.Context, o redisconn.Options) error {
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	rdb, err := redisconn.Connect(ctx, o)
	if err != nil {
		return &unreachableError{err}
	}
	defer rdb.Close()
	mode, err := redisconn.ReadMode(ctx, rdb)
	if err == nil && mode != redisconn.Sandbox {
		err = errNoSandbox // another server listens there now, which was not meant
	}
	return err
}

var errNoSandbox = coded(codeSettings, "the Redis that answers there is not a sandbox's (any more): %s", waysOut)

// open connects; sandbox says that the Redis must be a sandbox's.
func (a *app) open(ctx context.Context, options redisconn.Options, sandbox bool) (*session, error) {
	cfg, err := config.LoadParts(a.env, config.Records)
	if err != nil {
		return nil, err
	}
	first, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	rdb, err := redisconn.Connect(first, options)
	switch {
	case redisconn.RefusalOf(err) != redisconn.NotRefused:
		return nil, err
	case err != nil:
		return nil, &unreachableError{err}
	}
	keep := cfg.Ledger
	s := &session{rdb: rdb, redis: options, env: a.env, keep: keep, wait: cfg.Redis.WaitReplicas,
		ledger: ledger.New(rdb, ledger.Options{KeepDetails: keep.KeepDetails, KeepRecords: keep.KeepRecords, KeepEvents: int64(keep.KeepEvents)})}
	ignored, err := s.takeSandboxSettings(ctx, sandbox)
	if err != nil {
		s.close()
		return nil, err
	}
	if len(ignored) > 0 {
		a.report("this is a sandbox with accounts of its own; not used: %s", strings.Join(ignored, ", "))
	}
	return s, nil
}

// takeSandboxSettings uses the settings that a sandbox has left for the command line. ignored are the
// variables that they replace.
func (s *session) takeSandboxSettings(ctx context.Context, wanted bool) (ignored []string, err error) {
	mode, err := redisconn.ReadMode(ctx, s.rdb)
	if err != nil {
		return nil, err
	}
	if mode != redisconn.Sandbox {
		if wanted {
			return nil, errNoSandbox
		}
		return nil, nil
	}
	left, err := s.rdb.HGetAll(ctx, keys.Sandbox).Result()
	if err != nil {
		return nil, fmt.Errorf("read the sandbox's settings: %w", err)
	}
	s.env, ignored = config.AtSandbox(s.env, left)
	return ignored, nil
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
	cfg, err := config.LoadParts(s.env, config.Keys, config.Tasks)
	if err != nil {
		return nil, err
	}
	if !cfg.Seal.Keys.Set() {
		return nil, coded(codeSettings, "ISSUANCE_SEAL_KEYS is not set: it must hold the workers' keys, because customers' data is sealed on its way through Redis. "+
			"To try things out, start a sandbox with `go run ./cmd/worker --sandbox`")
	}
	return s.client(tasks.Options{SealKeys: cfg.Seal.Keys.Reveal(), Rules: rules,
		TaskTimeout: cfg.Worker.TaskTimeout, Retention: cfg.Worker.Retention})
}

// client makes a client that keeps what it ends as long as the workers do.
func (s *session) client(o tasks.Options) (*tasks.Client, error) {
	o.WaitReplicas = s.wait
	o.KeepDetails, o.KeepRecords, o.KeepEvents = s.keep.KeepDetails, s.keep.KeepRecords, int64(s.keep.KeepEvents)
	return tasks.NewClient(s.rdb, o)
}

// desk is where operators' decisions are carried out.
func (s *session) desk() *operate.Desk { return operate.New(s.rdb, s.ledger) }

// reader makes a client that reads what is not sealed, which needs no keys.
func (s *session) reader() (*tasks.Client, error) {
	// Whose account "ecticket" means; a mistake there is no reason not to answer.
	documents, _ := rules(s.env, nil)
	return s.client(tasks.Options{SealKeys: seal.SandboxKey(), Rules: documents})
}

// rules are what documents are checked against by the environment, and the accounts file as it is now.
func rules(env map[string]string, now func() time.Time) (tasks.Rules, error) {
	cfg, err := config.LoadParts(env, config.Documents)
	if err != nil {
		return tasks.Rules{Now: now}, err
	}
	return rulesOf(cfg, slog.New(slog.DiscardHandler), now), nil
}

// rulesOf are rules of settings that were read. What is wrong with the accounts file later is logged.
func rulesOf(cfg config.Config, log *slog.Logger, now func() time.Time) tasks.Rules {
	if cfg.File.Path == "" {
		merchant, escrow := cfg.OwnMerchant()
		return tasks.Rules{MerchantID: merchant, Escrow: escrow, Now: now}
	}
	live := cfg.Live(log)
	_, escrow, _ := live.Merchant("") // of templates
	return tasks.Rules{Escrow: escrow, Now: now, Accounts: live.Names, Merchants: func(id string) (tasks.Merchant, bool) {
		merchant, escrow, ok := live.Merchant(id)
		return tasks.Merchant{ID: merchant, Escrow: escrow}, ok
	}}
}
