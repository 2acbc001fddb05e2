package frontdoor

import (
	"context"
	"net/http"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
)

// limits holds callers to their requests per second, over all front doors.
type limits struct{ rate *redis_rate.Limiter }

func newLimits(rdb redis.UniversalClient) *limits { return &limits{redis_rate.NewLimiter(rdb)} }

// pass is nil when the caller may make a request now.
func (l *limits) pass(ctx context.Context, t *Token) *Problem {
	if t.PerSecond <= 0 {
		return nil
	}
	// One second's worth may come at once; rates below one a second are rates of ten seconds.
	limit := redis_rate.Limit{Rate: max(1, int(t.PerSecond*10)), Burst: max(1, int(t.PerSecond)), Period: 10 * time.Second}
	res, err := l.rate.Allow(ctx, keys.Requests(t.Name), limit)
	switch {
	case err != nil:
		return explain(err, accountInPath)
	case res.Allowed == 0:
		return problem(http.StatusTooManyRequests, codeTooMany, "the token's requests_per_second are used up; nothing was done").retry(res.RetryAfter)
	}
	return nil
}
