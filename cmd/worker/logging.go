package main

import (
	"io"
	"log/slog"
	"time"

	"github.com/lmittmann/tint"
	"github.com/mattn/go-isatty"

	"issuance/internal/config"
)

// newLogger logs to w: coloured text on a terminal, JSON lines elsewhere, unless the format says otherwise.
func newLogger(w io.Writer, format config.LogFormat, level slog.Level) *slog.Logger {
	terminal := false
	if f, ok := w.(interface{ Fd() uintptr }); ok {
		terminal = isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd())
	}
	if format == config.LogText || format == config.LogAuto && terminal {
		return slog.New(tint.NewTextHandler(w, &tint.Options{Level: level, TimeFormat: time.TimeOnly, NoColor: !terminal}))
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: durationsInMilliseconds}))
}

// durationsInMilliseconds gives durations, which would be nanoseconds without a unit in JSON, a unit in their
// name: took_ms.
func durationsInMilliseconds(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() != slog.KindDuration {
		return a
	}
	return slog.Float64(a.Key+"_ms", float64(a.Value.Duration().Microseconds())/1000)
}

// levelOf is the level to log at: a sandbox tells its story in another way and logs only what is
// out of the ordinary.
func levelOf(f flags) slog.Level {
	switch {
	case f.verbose:
		return slog.LevelDebug
	case f.sandbox:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}
