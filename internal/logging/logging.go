// Package logging makes the programs' loggers. It imports package config for the names of the formats.
package logging

import (
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"
	"github.com/mattn/go-isatty"

	"issuance/internal/config"
)

// New makes a logger: coloured text on a terminal, or where format says so, else JSON.
func New(w io.Writer, format config.LogFormat, level slog.Level) *slog.Logger {
	terminal := false
	if f, ok := w.(*os.File); ok {
		terminal = isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd())
	}
	if format == config.LogText || format == config.LogAuto && terminal {
		return slog.New(tint.NewTextHandler(w, &tint.Options{Level: level, TimeFormat: time.TimeOnly, NoColor: !terminal}))
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
}
