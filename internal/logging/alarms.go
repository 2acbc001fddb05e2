package logging

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// alarmPrefix begins the message of a line that needs a person. Such messages are constants of the program.
const alarmPrefix = "alarm: "

const (
	alarmEvery = time.Minute
	maxAlarms  = 20_000 // more than there are, with thousands of accounts; the map must not grow with what a provider makes up

	// libraryPrefix begins what asynq says itself. While Redis is away, each server of each queue says the same many times a second.
	libraryPrefix = "asynq: "
)

// LimitAlarms has alarms of one cause logged at most once a minute: a message, with its account, code, webhook, queue or mistake. Of the
// others, those at level error report what has happened, and are logged at level info without the word alarm. Those at level
// warn report what stands in the way, come again with every try, and are not logged.
// The next line says how many were left out. raised is called for every alarm with its cause, a few words joined by '_'; n
// is how many the line stands for. Of asynq's own warnings and errors one of each kind a minute is logged, whichever queue it is of.
func LimitAlarms(log *slog.Logger, raised func(cause string, n int)) *slog.Logger {
	return slog.New(alarmHandler{Handler: log.Handler(), limit: &alarmLimit{now: time.Now}, raised: raised})
}

type alarmHandler struct {
	slog.Handler
	limit  *alarmLimit
	raised func(cause string, n int)
	about  string // what With has said of these
}

// Handle implements slog.Handler.
func (h alarmHandler) Handle(ctx context.Context, r slog.Record) error {
	if text, ofLibrary := strings.CutPrefix(r.Message, libraryPrefix); ofLibrary && r.Level >= slog.LevelWarn {
		kind, _, _ := strings.Cut(text, ": ")
		before, due := h.limit.due(libraryPrefix+kind, 1)
		if !due {
			return nil
		}
		return h.Handler.Handle(ctx, withLeftOut(r, before))
	}
	if r.Level < slog.LevelInfo || !strings.HasPrefix(r.Message, alarmPrefix) { // below, another program has raised it
		return h.Handler.Handle(ctx, r)
	}
	cause, about, n := Cause(r.Message), h.about, 1
	r.Attrs(func(a slog.Attr) bool {
		about += aboutOf(a)
		if a.Key == leftOut && a.Value.Kind() == slog.KindInt64 {
			n += int(a.Value.Int64())
		}
		return true
	})
	h.raised(cause, n)
	before, due := h.limit.due(cause+about, n)
	if !due { // what happened to an order stays in the log; it is no further alarm
		if r.Level < slog.LevelError {
			return nil
		}
		quiet := slog.NewRecord(r.Time, slog.LevelInfo, strings.TrimPrefix(r.Message, alarmPrefix), r.PC)
		r.Attrs(func(a slog.Attr) bool { quiet.AddAttrs(a); return true })
		if !h.Handler.Enabled(ctx, slog.LevelInfo) {
			return nil
		}
		return h.Handler.Handle(ctx, quiet)
	}
	return h.Handler.Handle(ctx, withLeftOut(r, before))
}

func withLeftOut(r slog.Record, n int) slog.Record {
	if n > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int(leftOut, n))
	}
	return r
}

// leftOut is how many alarms of the cause were not logged since the last line.
const leftOut = "left_out"

// WithAttrs implements slog.Handler.
func (h alarmHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		h.about += aboutOf(a)
	}
	h.Handler = h.Handler.WithAttrs(attrs)
	return h
}

// WithGroup implements slog.Handler.
func (h alarmHandler) WithGroup(name string) slog.Handler {
	h.Handler = h.Handler.WithGroup(name)
	return h
}

func aboutOf(a slog.Attr) string {
	switch a.Key {
	case "account", "code", "webhook", "queue", "mistake":
		return " " + a.Key + "=" + a.Value.String()
	}
	return ""
}

// Cause is an alarm's message up to the first punctuation, in words joined by '_'.
func Cause(message string) string {
	text := strings.TrimPrefix(message, alarmPrefix)
	if i := strings.IndexAny(text, ":;,("); i >= 0 {
		text = text[:i]
	}
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '\'' })
	return strings.ReplaceAll(strings.Join(words, "_"), "'", "")
}

// alarmLimit remembers when a cause was logged. Safe for concurrent use.
type alarmLimit struct {
	mu     sync.Mutex
	now    func() time.Time
	causes map[string]*alarmCause
}

type alarmCause struct {
	logged  time.Time
	leftOut int
}

// due says whether an alarm is logged now, and how many were left out before.
func (l *alarmLimit) due(why string, n int) (before int, due bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, c := l.now(), l.causes[why]
	if c != nil && now.Sub(c.logged) < alarmEvery {
		c.leftOut += n
		return 0, false
	}
	if c != nil {
		before = c.leftOut
	}
	if l.causes == nil || c == nil && len(l.causes) >= maxAlarms {
		l.causes = map[string]*alarmCause{}
	}
	l.causes[why] = &alarmCause{logged: now}
	return before, true
}
