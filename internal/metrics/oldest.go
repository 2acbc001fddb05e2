package metrics

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/pollers"
	"issuance/providers"
	"issuance/tasks/order"
)

// oldest finds the record that has waited longest in a lane. Of a queue it looks at most at sampled tasks of each list,
// those first that are the oldest there, and at the record that was the oldest before: with more tasks than that the
// true one may be older. Safe for concurrent use.
type oldest struct {
	mu     sync.Mutex
	before map[place]order.Ref
}

type place struct {
	account providers.Account
	lane    order.Lane
}

const sampled = 500

// look says how long the oldest record of each lane has waited.
func (o *oldest) look(ctx context.Context, rdb redis.UniversalClient, a providers.Account) (map[order.Lane]time.Duration, error) {
	now, err := rdb.Time(ctx).Result()
	if err != nil {
		return nil, err
	}
	ages := map[order.Lane]time.Duration{order.Poll: 0}
	accepted, err := pollers.NewSentinel(rdb, a, pollers.SentinelConfig{}).Oldest(ctx)
	if err != nil {
		return nil, err
	}
	if !accepted.IsZero() {
		ages[order.Poll] = max(now.Sub(accepted), 0)
	}
	for _, lane := range []order.Lane{order.Checkout, order.Bulk} {
		created, err := o.inLane(ctx, rdb, place{a, lane})
		if err != nil {
			return nil, err
		}
		ages[lane] = 0
		if !created.IsZero() {
			ages[lane] = max(now.Sub(created), 0)
		}
	}
	return ages, nil
}

// inLane is when the oldest record was enqueued that waits in a lane; zero when none does.
func (o *oldest) inLane(ctx context.Context, rdb redis.UniversalClient, p place) (time.Time, error) {
	refs, err := tasksOf(ctx, rdb, p)
	if err != nil {
		return time.Time{}, err
	}
	o.mu.Lock()
	if r, ok := o.before[p]; ok {
		refs = append(refs, r)
	}
	o.mu.Unlock()
	first, created, err := ledger.New(rdb, ledger.Options{}).OldestUnaccepted(ctx, refs)
	if err != nil {
		return time.Time{}, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.before == nil {
		o.before = map[place]order.Ref{}
	}
	if created.IsZero() {
		delete(o.before, p)
	} else {
		o.before[p] = first
	}
	return created, nil
}

// tasksOf are the records of an account whose tasks are in a lane's queue.
func tasksOf(ctx context.Context, rdb redis.UniversalClient, p place) ([]order.Ref, error) {
	key := keys.Queue(queue.Name(p.account.Provider, p.lane))
	pipe := rdb.Pipeline()
	lists := []*redis.StringSliceCmd{pipe.LRange(ctx, key+"pending", -sampled, -1), pipe.LRange(ctx, key+"active", 0, sampled-1),
		pipe.ZRange(ctx, key+"retry", 0, sampled-1), pipe.ZRange(ctx, key+"scheduled", 0, sampled-1),
		pipe.ZRange(ctx, keys.QueueLine(queue.Name(p.account.Provider, p.lane))+"of:"+p.account.Merchant, 0, sampled-1)}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	var refs []order.Ref
	for _, list := range lists {
		for _, id := range list.Val() {
			if r, ok := queue.RefOf(id); ok && r.Account == p.account {
				refs = append(refs, r)
			}
		}
	}
	return refs, nil
}
