package handler_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"issuance/internal/handler"
	"issuance/internal/handlertest"
	"issuance/providers"
)

// A cause that stops thousands of orders is one line a minute, which says how many were left out.
func TestOneCauseIsOneLineAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(slog.NewTextHandler(&out, nil))
		alarms := &handler.Alarms{}
		refused := providers.Outcome{Kind: providers.Unknown, Code: "trans_10001", Message: "refused", Alarm: true}
		for i := range 120 { // half a second apart
			alarms.Outcome(log.With("order", i), handlertest.ECTicket, refused)
			<-time.After(500 * time.Millisecond)
		}
		alarms.Outcome(log, handlertest.ECTicket, refused)
		alarms.Outcome(log, handlertest.Pass2U, refused) // another account's is another cause
		refused.Code = "trans_10002"
		alarms.Outcome(log, handlertest.ECTicket, refused)
		alarms.Outcome(log, handlertest.ECTicket, providers.Outcome{Kind: providers.Unknown, Code: "timeout"}) // nobody has to act
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 4 || strings.Contains(lines[0], "left_out") || !strings.Contains(lines[0], "alarm: ") || !strings.Contains(lines[1], "left_out=119") {
			t.Errorf("%d lines:\n%s", len(lines), out.String())
		}
	})
}

// Whatever codes a provider makes up, what is remembered of them is bounded, and nothing is silenced for ever.
func TestManyCausesAreStillLogged(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	alarms := &handler.Alarms{}
	const many = 2500
	for i := range many {
		alarms.Log(log, fmt.Sprint(i), "made up")
	}
	if n := strings.Count(out.String(), "alarm: made up"); n != many {
		t.Errorf("%d of %d causes were logged", n, many)
	}
}

// Every document that cannot be opened is recorded with the account's health, also where the log is silent.
func TestEveryMissingKeyIsRecorded(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	alarms, recorded := &handler.Alarms{}, 0
	for range 3 {
		alarms.KeyMissing(log, handlertest.ECTicket, "the document", errors.New("no key"), func(ctx context.Context) {
			if ctx.Err() == nil {
				recorded++
			}
		})
	}
	alarms.KeyMissing(log, handlertest.ECTicket, "the document", errors.New("no key"), nil)
	if recorded != 3 || strings.Count(out.String(), "alarm: the document cannot be opened") != 1 {
		t.Errorf("recorded %d times:\n%s", recorded, out.String())
	}
}

// A hundred thousand records wait for a key: they cost some 400 runs a second, not 10,000, and a few run as soon as ever.
func TestHoweverManyWaitForAKeyTheyCostTheSame(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for _, c := range []struct {
		waiting   int
		perSecond float64
		longest   time.Duration
	}{
		{1, 0.1, 10 * time.Second}, {100, 10, 15 * time.Second}, {5_000, 21, 5 * time.Minute}, {100_000, 400, 5 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			alarms := &handler.Alarms{}
			wait := func() time.Duration {
				return alarms.KeyMissing(log, handlertest.ECTicket, "the document", errors.New("no key"), nil)
			}
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
