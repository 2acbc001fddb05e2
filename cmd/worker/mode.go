package main

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/redisconn"
)

const (
	// modeEvery is how often a worker asks whether its Redis is still of its own mode, as often as its queues'
	// servers say that they live.
	modeEvery = 5 * time.Second
	// modeLimit bounds one question.
	modeLimit = 3 * time.Second
)

// modeWatch keeps asking whether a worker's Redis is still what the worker is for: another one may answer at its
// address after a failover or a restored backup. No call leaves while it is of the other mode.
type modeWatch struct {
	rdb   redis.UniversalClient
	mode  redisconn.Mode
	log   *slog.Logger
	wrong atomic.Pointer[redisconn.ModeError]
}

// Run asks until the context ends.
func (m *modeWatch) Run(ctx context.Context) { every(ctx, modeEvery, m.once) }

// once asks. A Redis that does not answer changes nothing: no call leaves without it in any case.
func (m *modeWatch) once(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, modeLimit)
	defer cancel()
	err := redisconn.Mark(ctx, m.rdb, m.mode)
	var wrong *redisconn.ModeError
	switch {
	case errors.As(err, &wrong):
		if m.wrong.Swap(wrong) == nil {
			m.log.Error("alarm: Redis is another one than at the start; no call leaves until it is the right one again", "error", wrong)
		}
	case err == nil && m.wrong.Swap(nil) != nil:
		m.log.Warn("Redis is the right one again: calls may leave")
	}
}
