package main

import (
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"
	"github.com/mattn/go-isatty"

	"issuance/internal/config"
)

// newLogger logs to w: coloured text on a terminal, JSON lines elsewhere, unless told otherwise.
func newLogger(w io.Writer, format config.LogFormat, level slog.Level) *slog.Logger {
	terminal := false
	if f, ok := w.(*os.File); ok {
		terminal = isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd())
	}
	if format == config.LogText || format == config.LogAuto && terminal {
		return slog.New(tint.NewTextHandler(w, &tint.Options{Level: level, TimeFormat: time.TimeOnly, NoColor: !terminal}))
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
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
