package growth

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/bench/lab"
	"issuance/internal/ledger"
	"issuance/internal/seal"
	"issuance/pollers"
	"issuance/providers"
	"issuance/tasks"
	"issuance/tasks/issue"
	"issuance/tasks/sweep"
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
	lonePolls asynq.Handler // polls that do not heed each other
	sweeper   *sweep.Sweeper
	next      int // number of the next order

	listening atomic.Pointer[func(ledger.Change)]
}

const p = providers.ECTicket

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
	if s.client, err = tasks.NewClient(rdb, tasks.Options{SealKeys: sealKeys, Now: clock}); err != nil {
		redis.Close()
		return nil, err
	}
	// Nothing gets late while it is measured.
	schedule := pollers.Schedule{Expected: 24 * time.Hour, Deadline: 48 * time.Hour}
	s.sentinel = pollers.NewSentinel(rdb, p, pollers.SentinelConfig{Expected: schedule.Expected})
	s.follower = pollers.NewFollower(rdb, schedule, pollers.FollowerOptions{Sentinel: s.sentinel})
	s.issues = issue.New(issue.Config{Provider: s.provider, Ledger: s.ledger, Ring: ring, Follower: s.follower, Worker: "bench", Log: quiet})
	s.polls = pollers.New(pollers.Config{Provider: s.provider, Ledger: s.ledger, Ring: ring, Schedule: schedule, Follower: s.follower, Log: quiet})
	s.lonePolls = pollers.New(pollers.Config{Provider: s.provider, Ledger: s.ledger, Ring: ring, Schedule: schedule, Log: quiet})
	s.sweeper = sweep.New(rdb, sweep.Config{Ledger: s.ledger, Providers: []providers.Name{p}, Log: quiet})
	return s, nil
}

// quiet is no log.
var quiet = slog.New(slog.DiscardHandler)

func (s *site) close() { s.redis.Close() }

// clock is when the producers' orders are enqueued: always the same, so that payloads have one length.
func clock() time.Time { return time.Date(2026, 3, 2, 4, 5, 6, 123456789, time.UTC) }

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

func order(id string) (*tasks.Order, error) {
	return tasks.ParseOrder(fmt.Appendf(nil, `{"provider":%q,"request":%s}`, p, request(id)), tasks.Rules{})
}

func key(id string) ledger.Key { return ledger.Key{Provider: p, OrderID: id} }
