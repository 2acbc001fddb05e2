package redisconn

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// The Redis library has one log for the whole process, by default standard error. Its lines repeat what the
// errors of its calls say, so that they are of use to a developer only.
var (
	libraryLog     atomic.Pointer[slog.Logger] // nil: nowhere
	takeLibraryLog = sync.OnceFunc(func() { redis.SetLogger(libraryLines{}) })
)

// LogTo sends the Redis library's own lines to log, at level debug; those about a Sentinel's switch to another
// master, which no error reports, at level info. By default they are left out. It holds for the whole process.
func LogTo(log *slog.Logger) {
	libraryLog.Store(log)
	takeLibraryLog()
}

type libraryLines struct{}

func (libraryLines) Printf(ctx context.Context, format string, v ...any) {
	log := libraryLog.Load()
	if log == nil {
		return
	}
	level, text := slog.LevelDebug, fmt.Sprintf(format, v...)
	if strings.HasPrefix(text, "sentinel: new master") {
		level = slog.LevelInfo
	}
	log.Log(ctx, level, "Redis library", "text", text)
}
