package budget

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/providers"
)

// claimReport asks whether this program is the one to log that an account's health is h, as of a moment (microseconds, "" for
// now). was is the health that was logged before.
func claimReport(ctx context.Context, rdb redis.UniversalClient, a providers.Account, h providers.Health, at string) (was providers.Health, mine bool, err error) {
	reply, err := reportScript.Run(ctx, rdb, []string{keys.Healths}, a.String(), string(h), at).Slice()
	if err != nil {
		return "", false, fmt.Errorf("health of %s: %w", a, err)
	}
	if len(reply) == 2 {
		text, _ := reply[1].(string)
		return providers.Health(text), true, nil
	}
	return "", false, nil
}

// reports is the level at which this process logs that its account's health is h: its own if no other program has logged it.
// Where Redis does not say, a line too many is better than none.
func (b *Budget) reports(ctx context.Context, h providers.Health, own slog.Level) slog.Level {
	if !b.cfg.Log.Enabled(ctx, own) {
		return own // a program without a log leaves it to another one
	}
	if _, mine, err := claimReport(ctx, b.rdb, b.cfg.Account, h, b.now()); err == nil && !mine {
		return slog.LevelDebug
	}
	return own
}

// Reporter logs changes of all announced accounts' health: each once, whichever of a deployment's programs sees it first. The
// others log it at level debug. What a call of this program shows its Budget logs at once. It is for one goroutine.
type Reporter struct {
	RDB redis.UniversalClient
	Log *slog.Logger

	known map[providers.Account]providers.Health
}

const (
	reportEvery  = 5 * time.Second
	reportWithin = 5 * time.Second
)

// Look logs what has changed since it was logged last.
func (r *Reporter) Look(ctx context.Context) error {
	states, err := States(ctx, r.RDB)
	if err != nil {
		return err
	}
	reported, err := r.RDB.HGetAll(ctx, keys.Healths).Result()
	if err != nil {
		return fmt.Errorf("healths: %w", err)
	}
	if r.known == nil {
		r.known = map[providers.Account]providers.Health{}
	}
	for _, s := range states {
		now, _, _ := s.Health()
		before, looked := r.known[s.Account]
		r.known[s.Account] = now
		_, last, known := strings.Cut(reported[s.Account.String()], " ")
		if last == string(now) || !known && now == providers.HealthOK {
			if looked && before != now {
				r.log(s, before, slog.LevelDebug)
			}
			continue
		}
		was, mine, err := claimReport(ctx, r.RDB, s.Account, now, strconv.FormatInt(s.At.UnixMicro(), 10))
		if err != nil {
			return err
		}
		if mine {
			r.log(s, was, slog.LevelError)
		}
	}
	return nil
}

// Run looks until the context ends.
func (r *Reporter) Run(ctx context.Context) {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		r.lookWithin(ctx, reportWithin)
	}
}

func (r *Reporter) lookWithin(ctx context.Context, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := r.Look(ctx); err != nil {
		r.Log.DebugContext(ctx, "the accounts' health could not be read", "error", err)
	}
}

// log logs a state at a level, or at a lower one where nobody has to act at once.
func (r *Reporter) log(s State, was providers.Health, level slog.Level) {
	h, since, why := s.Health()
	log := r.Log.With("account", s.Account.String(), "health", string(h), "was", string(was))
	if !since.IsZero() {
		log = log.With("since", since.UTC())
	}
	ctx := context.Background()
	switch h {
	case providers.HealthOK:
		log.Log(ctx, min(level, slog.LevelInfo), "the account is ok again")
	case providers.HealthPaused, providers.HealthKeyMissing:
		log.Log(ctx, min(level, slog.LevelWarn), "the account is "+string(h), "why", why)
	default:
		log.Log(ctx, level, "alarm: the account is "+string(h)+": none of its orders goes on", "why", why)
	}
}
