package budget

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/providers"
)

// Minutes is how far back LastHour looks.
const Minutes = 60

// LastHour counts the calls of an account's allowance, of all lanes, in each of the last 60 minutes by Redis' clock: the
// oldest first, and at the end the minute that has just begun.
func LastHour(ctx context.Context, rdb redis.UniversalClient, allowance string, a providers.Account) ([Minutes]int, error) {
	var out [Minutes]int
	var clock *redis.TimeCmd
	var counters *redis.MapStringStringCmd
	if _, err := rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		clock, counters = p.Time(ctx), p.HGetAll(ctx, keysOf(allowance, a).minutes)
		return nil
	}); err != nil {
		return out, fmt.Errorf("calls of the last hour of %s: %w", a, err)
	}
	now := clock.Val().Unix() / int64(time.Minute/time.Second)
	for field, count := range counters.Val() {
		at, errAt := strconv.ParseInt(field, 10, 64)
		n, errN := strconv.Atoi(count)
		if age := now - at; errAt == nil && errN == nil && age >= 0 && age < Minutes {
			out[Minutes-1-age] = n
		}
	}
	return out, nil
}
