package budget

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/testredis"
	"issuance/providers"
	"issuance/tasks/order"
)

// deployment is some workers, each with a log of its own.
type deployment struct {
	*testing.T
	rdb       *redis.Client
	logs      [4]bytes.Buffer
	workers   [4]*Budget
	reporters [4]*Reporter
}

func deploy(t *testing.T, s *testredis.Server) *deployment {
	d := &deployment{T: t, rdb: s.Client()}
	for i := range d.workers {
		log := slog.New(slog.NewTextHandler(&d.logs[i], &slog.HandlerOptions{Level: slog.LevelDebug}))
		b, err := New(d.rdb, Config{Account: account, PerSecond: rate, Ban: time.Second, Ramp: time.Second, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		d.workers[i], d.reporters[i] = b, &Reporter{RDB: d.rdb, Log: log}
	}
	if err := d.workers[0].Announce(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.look(1, slog.LevelDebug, "level", 0)
	return d
}

// look has every worker look so many times, all at once, and wants so many lines of all at a level, and none above.
func (d *deployment) look(times int, level slog.Level, text string, lines int) {
	d.Helper()
	var looks sync.WaitGroup
	for _, r := range d.reporters {
		looks.Go(func() {
			for range times {
				if err := r.Look(d.Context()); err != nil {
					d.Error(err)
				}
			}
		})
	}
	looks.Wait()
	var all, loud string
	for i := range d.logs {
		for line := range strings.Lines(d.logs[i].String()) {
			if all += line; !strings.Contains(line, "level=DEBUG") {
				loud += line
			}
		}
		d.logs[i].Reset()
	}
	if n := strings.Count(loud, "\n"); n != lines || strings.Count(loud, "level="+level.String()+" ") != lines || strings.Count(loud, text) != lines {
		d.Errorf("%q is %d lines of all workers:\n%s", text, n, all)
	}
}

// A change of an account's health is one line of a whole deployment, whoever sees it first; the others' is at level debug.
func TestAChangeOfHealthIsOneLineOfAllWorkers(t *testing.T) {
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		d := deploy(t, s)
		ctx := t.Context()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		_, _, err := Pause(ctx, d.rdb, account, "", "ann", "prices")
		must(err)
		d.look(2, slog.LevelWarn, "the account is paused", 1)
		d.look(2, slog.LevelWarn, "level", 0)
		_, err = Resume(ctx, d.rdb, account, "")
		must(err)
		d.look(2, slog.LevelInfo, "the account is ok again", 1)

		d.workers[1].KeyMissing(ctx)
		d.look(2, slog.LevelWarn, "the account is key_missing", 1)
		must(d.rdb.Del(ctx, keys.Health(account.String(), account)).Err())
		d.look(1, slog.LevelInfo, "the account is ok again", 1)

		d.workers[2].Banned(ctx, "HTTP 403") // is logged by the worker that drew it
		d.look(2, slog.LevelError, "alarm: the account is banned", 1)
		must(d.rdb.Del(ctx, keys.Budget(account.String())+"ban").Err())
		d.look(2, slog.LevelInfo, "the account is ok again", 1)

		trouble := providers.Condition{State: providers.HealthUnreachable, Code: "timeout", Took: 11 * time.Second}
		for _, b := range d.workers {
			b.Answered(ctx, trouble)
		}
		d.look(2, slog.LevelError, "alarm: the account is unreachable", 1)
		trouble.State = providers.HealthGarbage
		for range 2 { // one page is none
			d.workers[3].Answered(ctx, trouble)
		}
		d.look(2, slog.LevelError, "alarm: the account is garbage", 1)
		d.workers[3].Answered(ctx, providers.Condition{State: providers.HealthOK})
		d.look(2, slog.LevelInfo, "the account is ok again", 1)

		// One that no worker's call has shown, such as the command line's, is logged all the same.
		silent, err := New(d.rdb, Config{Account: account, PerSecond: rate})
		must(err)
		silent.Banned(WithLane(ctx, order.Poll), "HTTP 403")
		d.look(2, slog.LevelError, "alarm: the account is banned", 1)

		must(d.rdb.HSet(ctx, keys.Accounts, account.String(), `{"calls_per_second":4,"at":"2020-01-01T00:00:00Z"}`).Err())
		d.look(2, slog.LevelError, "alarm: the account is no_worker", 1)
	})
}

// What was seen before the latest report changes nothing, however late it comes.
func TestAnOlderLookIsNoChange(t *testing.T) {
	rdb := testredis.Start(t).Client()
	for i, c := range []struct {
		health providers.Health
		at     string
		was    providers.Health
		mine   bool
	}{{providers.HealthOK, "100", "", false}, {providers.HealthBanned, "200", providers.HealthOK, true}, {providers.HealthBanned, "300", "", false},
		{providers.HealthOK, "150", "", false}, {providers.HealthOK, "400", providers.HealthBanned, true}, {providers.HealthBanned, "350", "", false}} {
		was, mine, err := claimReport(t.Context(), rdb, account, c.health, c.at)
		if was != c.was || mine != c.mine || err != nil {
			t.Errorf("%d: %q %t %v", i, was, mine, err)
		}
	}
}
