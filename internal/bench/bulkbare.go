package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"issuance/internal/keys"
	"issuance/internal/queue"
	"issuance/internal/redisconn"
	"issuance/internal/seal"
	"issuance/providers"
	"issuance/tasks"
)

// producers are what enqueueing is compared with, and enqueueing one by one: asynq's client with nothing
// around it, and the product's, on one Redis.
type producers struct {
	rdb     redis.UniversalClient
	bare    *asynq.Client
	product *tasks.Client
	payload []byte // of the bare tasks: as long as what a record holds of an order's document
	n       atomic.Int64
}

func newProducers(ctx context.Context, url string) (*producers, error) {
	o, err := redisconn.Parse(redisconn.Source{URL: url})
	if err != nil {
		return nil, err
	}
	rdb := o.New()
	p := &producers{rdb: rdb, bare: asynq.NewClientFromRedisClient(rdb)}
	if p.product, err = tasks.NewClient(rdb, tasks.Options{SealKeys: seal.SandboxKey()}); err == nil {
		p.payload, err = p.typical(ctx)
	}
	if err != nil {
		p.close()
	}
	return p, err
}

func (p *producers) close() { _ = p.rdb.Close() }

// account is whose orders they are.
var account = providers.Account{Provider: providers.ECTicket, Merchant: "2000132"}

// document is an order like those of the files.
func document(id string) []byte {
	return fmt.Appendf(nil, `{"provider":"ecticket","account":%q,"request":{"MerchantTradeNo":%q,"IssueType":"3","IsImmediate":"1","Operator":"Angela",
"CustomerName":"王珊珊","CustomerPhone":"0912345678","CustomerEmail":"customer10000@example.com","TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":2},{"ItemNo":"VNS21400","TicketAmount":1}]}}`,
		account, id)
}

// typical enqueues one order and takes what its record holds of the document: sealed, its fingerprint, its
// shape and its stub.
func (p *producers) typical(ctx context.Context) ([]byte, error) {
	r, err := p.product.Enqueue(ctx, document("BENCH0000000000"), tasks.InLane(tasks.Bulk))
	if err != nil {
		return nil, err
	}
	held, err := p.rdb.HMGet(ctx, keys.Record(r.Ref()), "doc", "fp", "shape", "stub").Result()
	if err != nil {
		return nil, err
	}
	var all strings.Builder
	for _, v := range held {
		text, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("the record holds no document, fingerprint, shape or stub")
		}
		all.WriteString(text)
	}
	return []byte(all.String()), nil
}

// many is with how many goroutines the bare client was the fastest.
const many = 16

// enqueueBare enqueues n tasks with asynq's client, from so many goroutines.
func (p *producers) enqueueBare(ctx context.Context, n, goroutines int) error {
	return p.each(n, goroutines, func(number string) error {
		_, err := p.bare.EnqueueContext(ctx, asynq.NewTask(queue.IssueType(providers.ECTicket), p.payload), asynq.Queue("bare"),
			asynq.TaskID("issue:ecticket:2000132:BARE"+number), asynq.MaxRetry(queue.MaxRetry), asynq.Timeout(queue.DefaultTimeout), asynq.Retention(queue.DefaultRetention))
		return err
	})
}

// enqueueOneByOne enqueues n documents with the product's client, each by a call of its own.
func (p *producers) enqueueOneByOne(ctx context.Context, n, goroutines int) error {
	return p.each(n, goroutines, func(number string) error {
		_, err := p.product.Enqueue(ctx, document("ONE"+number), tasks.InLane(tasks.Bulk))
		return err
	})
}

// each calls f with n numbers that were not used before, from so many goroutines.
func (p *producers) each(n, goroutines int, f func(number string) error) error {
	var g errgroup.Group
	first := p.n.Add(int64(n)) - int64(n)
	var next atomic.Int64
	for range goroutines {
		g.Go(func() error {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				if err := f(strconv.FormatInt(1e10+first+i, 10)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}
