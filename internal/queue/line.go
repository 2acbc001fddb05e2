package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/providers"
	"issuance/tasks/order"
)

// Behind is after how long a task runs by itself should its place in the line of its account be lost: later than its turn should
// be, but for very long lines. n is its place, perSecond the account's calls per second; 0 where nobody knows.
func Behind(n int64, perSecond float64) time.Duration {
	if perSecond <= 0 {
		perSecond = usual
	}
	turn := min(float64(n)/perSecond, longestLine.Seconds()) * float64(time.Second)
	return time.Duration(1.5*turn) + safety
}

const (
	safety      = 15 * time.Minute
	usual       = 4 // calls per second, as accounts have by default
	longestLine = 4 * time.Hour
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

// lookInLine adds to a task that waits whether it is in its account's line. One that was let go on meanwhile waits no more.
func (c *Client) lookInLine(ctx context.Context, h Home, t Task) (Task, error) {
	r, ok := RefOf(h.ID)
	if !ok {
		return t, nil
	}
	pipe := c.rdb.Pipeline()
	place := pipe.ZScore(ctx, keys.QueueLine(h.Queue)+"of:"+r.Account.Merchant, h.ID)
	state := pipe.HGet(ctx, keys.Task(h.Queue, h.ID), "state")
	_, _ = pipe.Exec(ctx) // each command has its error
	for _, err := range []error{place.Err(), state.Err()} {
		if err != nil && !errors.Is(err, redis.Nil) {
			return Task{}, fmt.Errorf("queue: %s: %w", h.ID, err)
		}
	}
	if now := (Task{State: state.Val()}); !now.Waiting() {
		return now, nil
	}
	t.InLine = place.Err() == nil
	return t, nil
}

// WakeInLine is Wake for a task that goes to the end of its account's line, behind so many others, instead of to the queue: Join
// puts it there once it exists. It is Wake where behind is 0.
func (b *Batch) WakeInLine(ctx context.Context, r order.Ref, h Home, trace string, behind int64) (ledger.Wake, error) {
	if behind == 0 {
		return b.Wake(ctx, r, h, trace)
	}
	return b.wake(ctx, r, h, trace, Behind(behind, 0))
}

// Join puts tasks at the ends of the lines of their accounts. A place that is lost on the way is made good later: the task runs
// by itself then.
func (c *Client) Join(ctx context.Context, homes []Home) {
	if len(homes) == 0 {
		return
	}
	slices.SortFunc(homes, func(a, b Home) int { return cmp.Compare(a.ID, b.ID) })
	pipe := c.rdb.Pipeline()
	at := time.Now().UnixMicro()
	for i, h := range homes {
		r, ok := RefOf(h.ID)
		if !ok {
			continue
		}
		line := keys.QueueLine(h.Queue)
		pipe.ZAddNX(ctx, line+"of:"+r.Account.Merchant, redis.Z{Score: float64(at + int64(i)), Member: h.ID})
		pipe.SAdd(ctx, line+"all", r.Account.Merchant)
	}
	_, _ = pipe.Exec(ctx)
}
