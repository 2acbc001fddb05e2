package pollers

import (
	"context"
	"embed"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/providers"
)

// The provider issues in scheduled jobs, oldest orders first, so the oldest pending order speaks
// for all: while it is not issued, nobody younger is asked; when it is, the next are woken at once,
// and each one that turns out issued wakes another. Under load that is one poll an order, and a
// lone order is noticed within seconds.
//
// One state in Redis serves all workers; nobody is elected. An order that is late stops being the
// sentinel. Every few ticks a scout looks past the sentinel, in case the provider issues out of
// order. If the sentinel falls silent, the safety net's polls go through again and the first order
// asked takes over.

//go:embed scripts/*.lua
var sentinelFiles embed.FS

func sentinelScript(name string) *redis.Script {
	prelude, err := sentinelFiles.ReadFile("scripts/prelude.lua")
	if err != nil {
		panic(err) // embedded at build time
	}
	body, err := sentinelFiles.ReadFile("scripts/" + name + ".lua")
	if err != nil {
		panic(err)
	}
	return redis.NewScript(string(prelude) + "\n" + string(body))
}

var (
	enterScript        = sentinelScript("enter")
	maySkipScript      = sentinelScript("may_skip")
	stillPendingScript = sentinelScript("still_pending")
	finishedScript     = sentinelScript("finished")
)

// SentinelConfig of a Sentinel. The zero value of a field means its default.
type SentinelConfig struct {
	// Every is the pause between polls of the oldest pending order. Default 5 s.
	Every time.Duration
	// Expected is the age from which an order is late. Default 5 min.
	Expected time.Duration
	// Window is how many orders may be woken and not yet answered. Default 8.
	Window int
	// ScoutEvery is after how many ticks of the sentinel a scout is sent. Default 3.
	ScoutEvery int
	// Now replaces Redis's clock, for tests and simulations.
	Now func() time.Time
}

// Sentinel decides which pending orders of one provider are worth a call. Safe for concurrent use
// by any number of workers.
type Sentinel struct {
	rdb  redis.UniversalClient
	keys []string
	cfg  SentinelConfig
}

// NewSentinel makes a sentinel over rdb, which stays the caller's to close.
func NewSentinel(rdb redis.UniversalClient, p providers.Name, c SentinelConfig) *Sentinel {
	if c.Every <= 0 {
		c.Every = 5 * time.Second
	}
	if c.Expected <= 0 {
		c.Expected = 5 * time.Minute
	}
	if c.Window <= 0 {
		c.Window = 8
	}
	if c.ScoutEvery <= 0 {
		c.ScoutEvery = 3
	}
	tag := fmt.Sprintf("issuance:{pending:%s}:", p)
	return &Sentinel{rdb: rdb, keys: []string{tag + "waiting", tag + "asked", tag + "sentinel"}, cfg: c}
}

func (s *Sentinel) args(orderID string, more ...any) []any {
	now := ""
	if s.cfg.Now != nil {
		now = strconv.FormatInt(s.cfg.Now().UnixMilli(), 10)
	}
	return append([]any{now, s.cfg.Expected.Milliseconds(), orderID}, more...)
}

// silence is how old the sentinel's last answer may be before it is taken for dead.
func (s *Sentinel) silence() int64 { return (3 * s.cfg.Every).Milliseconds() }

// Enter adds an accepted order. oldest means that it is the sentinel from now on.
func (s *Sentinel) Enter(ctx context.Context, orderID string, accepted time.Time) (oldest bool, err error) {
	n, err := enterScript.Run(ctx, s.rdb, s.keys, s.args(orderID, accepted.UnixMilli())...).Int()
	if err != nil {
		return false, fmt.Errorf("pollers: sentinel: %w", err)
	}
	return n == 1, nil
}

// MaySkip reports whether a poll of the safety net is needless, because an older order has just
// answered "not yet".
func (s *Sentinel) MaySkip(ctx context.Context, orderID string, accepted time.Time) (bool, error) {
	n, err := maySkipScript.Run(ctx, s.rdb, s.keys, s.args(orderID, accepted.UnixMilli(), s.silence())...).Int()
	if err != nil {
		return false, fmt.Errorf("pollers: sentinel: %w", err)
	}
	return n == 1, nil
}

// StillPending records that an order was asked for and is not issued yet. sentinel means that it is
// to be asked again after Every; wake names orders to ask at once.
func (s *Sentinel) StillPending(ctx context.Context, orderID string, accepted time.Time) (sentinel bool, wake []string, err error) {
	r, err := stillPendingScript.Run(ctx, s.rdb, s.keys,
		s.args(orderID, accepted.UnixMilli(), s.silence(), s.cfg.ScoutEvery)...).StringSlice()
	if err != nil {
		return false, nil, fmt.Errorf("pollers: sentinel: %w", err)
	}
	return r[0] == "1", r[1:], nil
}

// Finished removes an order that is final; wake names orders to ask at once.
func (s *Sentinel) Finished(ctx context.Context, orderID string) (wake []string, err error) {
	wake, err = finishedScript.Run(ctx, s.rdb, s.keys, s.args(orderID, s.cfg.Window)...).StringSlice()
	if err != nil {
		return nil, fmt.Errorf("pollers: sentinel: %w", err)
	}
	return wake, nil
}

// Pending counts the orders that wait to be asked for and those being asked.
func (s *Sentinel) Pending(ctx context.Context) (int64, error) {
	pipe := s.rdb.Pipeline()
	waiting, asked := pipe.ZCard(ctx, s.keys[0]), pipe.ZCard(ctx, s.keys[1])
	if _, err := pipe.Exec(ctx); err != nil {
		return 0, fmt.Errorf("pollers: sentinel: %w", err)
	}
	return waiting.Val() + asked.Val(), nil
}
