package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/redisconn"
)

// Limits of a healthy Redis.
const (
	slowPing = 50 * time.Millisecond // slower, and every order takes noticeably longer
	fullAt   = 0.8                   // of maxmemory
	pings    = 5
)

// graveRedis are the warnings by which accepted orders can be lost.
var graveRedis = []redisconn.Code{redisconn.NoPersistence, redisconn.Evicts, redisconn.DiskTrouble}

func (x *examination) redis(ctx context.Context) error {
	if err := redisconn.TakesWrites(ctx, x.RDB); err != nil && redisconn.RefusalOf(err) != redisconn.NotPermitted && !loading(err) {
		x.add(Wrong, "", redisconn.Plain(err), "look at Redis' log, its memory and its disk; until then nothing is accepted and no call leaves")
	}
	if err := x.latency(ctx); err != nil {
		return err
	}
	warnings, err := redisconn.Inspect(ctx, x.RDB)
	if redisconn.RefusalOf(err) == redisconn.NotPermitted {
		return err
	}
	if err != nil {
		x.add(Wrong, "", redisconn.Plain(err), "give workers and producers the address of a master of a current version")
		return nil
	}
	for _, w := range append(redisconn.Exposure(ctx, x.Redis, x.Settings.Redis.Private()), warnings...) {
		level := Note
		if slices.Contains(graveRedis, w.Code) && !x.Sandbox {
			level = Wrong
		}
		if w.Code == redisconn.ClockSkew {
			continue // see clocks
		}
		x.add(level, "", w.Text, w.Fix)
	}
	return x.memory(ctx)
}

// latency measures what every step of an order waits for, and reports the version.
func (x *examination) latency(ctx context.Context) error {
	var took []time.Duration
	for range pings {
		began := x.Now()
		if err := x.RDB.Ping(ctx).Err(); err != nil {
			return err
		}
		took = append(took, x.Now().Sub(began))
	}
	slices.Sort(took)
	if median := took[pings/2]; median > slowPing {
		x.addf(Note, "", "move Redis nearer to the workers, or look at its load (SLOWLOG)", "Redis takes %s to answer", median.Round(time.Millisecond))
	}
	return nil
}

// readInfo reads what Redis says of itself.
func readInfo(ctx context.Context, rdb redis.UniversalClient) (map[string]string, error) {
	text, err := rdb.Info(ctx, "server", "memory").Result()
	if err != nil {
		text, err = rdb.Info(ctx).Result() // older than 7, or embedded
	}
	if err != nil {
		return nil, err
	}
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[k] = v
		}
	}
	return info, nil
}

func (x *examination) memory(ctx context.Context) error {
	info, err := readInfo(ctx, x.RDB)
	if err != nil {
		return err
	}
	used, errUsed := strconv.ParseFloat(info["used_memory"], 64)
	most, errMost := strconv.ParseFloat(info["maxmemory"], 64)
	if version := info["redis_version"]; version != "" {
		x.add(OK, "", fmt.Sprintf("%s: version %s, %s used", x.Redis.Describe(), version, strings.TrimSpace(info["used_memory_human"])), "")
	}
	if errors.Join(errUsed, errMost) == nil && most > 0 && used/most >= fullAt {
		x.addf(Wrong, "", "raise maxmemory before it is full: then Redis takes no writes", "Redis has used %.0f%% of maxmemory", 100*used/most)
	}
	return nil
}

// clocks compares Redis' clock with ours, and the providers' with ours.
func (x *examination) clocks(ctx context.Context) error {
	before := x.Now()
	at, err := x.RDB.Time(ctx).Result()
	if err != nil {
		return err
	}
	const mostSkew = 3 * time.Second
	if skew := at.Sub(before.Add(x.Now().Sub(before) / 2)); skew.Abs() > mostSkew {
		x.addf(Wrong, "", "run NTP (chrony, systemd-timesyncd) on both machines", "Redis' clock is %s %s this machine's", skew.Abs().Round(time.Second), aheadOrBehind(skew))
	} else {
		x.add(OK, "", "Redis' clock and ours agree", "")
	}
	for _, c := range x.Clients {
		x.clock(c.Provider)
	}
	return nil
}
