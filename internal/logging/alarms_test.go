package logging

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// Of one cause a line a minute is logged, which says how many were left out; all are counted, and other lines, other
// causes and other accounts are not held back.
func TestAlarmsOfOneCauseAreALineAMinute(t *testing.T) {
	var out bytes.Buffer
	now, counted := time.Unix(0, 0), map[string]int{}
	log := slog.New(alarmHandler{Handler: slog.NewTextHandler(&out, nil), limit: &alarmLimit{now: func() time.Time { return now }},
		raised: func(cause string, n int) { counted[cause] += n }})
	lines := func() int { return strings.Count(out.String(), "alarm: ") + strings.Count(out.String(), "msg=asked") }
	one := log.With("account", "ecticket:1")
	for i := range 5 {
		one.Error("alarm: it needs review", "code", "overdue", "order", fmt.Sprint("O", i))
		one.Info("asked", "code", "overdue")
	}
	if n := lines(); n != 1+5 {
		t.Fatalf("%d lines:\n%s", n, out.String())
	}
	if !strings.Contains(out.String(), `level=INFO msg="it needs review" account=ecticket:1 code=overdue order=O4`) {
		t.Errorf("what happened to an order is not in the log:\n%s", out.String())
	}
	log.With("account", "ecticket:2").Error("alarm: it needs review", "code", "overdue")
	one.Error("alarm: it needs review", "code", "in_doubt")
	one.Error("alarm: the account is banned", "left_out", 3)
	if n := lines(); n != 6+3 {
		t.Fatalf("%d lines:\n%s", n, out.String())
	}
	out.Reset()
	now = now.Add(alarmEvery)
	one.Error("alarm: it needs review", "code", "overdue")
	if got := out.String(); !strings.Contains(got, "left_out=4") || lines() != 1 {
		t.Error(got)
	}
	if counted["it_needs_review"] != 8 || counted["the_account_is_banned"] != 4 || len(counted) != 2 {
		t.Errorf("%v", counted)
	}
}

// While Redis is away every server of asynq says so, of every queue, many times a second: of each kind a line a minute is logged.
func TestRepetitionsOfAsynqAreALineAMinute(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	log := slog.New(alarmHandler{Handler: slog.NewTextHandler(&out, nil), limit: &alarmLimit{now: func() time.Time { return now }},
		raised: func(cause string, _ int) { t.Errorf("%s is counted as an alarm", cause) }})
	for i := range 30 {
		log.With("queue", fmt.Sprint("q", i%3)).Error("asynq: Dequeue error: connection refused")
		log.Info("asynq: starting")
	}
	log.Warn("asynq: Failed to write server state data: connection refused")
	now = now.Add(alarmEvery)
	log.Error("asynq: Dequeue error: i/o timeout")
	text := out.String()
	if strings.Count(text, "Dequeue error") != 2 || strings.Count(text, "starting") != 30 || strings.Count(text, "level=WARN") != 1 ||
		!strings.Contains(text, `msg="asynq: Dequeue error: i/o timeout" left_out=29`) {
		t.Errorf("logged:\n%s", text)
	}
}

// A cause is a few words, and no part of what follows the first punctuation.
func TestCause(t *testing.T) {
	for message, want := range map[string]string{
		"alarm: the account is unreachable: its calls are held":                 "the_account_is_unreachable",
		"alarm: the webhooks' proxy fails; deliveries wait":                     "the_webhooks_proxy_fails",
		"alarm: the webhook wants no more events (410) and is switched off; it": "the_webhook_wants_no_more_events",
	} {
		if got := Cause(message); got != want {
			t.Errorf("%q is %q", message, got)
		}
	}
}

// What stands in the way of thousands of orders is a line a minute, not one for each of their tries, and every try is counted.
// What another program has raised, and this one logs at level debug, is no alarm of its own.
func TestWhatStandsInTheWayIsOneLine(t *testing.T) {
	var out bytes.Buffer
	counted := 0
	log := slog.New(alarmHandler{Handler: slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}),
		limit: &alarmLimit{now: func() time.Time { return time.Unix(0, 0) }}, raised: func(_ string, n int) { counted += n }})
	for i := range 120 {
		log.With("account", "ecticket:1", "order", i).Warn("alarm: the document cannot be opened")
	}
	if n := strings.Count(out.String(), "\n"); n != 1 || counted != 120 {
		t.Errorf("%d lines, %d counted:\n%s", n, counted, out.String())
	}
	log.Debug("alarm: the account is banned")
	if n := strings.Count(out.String(), "\n"); n != 2 || counted != 120 {
		t.Errorf("%d lines, %d counted:\n%s", n, counted, out.String())
	}
}

// Whatever codes a provider makes up, what is remembered of them is bounded, and nothing is silenced for ever.
func TestManyCausesAreStillLogged(t *testing.T) {
	var out bytes.Buffer
	limit := &alarmLimit{now: time.Now}
	log := slog.New(alarmHandler{Handler: slog.NewTextHandler(&out, nil), limit: limit, raised: func(string, int) {}})
	const many = 2500
	for i := range many {
		log.Error("alarm: made up", "code", fmt.Sprint(i))
	}
	if n := strings.Count(out.String(), "alarm: made up"); n != many || len(limit.causes) > maxAlarms {
		t.Errorf("%d of %d causes were logged, %d are remembered", n, many, len(limit.causes))
	}
}
