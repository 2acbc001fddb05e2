package tasks

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"issuance/internal/ledger"
	"issuance/internal/testredis"
	"issuance/providers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Two keys nobody uses.
var (
	oldKey = base64.StdEncoding.EncodeToString([]byte("the old seal key of these tests."))
	newKey = base64.StdEncoding.EncodeToString([]byte("the new seal key of these tests."))
)

// before is a day on which every printed example is still to come.
func before() time.Time { return time.Date(2023, 12, 31, 12, 0, 0, 0, time.UTC) }

var rules = Rules{Now: before}

// printed reads one of the documents printed by the providers, in its envelope.
func printed(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// canaries are a customer's data and a ticket number that must not stand where they can be read.
var canaries = []string{"王小明", "0987654321", "canary@example.com", "臺北市信義區一號", "notify.example.com"}

const canaryTicket = "TICKETCANARY0001"

// order is an ECTicket order full of a customer's data.
func order(id string) []byte {
	return fmt.Appendf(nil, `{"provider":"ecticket","request":{"MerchantTradeNo":%q,"IssueType":"2","PrintType":"1","Operator":"AngelaChan",
		"CustomerName":"王小明","CustomerPhone":"0987654321","CustomerEmail":"canary@example.com","CustomerAddress":"臺北市信義區一號",
		"RefundNotifyURL":"https://notify.example.com/x","TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":2}]}}`, id)
}

// other is another document under the same number.
func other(id string) []byte {
	return bytes.Replace(order(id), []byte(`"TicketAmount":2`), []byte(`"TicketAmount":3`), 1)
}

func refund(orderID, refundID string) []byte {
	return fmt.Appendf(nil, `{"provider":"ecticket","refund_id":%q,"request":{"MerchantTradeNo":%q,"TicketNo":[%q]}}`, refundID, orderID, canaryTicket)
}

func key(id string) ledger.Key { return ledger.Key{Provider: providers.ECTicket, OrderID: id} }

// bench is a client over a Redis of its own.
type bench struct {
	*Client
	ctx    context.Context
	server *testredis.Server
	rdb    *redis.Client
	ledger *ledger.Ledger
}

func each(t *testing.T, run func(t *testing.T, b *bench)) {
	t.Helper()
	testredis.Each(t, func(t *testing.T, s *testredis.Server) {
		rdb := s.Client()
		run(t, &bench{Client: client(t, rdb, newKey), ctx: context.Background(), server: s, rdb: rdb, ledger: ledger.New(rdb, ledger.Options{})})
	})
}

func client(t testing.TB, rdb redis.UniversalClient, keys string) *Client {
	t.Helper()
	c, err := NewClient(rdb, Options{SealKeys: keys, Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// enqueue enqueues a document and fails the test unless that works.
func (b *bench) enqueue(t testing.TB, raw []byte, opts ...EnqueueOption) Receipt {
	t.Helper()
	enqueue := b.Enqueue
	if bytes.Contains(raw, []byte("refund_id")) {
		enqueue = b.EnqueueRefund
	}
	r, err := enqueue(b.ctx, raw, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// queued lists every task in every queue as "QUEUE ID".
func (b *bench) queued(t testing.TB) []string {
	t.Helper()
	queues, err := b.inspector.Queues()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, q := range queues {
		for _, list := range []func(string, ...asynq.ListOption) ([]*asynq.TaskInfo, error){b.inspector.ListPendingTasks,
			b.inspector.ListScheduledTasks, b.inspector.ListRetryTasks, b.inspector.ListCompletedTasks, b.inspector.ListArchivedTasks} {
			infos, err := list(q, asynq.PageSize(1000))
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range infos {
				out = append(out, q+" "+i.ID)
			}
		}
	}
	slices.Sort(out)
	return out
}

// task is what a worker would be given.
func (b *bench) task(t testing.TB, lane Lane, id string) Payload {
	t.Helper()
	info, err := b.inspector.GetTaskInfo(Queue(providers.ECTicket, lane), id)
	if err != nil {
		t.Fatal(err)
	}
	p, err := DecodePayload(info.Payload)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// begin claims an order as a worker does, and returns the fence.
func (b *bench) begin(t testing.TB, p Payload) string {
	t.Helper()
	in := ledger.Intake{Runner: "w", Lease: time.Minute, Fingerprint: p.Fingerprint, Lane: string(p.Lane), Shape: string(p.Shape), Document: p.Document}
	var c ledger.Claim
	var err error
	if p.RefundID != "" {
		c, err = b.ledger.BeginRefund(b.ctx, p.RefundKey(), in)
	} else {
		c, err = b.ledger.Begin(b.ctx, p.Key(), in)
	}
	if err != nil || c.Verdict != ledger.MaySend {
		t.Fatalf("%+v, %v", c, err)
	}
	return c.Fence
}

// finish brings an order that waits in the queue to its end as a worker does.
func (b *bench) finish(t testing.TB, id string, e ledger.Ending) {
	t.Helper()
	fence := b.begin(t, b.task(t, Checkout, IssueID(providers.ECTicket, id)))
	if _, _, err := b.ledger.Submit(b.ctx, key(id), fence, time.Minute); err != nil {
		t.Fatal(err)
	}
	if a, err := b.ledger.Finish(b.ctx, key(id), fence, e); err != nil || !a.Applied {
		t.Fatalf("%+v, %v", a, err)
	}
}

// drop removes a task from its queue, as the end of its retention does.
func (b *bench) drop(t testing.TB, lane Lane, id string) {
	t.Helper()
	if err := b.inspector.DeleteTask(Queue(providers.ECTicket, lane), id); err != nil {
		t.Fatal(err)
	}
}

func invalid(t testing.TB, err error) *providers.InvalidError {
	t.Helper()
	var e *providers.InvalidError
	if !errors.As(err, &e) {
		t.Fatalf("not an invalid document: %v", err)
	}
	return e
}

// noCanary fails the test when a text holds a customer's data.
func noCanary(t testing.TB, where, text string) {
	t.Helper()
	for _, c := range append(canaries, canaryTicket) {
		if strings.Contains(text, c) {
			t.Errorf("%s holds %q:\n%.400s", where, c, text)
		}
	}
}

// loseReplies loses the answers of the first n scripts that enqueue: they take effect, and their
// caller sees a broken connection. With before they do not even reach Redis.
type loseReplies struct {
	n      int
	before bool
}

func (*loseReplies) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *loseReplies) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if h.n > 0 && strings.HasPrefix(cmd.Name(), "eval") {
			if !h.before {
				if err := next(ctx, cmd); err != nil {
					return err // a script that is not loaded yet
				}
			}
			h.n--
			cmd.SetErr(errors.New("connection reset by peer"))
			return cmd.Err()
		}
		return next(ctx, cmd)
	}
}

func (*loseReplies) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
