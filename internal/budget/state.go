package budget

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// State is an account's budget at one moment.
type State struct {
	Account   string
	PerSecond float64 // what is allowed now: 0 during a ban, a part of Limit after it
	Limit     float64 // what is configured
	// Used counts the calls of the last minute (to five seconds) by lane; every lane is there.
	Used map[Lane]int
	// Ahead is how much of the future is taken: a bulk call would have to wait so long.
	Ahead time.Duration
	Ban   *Ban // nil without one
}

// Ban is a provider's refusal that is still on.
type Ban struct {
	Reason       string
	Since, Until time.Time
}

// State reads the budget without using any of it. A ban that this process alone knows of is told first.
func (b *Budget) State(ctx context.Context) (State, error) {
	if err := b.publish(ctx); err != nil {
		return State{}, err
	}
	var clock *redis.TimeCmd
	var tat, ban, used *redis.MapStringStringCmd
	_, err := b.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		clock = p.Time(ctx)
		tat, ban, used = p.HGetAll(ctx, b.keys.tat), p.HGetAll(ctx, b.keys.ban), p.HGetAll(ctx, b.keys.used)
		return nil
	})
	if err != nil {
		return State{}, b.unreachable(err)
	}
	now := clock.Val()
	if b.cfg.Now != nil {
		now = b.cfg.Now()
	}
	s := State{Account: b.cfg.Account, PerSecond: b.cfg.PerSecond, Limit: b.cfg.PerSecond, Used: map[Lane]int{}}
	if d := micros(tat.Val()["tat"]).Sub(now); d > 0 {
		s.Ahead = d
	}
	if until := micros(ban.Val()["until"]); now.Before(until) {
		s.PerSecond = 0
		s.Ban = &Ban{Reason: ban.Val()["reason"], Since: micros(ban.Val()["since"]), Until: until}
	} else if d := now.Sub(until); d < b.cfg.Ramp {
		s.PerSecond *= rampFrom + (1-rampFrom)*d.Seconds()/b.cfg.Ramp.Seconds()
	}
	for _, l := range Lanes {
		s.Used[l] = 0
	}
	current := now.UnixMicro() / bucket.Microseconds()
	for field, count := range used.Val() {
		at, lane, _ := strings.Cut(field, ":")
		i, errAt := strconv.ParseInt(at, 10, 64)
		n, errN := strconv.Atoi(count)
		if errAt == nil && errN == nil && i > current-keep && i <= current {
			s.Used[Lane(lane)] += n
		}
	}
	return s, nil
}

// micros reads a time of ours; an absent one is 1970.
func micros(s string) time.Time {
	n, _ := strconv.ParseInt(s, 10, 64)
	return time.UnixMicro(n)
}
