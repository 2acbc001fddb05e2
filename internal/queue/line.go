package queue

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

// Behind is how much later than its turn should be a task runs by itself whose place in the line of its account was lost. n is
// its place, perSecond how many tasks of the account run in a second at least; 0 where nobody knows.
func Behind(n int64, perSecond float64) time.Duration {
	turn := time.Duration(min(float64(n)/max(perSecond, slowest), 1e6) * float64(time.Second))
	return turn + turn/2 + safety
}

const (
	safety  = 15 * time.Minute
	slowest = 0.05
)

// Lines are the lengths of the lines of a queue's accounts (package fair), of those of some accounts that have one.
func (c *Client) Lines(ctx context.Context, p providers.Name, l order.Lane, accounts []providers.Account) (map[providers.Account]int64, error) {
	line := keys.QueueLine(Name(p, l))
	pipe := c.rdb.Pipeline()
	lengths := make([]*redis.IntCmd, len(accounts))
	for i, a := range accounts {
		lengths[i] = pipe.ZCard(ctx, line+"of:"+a.Merchant)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, fmt.Errorf("queue: lines of %s: %w", p, err)
	}
	out := map[providers.Account]int64{}
	for i, a := range accounts {
		if n := lengths[i].Val(); n > 0 {
			out[a] = n
		}
	}
	return out, nil
}

// WakeInLine is Wake for a task that goes to the end of its account's line, behind so many others, instead of to the queue; then Join
// has to follow the script in the pipeline. It is Wake where behind is 0.
func (b *Batch) WakeInLine(ctx context.Context, r order.Ref, h Home, trace string, behind int64) (ledger.Wake, error) {
	if behind == 0 {
		return b.Wake(ctx, r, h, trace)
	}
	return b.wake(ctx, r, h, trace, Behind(behind, 0))
}

// Join puts a task's place in the line into the pipeline. Should it be lost, the task runs by itself later.
func (b *Batch) Join(ctx context.Context, r order.Ref, h Home) {
	line, m := keys.QueueLine(h.Queue), r.Account.Merchant
	b.joined++
	at := time.Now().UnixMicro() + b.joined // they keep their order
	b.pipe.ZAddNX(ctx, line+"of:"+m, redis.Z{Score: float64(at), Member: h.ID})
	b.pipe.SAdd(ctx, line+"all", m)
}
