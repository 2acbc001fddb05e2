package bulk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"issuance/internal/seal"
	"issuance/providers"
	"issuance/tasks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var moment = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// The accounts that the documents of these tests mean, where they are asked for.
var (
	ecticket = tasks.Account{Provider: providers.ECTicket, Merchant: "2000132"}
	pass2u   = tasks.Account{Provider: providers.Pass2U, Merchant: "main"}
)

var rules = tasks.Rules{Now: func() time.Time { return moment }}

const csvHeader = "MerchantTradeNo,IssueType,PrintType,Operator,ItemNo1,TicketAmount1\n"

func csvRow(id string) string { return id + ",2,2,Angela,VQT04959,1\n" }

func jsonLine(id string) string {
	return fmt.Sprintf(`{"provider":"pass2u","request":{"channelOrderId":%q,"productSaleId":"S1","quantity":2,"pickupType":"order"}}`+"\n", id)
}

// outcome is what came of a run.
type outcome struct {
	*Progress
	rejected []string // "LINE: problem; problem"
	file     string   // the rejects as a file
	err      error
}

// dry checks a text without enqueueing anything.
func dry(t testing.TB, text string, reading Reading) outcome {
	t.Helper()
	return run_(t, strings.NewReader(text), reading, Options{})
}

func run_(t testing.TB, r io.Reader, reading Reading, opt Options) outcome {
	t.Helper()
	out := outcome{Progress: &Progress{}}
	f, err := Open(r, reading)
	if err != nil {
		out.err = err
		return out
	}
	opt.Rules, opt.Progress = rules, out.Progress
	out.file = string(f.Header())
	if opt.Reject == nil {
		opt.Reject = func(r Rejected) error {
			var texts []string
			for _, p := range r.Problems {
				texts = append(texts, p.String())
			}
			out.rejected = append(out.rejected, fmt.Sprintf("%d: %s", r.Line, strings.Join(texts, "; ")))
			if !r.Long {
				out.file += string(f.Reject(r.Raw, r.Problems))
			}
			return nil
		}
	}
	out.err = Run(context.Background(), f, opt)
	return out
}

// want fails the test unless so many lines are fine and the rejected ones are as given.
func (o outcome) want(t testing.TB, valid int64, rejected ...string) {
	t.Helper()
	if o.err != nil || o.Enqueued.Load() != valid || !slices.Equal(o.rejected, rejected) {
		t.Errorf("%d are fine, rejected are\n%s\nwant %d and\n%s\n(%v)", o.Enqueued.Load(), strings.Join(o.rejected, "\n"), valid, strings.Join(rejected, "\n"), o.err)
	}
}

// queue takes prepared orders in place of Redis.
type queue struct {
	client *tasks.Client
	ids    []string
	answer func(id string) tasks.Enqueued // nil: all are new
}

func newQueue(t testing.TB) *queue {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	t.Cleanup(func() { _ = rdb.Close() })
	rdb.AddHook(emptyRedis{})
	c, err := tasks.NewClient(rdb, tasks.Options{SealKeys: seal.SandboxKey(), Rules: tasks.Rules{MerchantID: "2000132"}})
	if err != nil {
		t.Fatal(err)
	}
	return &queue{client: c}
}

func (q *queue) options() Options {
	return Options{
		Batch: 10,
		Prepare: func(ctx context.Context, o *tasks.Order) (tasks.Prepared, error) {
			return q.client.Prepare(ctx, o, tasks.Bulk)
		},
		Enqueue: q.enqueue,
	}
}

func (q *queue) enqueue(ctx context.Context, batch []tasks.Prepared) []tasks.Enqueued {
	answers := make([]tasks.Enqueued, len(batch))
	for i, p := range batch {
		id := p.Ref().OrderID
		switch {
		case ctx.Err() != nil:
			answers[i].Err = ctx.Err()
		case q.answer != nil:
			answers[i] = q.answer(id)
		}
		if answers[i].Err == nil {
			q.ids = append(q.ids, id)
		}
	}
	return answers
}

// emptyRedis answers without a connection, as a Redis that holds nothing.
type emptyRedis struct{}

func (emptyRedis) DialHook(next redis.DialHook) redis.DialHook { return next }

func (emptyRedis) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(_ context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "get" {
			cmd.SetErr(redis.Nil)
		}
		return cmd.Err()
	}
}

func (emptyRedis) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(context.Context, []redis.Cmder) error { return nil }
}

var errQueue = errors.New("the queue is full")

func conflict() tasks.Enqueued {
	return tasks.Enqueued{Err: &tasks.ConflictError{State: tasks.Issued}}
}
