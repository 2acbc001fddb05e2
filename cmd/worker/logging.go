package main

import "log/slog"

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
