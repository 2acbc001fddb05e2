package growth

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/bench/lab"
	"issuance/internal/handler"
	"issuance/internal/issuing"
	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/internal/seal"
	"issuance/internal/sweeper"
	"issuance/pollers"
	"issuance/providers"
	"issuance/tasks"
	"issuance/tasks/order"
)

// site is an installation with a Redis of its own.
type site struct {
	redis     *lab.Redis
	ring      *seal.Ring
	ledger    *ledger.Ledger
	client    *tasks.Client
	inspector *asynq.Inspector
	provider  *provider
	sentinel  *pollers.Sentinel
	follower  *pollers.Follower
	issues    asynq.Handler
	polls     asynq.Handler
	lonePolls asynq.Handler // polls that take no account of each other
	sweeper   *sweeper.Sweeper
	next      int // number of the next order

	listening atomic.Pointer[func(ledger.Change)]
}

// account is whose orders they are.
var account = providers.Account{Provider: providers.ECTicket, Merchant: "2000132"}

// sealKeys are of no use outside the benchmark's own Redis.
var sealKeys = seal.SandboxKey()

// open starts a Redis, with further settings, and wires the product to it.
func open(ctx context.Context, settings ...string) (*site, error) {
	ring, err := seal.ParseRing(sealKeys)
	if err != nil {
		return nil, err
	}
	redis, err := lab.StartRedis(ctx, append(append([]string{}, lab.InMemory...), settings...)...)
	if err != nil {
		return nil, err
	}
	rdb := redis.RDB
	s := &site{redis: redis, ring: ring, inspector: asynq.NewInspectorFromRedisClient(rdb), provider: &provider{}}
	s.ledger = ledger.New(rdb, ledger.Options{Observer: func(c ledger.Change) {
		if f := s.listening.Load(); f != nil {
			(*f)(c)
		}
	}})
	if s.client, err = tasks.NewClient(rdb, tasks.Options{SealKeys: sealKeys}); err != nil {
		redis.Close()
		return nil, err
	}
	// Nothing gets late while it is measured.
	schedule := pollers.Schedule{Expected: 24 * time.Hour, Deadline: 48 * time.Hour}
	s.sentinel = pollers.NewSentinel(rdb, account, pollers.SentinelConfig{Expected: schedule.Expected})
	s.follower = pollers.NewFollower(rdb, schedule, pollers.FollowerOptions{Sentinel: s.sentinel})
	s.issues = issuing.New(handler.Config{Provider: s.provider, Ledger: s.ledger, Ring: ring, Worker: "bench", Log: quiet}, s.follower)
	s.polls = pollers.New(pollers.Config{Provider: s.provider, Ledger: s.ledger, Ring: ring, Schedule: schedule, Follower: s.follower, Log: quiet})
	s.lonePolls = pollers.New(pollers.Config{Provider: s.provider, Ledger: s.ledger, Ring: ring, Schedule: schedule, Log: quiet})
	s.sweeper = sweeper.New(rdb, sweeper.Config{Ledger: s.ledger, Accounts: sweeper.Always(account), Log: quiet})
	return s, nil
}

// quiet is no log.
var quiet = slog.New(slog.DiscardHandler)

func (s *site) close() { s.redis.Close() }

// take gives the numbers of orders that do not exist yet. All have one length.
func (s *site) take(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		s.next++
		ids[i] = fmt.Sprintf("G%09d", s.next)
	}
	return ids
}

// request is an order for electronic tickets.
func request(id string) []byte {
	return fmt.Appendf(nil, `{"MerchantTradeNo":%q,"IssueType":"3","IsImmediate":"1","Operator":"bench",`+
		`"CustomerName":"王小明","CustomerPhone":"0912345678","CustomerEmail":"ming@example.com",`+
		`"TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":2},{"ItemNo":"VNS21400","TicketAmount":1}]}`, id)
}

func parsed(id string) (*tasks.Order, error) {
	return tasks.ParseRequest(account, request(id), tasks.Rules{}, true)
}

// enqueue enqueues orders in batches, as a bulk does.
func (s *site) enqueue(ctx context.Context, ids []string) error {
	for some := range slices.Chunk(ids, batch) {
		list := make([]tasks.Prepared, len(some))
		for i, id := range some {
			o, err := parsed(id)
			if err != nil {
				return err
			}
			if list[i], err = s.client.Prepare(ctx, o, tasks.Bulk); err != nil {
				return err
			}
		}
		for _, r := range s.client.EnqueuePrepared(ctx, list) {
			if r.Err != nil {
				return r.Err
			}
		}
	}
	return nil
}

// batch is how many orders go in one pipeline.
const batch = 256

func ref(id string) order.Ref { return order.Ref{Account: account, OrderID: id} }

// The queues that are used.
var (
	bulkQueue = queue.Name(account.Provider, order.Bulk)
	pollQueue = queue.Name(account.Provider, order.Poll)
)

// idsOf are the numbers of the orders that tasks of one home are for.
func idsOf(home func(order.Ref) queue.Home, taskIDs []string) []string {
	ids := make([]string, len(taskIDs))
	for i, id := range taskIDs {
		ids[i] = id[len(home(ref("")).ID):]
	}
	return ids
}

func issueHome(r order.Ref) queue.Home { return queue.HomeOf(r, order.Queued, order.Bulk) }
