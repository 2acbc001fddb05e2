// Package logging makes the programs' loggers. It imports package config for the names of the formats.
package logging

import (
	"io"
	"log/slog"
	"time"

	"github.com/lmittmann/tint"
	"github.com/mattn/go-isatty"

	"issuance/internal/config"
)

// New makes a logger: coloured text on a terminal, or where format says so, else JSON.
func New(w io.Writer, format config.LogFormat, level slog.Level) *slog.Logger {
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
