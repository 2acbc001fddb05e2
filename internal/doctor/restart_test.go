package doctor_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/doctor"
	"issuance/internal/keys"
	"issuance/internal/testredis"
)

// ages has Redis say that it has run for hours, unless it is to be young.
type ages struct {
	testredis.Hook
	young *bool
}

func (a ages) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if s, ok := cmd.(*redis.StringCmd); ok && cmd.Name() == "info" && err == nil && !*a.young {
			s.SetVal(s.Val() + "\r\nuptime_in_seconds:9000\r\n") // the last one counts
		}
		return err
	}
}

// Right after Redis has come back, what workers and front doors could not do while it was away is no alarm: it is noted with
// when Redis started, and wrong once they have had the time.
func TestARestartOfRedisIsNoAlarm(t *testing.T) {
	w := newWard(t)
	ctx, long := t.Context(), time.Now().Add(-time.Hour)
	old := long.UTC().Format(time.RFC3339)
	w.must(w.rdb.HSet(ctx, keys.Workers, "w1", `{"version":"v1","accounts":["`+shop.String()+`"],"at":"`+old+`"}`).Err())
	w.must(w.rdb.HSet(ctx, keys.Accounts, shop.String(), `{"calls_per_second":4,"at":"`+old+`"}`).Err())
	w.must(w.rdb.ZAdd(ctx, keys.Open(shop), redis.Z{Score: float64(long.UnixMilli()), Member: "A1"}).Err())
	w.must(w.rdb.ZAdd(ctx, keys.Queue("ecticket-checkout")+"lease", redis.Z{Score: float64(long.Unix()), Member: "A1"}).Err())
	w.must(w.rdb.HSet(ctx, keys.Webhooks, "shop", `{"host":"https://shop.example","seen":"`+old+`"}`).Err())
	said := map[string]string{"no_worker": doctor.Accounts, "workers that have died": doctor.Queues, "not been looked at": doctor.Queues,
		"no worker is running": doctor.Workers, "no front door serves it": doctor.Webhooks}
	for what, area := range said {
		w.finds(doctor.Wrong, area, what)
	}
	w.redis.Restart()
	w.young = true
	for what, area := range said {
		w.finds(doctor.Note, area, what)
	}
	for _, f := range w.examine() {
		if f.Level == doctor.Wrong || f.Level == doctor.Note && strings.Contains(f.Text, "Redis started") && !strings.Contains(f.Do, "run doctor again in 2m0s") {
			t.Errorf("%+v", f)
		}
	}
	w.must(w.rdb.FlushAll(ctx).Err()) // as without persistence
	for _, f := range w.examine() {
		if f.Level == doctor.Wrong {
			t.Errorf("%+v", f)
		}
	}
}

// loading answers as a Redis does that reads its data.
type loading struct{ testredis.Hook }

func (loading) RedisError() {}

func (loading) Error() string { return "LOADING Redis is loading the dataset in memory" }

func (l loading) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(_ context.Context, cmd redis.Cmder) error { cmd.SetErr(l); return l }
}

func (l loading) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(context.Context, []redis.Cmder) error { return l }
}

// A Redis that is still reading its data is said to do that, with what to do.
func TestARedisThatIsLoadingIsSaidToBe(t *testing.T) {
	w := newWard(t)
	w.config.Clients = nil
	w.rdb.AddHook(loading{})
	for _, f := range w.examine() {
		if f.Area == doctor.Settings || f.Area == doctor.SealKeys && f.Level == doctor.Note {
			continue
		}
		if f.Level != doctor.Wrong || !strings.Contains(f.Text, "still reading its data from disk") || !strings.Contains(f.Do, "wait") {
			t.Errorf("%+v", f)
		}
	}
}
