// Package redisconn turns REDIS_URL or REDIS_CLUSTER_ADDRS into the one Redis client that a
// process shares among queue, ledger and budget, and warns when that Redis may lose orders or is open to others. It imports
// internal/keys and internal/tlstext. No error, warning or description shows a password.
//
// The client resends a command whose answer was lost (up to three times, in a cluster six), so a command may run
// twice on the server: every script has to be safe to run twice.
package redisconn

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Kind is how the server is found.
type Kind string

const (
	Single   Kind = "single"   // redis://, rediss:// or unix://
	Sentinel Kind = "sentinel" // redis-sentinel:// or rediss-sentinel://
	Cluster  Kind = "cluster"  // REDIS_CLUSTER_ADDRS
)

// Limits of every client made here.
const (
	PoolSize     = 64              // connections per server, unless pool_size says otherwise
	DialTimeout  = 5 * time.Second // one attempt to connect
	ReadTimeout  = 3 * time.Second // one answer; a shorter deadline of the context wins
	WriteTimeout = 3 * time.Second
)

// In a cluster whose slots are moved a command is sent several times: to the node that a slot has left, to the one that it is on
// its way to, and, while only some of the keys of a script have arrived there, again and again (TRYAGAIN). These outlast a
// move of some thousand keys.
const (
	clusterTries  = 6
	clusterPauses = 16 * time.Millisecond // the first of them, doubled up to half a second
	clusterDials  = 1                     // of one of them: who is in the place of a node that is gone is asked meanwhile
)

// Options says where Redis is. Only Parse makes one; the zero value reaches nothing. It
// implements asynq.RedisConnOpt for code that makes a client of its own.
type Options struct {
	kind       Kind
	network    string // "unix", or empty for TCP
	addrs      []string
	master     string // Sentinel's name of it
	username   string
	password   string
	sentinelUN string
	sentinelPW string
	db         int
	tls        *tls.Config
	poolSize   int
}

// Kind is how the server is found.
func (o Options) Kind() Kind { return o.kind }

// New makes a client: a *redis.Client (also for Sentinel) or a *redis.ClusterClient. It does
// not connect yet. Make one per process and share it, also with asynq
// (asynq.NewClientFromRedisClient and so on), and close it last.
func (o Options) New() redis.UniversalClient {
	c := o.client()
	c.AddHook(patient{})
	return c
}

func (o Options) client() redis.UniversalClient {
	takeLibraryLog()
	u := &redis.UniversalOptions{
		Addrs:                 o.addrs,
		DB:                    o.db,
		Username:              o.username,
		Password:              o.password,
		SentinelUsername:      o.sentinelUN,
		SentinelPassword:      o.sentinelPW,
		MasterName:            o.master,
		IsClusterMode:         o.kind == Cluster,
		TLSConfig:             o.tls.Clone(),
		PoolSize:              o.poolSize,
		DialTimeout:           DialTimeout,
		ReadTimeout:           ReadTimeout,
		WriteTimeout:          WriteTimeout,
		MaxRedirects:          clusterTries,
		ContextTimeoutEnabled: true,
		// A handshake of one vendor's servers; others answer it with an error.
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if o.kind == Single { // NewUniversalClient has no Network option, and takes two addresses for a cluster
		single := u.Simple()
		single.Network = o.network
		return redis.NewClient(single)
	}
	if o.kind == Cluster {
		u.MinRetryBackoff, u.DialerRetries = clusterPauses, clusterDials
		cluster := redis.NewClusterClient(u.Cluster())
		follow(cluster)
		return cluster
	}
	return redis.NewUniversalClient(u)
}

// WithPoolSize is o with another number of connections per server.
func (o Options) WithPoolSize(n int) Options {
	o.poolSize = n
	return o
}

// MakeRedisClient implements asynq.RedisConnOpt; it is New.
func (o Options) MakeRedisClient() any { return o.New() }

// NoAnswerError says that a Redis could not be asked. It may be there later.
type NoAnswerError struct {
	err  error
	text string
}

func (e *NoAnswerError) Error() string { return e.text }
func (e *NoAnswerError) Unwrap() error { return e.err }

// Connect makes a client and waits for its first answer, which a Redis refuses, or does not give (*NoAnswerError). On an error
// nothing is left open; Mends reports whether it may be worth another try.
func Connect(ctx context.Context, o Options) (redis.UniversalClient, error) {
	c := o.New()
	// The library goes on reading, and trying again, when the context is cancelled.
	stopped := context.AfterFunc(ctx, func() { _ = c.Close() })
	err := c.Ping(ctx).Err()
	if !stopped() {
		err = cmp.Or(err, context.Cause(ctx))
	}
	if err != nil {
		_ = c.Close()
		if RefusalOf(err) != NotRefused {
			return nil, fmt.Errorf("connect to %s: %w", o.Describe(), err)
		}
		if text := NoWrites(err); text != "" {
			return nil, &NoAnswerError{err: err, text: fmt.Sprintf("%s %s", o.Describe(), text)}
		}
		advice := cmp.Or(o.tlsAdvice(err), "check that it runs and that REDIS_URL (or REDIS_CLUSTER_ADDRS) is right")
		return nil, &NoAnswerError{err: err, text: fmt.Sprintf("%s does not answer: %v; %s", o.Describe(), err, advice)}
	}
	return c, nil
}

// Describe names the server for logs and error texts: addresses and database, no credentials.
func (o Options) Describe() string {
	var b strings.Builder
	at := strings.Join(o.addrs, ", ")
	switch o.kind {
	case Sentinel:
		fmt.Fprintf(&b, "Redis master %q of the Sentinels %s, database %d", o.master, at, o.db)
	case Cluster:
		fmt.Fprintf(&b, "Redis Cluster at %s", at)
	case Single:
		fmt.Fprintf(&b, "Redis at %s, database %d", at, o.db)
	default:
		return "no Redis"
	}
	if o.tls != nil {
		b.WriteString(", TLS")
	}
	return b.String()
}

func (o Options) String() string               { return o.Describe() }
func (o Options) GoString() string             { return o.Describe() }
func (o Options) LogValue() slog.Value         { return slog.StringValue(o.Describe()) }
func (o Options) MarshalText() ([]byte, error) { return []byte(o.Describe()), nil }
