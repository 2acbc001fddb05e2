package fairness

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/bench/lab"
	"issuance/providers"
	"issuance/tasks/order"
)

// SumRow is what so many accounts with work for all of them reached.
type SumRow struct {
	Accounts int `json:"accounts"`
	Orders   int `json:"orders"`
	// Share is the calls per second over the sum of the accounts' allowances.
	Share float64 `json:"share"`
	// Commands is how many Redis commands an order cost the worker, a script as one. PerSecond is what the worker costs without any.
	Commands  float64 `json:"commands"`
	PerSecond float64 `json:"idle_commands_per_second"`
	// Real is how many seconds of real time the run took: what the machine needed for so many orders.
	Real float64 `json:"real"`
}

// ordersEach is how many bulk orders an account has.
const ordersEach = 40

// RunSum measures 1, 10, 100 and 1,000 accounts. t is needed for its virtual time alone.
func RunSum(t *testing.T, quick bool) (rows []SumRow, err error) {
	counts := []int{1, 10, 100, 1000}
	if quick {
		counts = []int{1, 10}
	}
	for _, n := range counts {
		redis, err := lab.StartRedis(t.Context(), lab.InMemory...)
		if err != nil {
			return nil, err
		}
		began := time.Now()
		var row SumRow
		synctest.Test(t, func(t *testing.T) { row, err = sum(t.Context(), redis.Addr, n) })
		row.Real = time.Since(began).Seconds()
		redis.Close()
		if err != nil {
			return nil, fmt.Errorf("fairness: %d accounts: %w", n, err)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func sum(ctx context.Context, addr string, n int) (row SumRow, err error) {
	var all []providers.Account
	for i := range n {
		all = append(all, account(i))
	}
	h, err := open(ctx, addr, all, nil)
	if err != nil {
		return row, err
	}
	defer h.rdb.Close()
	var refs []order.Ref
	for _, a := range all {
		of, err := h.enqueue(ctx, a, order.Bulk, "B", ordersEach)
		if err != nil {
			return row, err
		}
		refs = append(refs, of...)
	}
	var c counter
	h.rdb.AddHook(&c)
	began := time.Now()
	stop, err := h.run()
	if err != nil {
		return row, err
	}
	defer stop()
	var last time.Time
	for _, r := range refs {
		at, err := h.left(r)
		if err != nil {
			return row, err
		}
		if at.After(last) {
			last = at
		}
	}
	time.Sleep(time.Second) // the last answers are recorded
	took, sent := last.Sub(began), c.n.Load()
	const idle = time.Minute
	time.Sleep(idle)
	row = SumRow{Accounts: n, Orders: len(refs), PerSecond: float64(c.n.Load()-sent) / idle.Seconds()}
	row.Commands = (float64(sent) - row.PerSecond*(took.Seconds()+1)) / float64(len(refs))
	// The first call of each account leaves at once, so ordersEach calls need one spacing less.
	row.Share = float64(ordersEach-1) / took.Seconds() / PerSecond
	return row, nil
}

// counter counts commands. It is a go-redis hook.
type counter struct{ n atomic.Int64 }

// DialHook implements redis.Hook.
func (c *counter) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

// ProcessHook implements redis.Hook.
func (c *counter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.n.Add(1)
		return next(ctx, cmd)
	}
}

// ProcessPipelineHook implements redis.Hook.
func (c *counter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.n.Add(int64(len(cmds)))
		return next(ctx, cmds)
	}
}
