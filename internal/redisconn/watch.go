package redisconn

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
)

// Timing of Watch.
const (
	watchEvery   = 5 * time.Second
	watchLimit   = 3 * time.Second // of one question
	watchPatient = 15 * time.Second
	watchAgain   = time.Minute + time.Second // what limits alarms leaves out those within a minute
)

// Watch asks Redis for an answer every few seconds until the context ends. Without one for 15 s it raises an alarm, and again
// every minute; one line says that Redis is back. An answer that is an error is one.
func Watch(ctx context.Context, c redis.UniversalClient, log *slog.Logger) {
	watch(ctx, func(ctx context.Context) error { return c.Ping(ctx).Err() }, log)
}

func watch(ctx context.Context, ping func(context.Context) error, log *slog.Logger) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	answered, alarmed := time.Now(), time.Time{}
	for {
		err := within(ctx, ping)
		var answer redis.Error
		switch now := time.Now(); {
		case ctx.Err() != nil:
			return
		case err == nil || errors.As(err, &answer):
			if !alarmed.IsZero() {
				log.Warn("Redis answers again", "after_s", int(now.Sub(answered).Seconds()))
			}
			answered, alarmed = now, time.Time{}
		case now.Sub(answered) >= watchPatient && now.Sub(alarmed) >= watchAgain:
			log.Error("alarm: Redis does not answer; nothing is accepted and no call leaves until it does", "for_s", int(now.Sub(answered).Seconds()), "error", err)
			alarmed = now
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func within(ctx context.Context, ping func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, watchLimit)
	defer cancel()
	return ping(ctx)
}
