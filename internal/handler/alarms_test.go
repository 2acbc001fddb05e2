package handler_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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

// A hundred thousand records wait for a key: they cost some 400 runs a second, not 10,000, and a few run as soon as ever.
func TestHoweverManyWaitForAKeyTheyCostTheSame(t *testing.T) {
	for _, c := range []struct {
		waiting   int
		perSecond float64
		longest   time.Duration
	}{
		{1, 0.1, 10 * time.Second}, {100, 10, 15 * time.Second}, {5_000, 21, 5 * time.Minute}, {100_000, 400, 5 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			wait := new(handler.KeyWaits).Next
			due := map[int64]int{} // second → records whose tasks run in it
			began := time.Now()
			at := func() int64 { return int64(time.Since(began) / time.Second) }
			longest := time.Duration(0)
			for range c.waiting {
				after := wait()
				longest = max(longest, after)
				due[at()+int64(after/time.Second)]++
			}
			const minutes = 20
			runs := 0
			for at() < minutes*60 {
				time.Sleep(time.Second)
				n := due[at()]
				runs += n
				for range n {
					after := wait()
					longest = max(longest, after)
					due[at()+max(int64(after/time.Second), 1)]++
				}
			}
			if rate := float64(runs) / (minutes * 60); rate > c.perSecond*1.05 || longest > c.longest {
				t.Errorf("%d records: %.1f runs a second, the longest wait is %s", c.waiting, rate, longest)
			}
			if runs < minutes*60/11 {
				t.Errorf("%d records: only %d runs in %d minutes: nobody notices that the key is missing still", c.waiting, runs, minutes)
			}
		})
	}
}
