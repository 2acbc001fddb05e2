package handler_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"issuance/internal/handler"
	"issuance/providers"
)

// Only an outcome that a person has to act on, and that the account's health does not say, is an alarm.
func TestARefusalOfTheAccountIsAnAlarm(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	for _, o := range []providers.Outcome{{Kind: providers.Unknown, Code: "timeout"}, {Kind: providers.Held, Code: "trans_10001", Alarm: true}} {
		if handler.Refused(log, o); out.Len() > 0 {
			t.Errorf("%+v: %s", o, out.String())
		}
	}
	handler.Refused(log, providers.Outcome{Kind: providers.Unknown, Code: "trans_10001", Message: "refused", Alarm: true})
	if line := out.String(); !strings.Contains(line, "alarm: the provider refuses this account") || !strings.Contains(line, "code=trans_10001") {
		t.Error(line)
	}
}

// Every document that cannot be opened is recorded with the account's health.
func TestEveryMissingKeyIsRecorded(t *testing.T) {
	var out bytes.Buffer
	log, recorded := slog.New(slog.NewTextHandler(&out, nil)), 0
	for range 3 {
		handler.KeyMissing(log, "the document", errors.New("no key"), func(ctx context.Context) {
			if ctx.Err() == nil {
				recorded++
			}
		})
	}
	handler.KeyMissing(log, "the document", errors.New("no key"), nil)
	if recorded != 3 || strings.Count(out.String(), "alarm: the document cannot be opened") != 4 {
		t.Errorf("recorded %d times:\n%s", recorded, out.String())
	}
}
