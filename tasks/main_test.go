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

	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/internal/seal"
	"issuance/internal/testredis"
	"issuance/providers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Two keys nobody uses.
var oldKey, newKey = testKey(0x41), testKey(0x61)

func testKey(first byte) string {
	k := make([]byte, seal.KeySize)
	for i := range k {
		k[i] = first + byte(i)
	}
	return base64.StdEncoding.EncodeToString(k)
}

// before is a day on which every printed example is still to come.
func before() time.Time { return time.Date(2023, 12, 31, 12, 0, 0, 0, time.UTC) }

// shop is the account of most tests, whose documents leave it out.
var (
	shop  = Account{Provider: providers.ECTicket, Merchant: "2000132"}
	rules = Rules{MerchantID: shop.Merchant, Now: before}
)

func ref(id string) Ref { return Ref{Account: shop, OrderID: id} }

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

// orderDoc is an ECTicket order full of a customer's data.
func orderDoc(id string) []byte {
	return fmt.Appendf(nil, `{"provider":"ecticket","request":{"MerchantTradeNo":%q,"IssueType":"2","PrintType":"1","Operator":"AngelaChan",
		"CustomerName":"王小明","CustomerPhone":"0987654321","CustomerEmail":"canary@example.com","CustomerAddress":"臺北市信義區一號",
		"RefundNotifyURL":"https://notify.example.com/x","TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":2}]}}`, id)
}

// otherDoc is another document under the same number.
func otherDoc(id string) []byte {
	return bytes.Replace(orderDoc(id), []byte(`"TicketAmount":2`), []byte(`"TicketAmount":3`), 1)
}

func refundDoc(orderID, refundID string) []byte {
	return fmt.Appendf(nil, `{"provider":"ecticket","refund_id":%q,"request":{"MerchantTradeNo":%q,"TicketNo":[%q]}}`, refundID, orderID, canaryTicket)
}

// otherRefundDoc is another document under the same refund id.
func otherRefundDoc(orderID, refundID string) []byte {
	return fmt.Appendf(nil, `{"provider":"ecticket","refund_id":%q,"request":{"MerchantTradeNo":%q,"all":true}}`, refundID, orderID)
}

func parsed(t testing.TB, raw []byte) *Order {
	t.Helper()
	o, err := ParseOrder(raw, rules)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// clustered is a Redis as the client sees a cluster: records, sets and queues may be on different nodes.
type clustered struct{ redis.UniversalClient }

// bench is a client over a Redis of its own.
type bench struct {
	*Client
	ctx       context.Context
	server    *testredis.Server
	rdb       *redis.Client // the test's own
	ledger    *ledger.Ledger
	inspector *asynq.Inspector
	clustered bool
	numbers   int
}

// id is an order's number that was not used before.
func (b *bench) id() string {
	b.numbers++
	return fmt.Sprintf("N%d", b.numbers)
}

func newBench(t testing.TB, s *testredis.Server, inCluster bool) *bench {
	b := &bench{ctx: context.Background(), server: s, rdb: s.Client(), clustered: inCluster}
	b.Client = b.client(t, newKey)
	b.ledger, b.inspector = ledger.New(b.rdb, ledger.Options{}), asynq.NewInspectorFromRedisClient(b.rdb)
	return b
}

// each runs promises over both kinds of Redis, and once more step by step, as in a cluster.
func each(t *testing.T, run func(t *testing.T, b *bench)) {
	t.Helper()
	testredis.Each(t, func(t *testing.T, s *testredis.Server) { run(t, newBench(t, s, false)) })
	t.Run("clustered", func(t *testing.T) { run(t, newBench(t, testredis.Mini(t), true)) })
}

// client is another program's client of the same Redis.
func (b *bench) client(t testing.TB, keys string, hooks ...redis.Hook) *Client {
	t.Helper()
	return b.clientWith(t, Options{SealKeys: keys, Rules: rules}, hooks...)
}

func (b *bench) clientWith(t testing.TB, opt Options, hooks ...redis.Hook) *Client {
	t.Helper()
	rdb := b.server.Client()
	for _, h := range hooks {
		rdb.AddHook(h)
	}
	var u redis.UniversalClient = rdb
	if b.clustered {
		u = clustered{rdb}
	}
	c, err := NewClient(u, opt)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// enqueue enqueues a document by its kind.
func enqueue(ctx context.Context, c *Client, raw []byte, opts ...EnqueueOption) (Receipt, error) {
	if bytes.Contains(raw, []byte("refund_id")) {
		return c.EnqueueRefund(ctx, raw, opts...)
	}
	return c.Enqueue(ctx, raw, opts...)
}

// enqueue enqueues a document and fails the test unless that works.
func (b *bench) enqueue(t testing.TB, raw []byte, opts ...EnqueueOption) Receipt {
	t.Helper()
	r, err := enqueue(b.ctx, b.Client, raw, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// prepared are documents of a batch.
func prepared(t testing.TB, c *Client, lane Lane, docs ...[]byte) []Prepared {
	t.Helper()
	var batch []Prepared
	for _, raw := range docs {
		p, err := c.Prepare(context.Background(), parsed(t, raw), lane)
		if err != nil {
			t.Fatal(err)
		}
		batch = append(batch, p)
	}
	return batch
}

// queued lists every task in every queue as "QUEUE ID STATE".
func (b *bench) queued(t testing.TB) []string {
	t.Helper()
	queues, err := b.inspector.Queues()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, q := range queues {
		for _, list := range []func(string, ...asynq.ListOption) ([]*asynq.TaskInfo, error){b.inspector.ListPendingTasks, b.inspector.ListActiveTasks,
			b.inspector.ListScheduledTasks, b.inspector.ListRetryTasks, b.inspector.ListCompletedTasks, b.inspector.ListArchivedTasks} {
			infos, err := list(q, asynq.PageSize(1000))
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range infos {
				out = append(out, q+" "+i.ID+" "+i.State.String())
			}
		}
	}
	slices.Sort(out)
	return out
}

// begin claims a record as a worker does, and returns the fence.
func (b *bench) begin(t testing.TB, r Ref) string {
	t.Helper()
	c, err := b.ledger.Claim(b.ctx, r, "w", time.Minute)
	if err != nil || c.Verdict != ledger.MaySend && c.Verdict != ledger.MustLookUp {
		t.Fatalf("%+v, %v", c, err)
	}
	return c.Record.Fence
}

// submit writes the intent of a request.
func (b *bench) submit(t testing.TB, r Ref, fence string) {
	t.Helper()
	if r.IsRefund() {
		a, err := b.ledger.WritePlan(b.ctx, r, fence, ledger.Plan{Count: 1, Baseline: 0})
		applied(t, a, err)
	}
	a, _, err := b.ledger.Submit(b.ctx, r, fence, ledger.Intent{Host: "provider.example", Lease: time.Minute, Ticket: -1})
	applied(t, a, err)
}

// reach brings a record that is queued to another state as a worker does.
func (b *bench) reach(t testing.TB, r Ref, s State) {
	t.Helper()
	if s == Queued {
		return
	}
	if s == Cancelled {
		a, err := b.ledger.Cancel(b.ctx, r, "ann", "test")
		applied(t, a, err)
		return
	}
	fence := b.begin(t, r)
	b.submit(t, r, fence)
	switch s {
	case Submitting:
	case Accepted:
		a, err := b.ledger.Accept(b.ctx, r, fence, ledger.Acceptance{ProviderRef: "REF"})
		applied(t, a, err)
	default:
		a, err := b.ledger.Finish(b.ctx, r, fence, ledger.Ending{State: s, Reason: ledger.Reason{Code: "C", Message: "m"}, ProviderRef: "REF"})
		applied(t, a, err)
	}
}

func applied(t testing.TB, a ledger.Answer, err error) {
	t.Helper()
	if err != nil || !a.Applied {
		t.Fatalf("not applied: %+v, %v", a, err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// home is where the task of a queued record lives.
func home(r Ref, lane Lane) queue.Home { return queue.HomeOf(r, Queued, lane) }

// drop removes a task from its queue, as a person in the web UI and the end of its retention do.
func (b *bench) drop(t testing.TB, h queue.Home) {
	t.Helper()
	must(t, b.inspector.DeleteTask(h.Queue, h.ID))
}

// state is a task's, as asynq spells it; "" when there is none.
func (b *bench) taskState(h queue.Home) string {
	return b.rdb.HGet(b.ctx, keys.Task(h.Queue, h.ID), "state").Val()
}

// take makes a pending task active, as a worker's queue does, with a lease that ends then.
func (b *bench) take(t testing.TB, h queue.Home, lease time.Time) {
	t.Helper()
	q := keys.Queue(h.Queue)
	_, err := b.rdb.TxPipelined(b.ctx, func(p redis.Pipeliner) error {
		p.LRem(b.ctx, q+"pending", 1, h.ID)
		p.RPush(b.ctx, q+"active", h.ID)
		p.HSet(b.ctx, keys.Task(h.Queue, h.ID), "state", "active")
		p.HDel(b.ctx, keys.Task(h.Queue, h.ID), "pending_since")
		p.ZAdd(b.ctx, q+"lease", redis.Z{Score: float64(lease.Unix()), Member: h.ID})
		return nil
	})
	must(t, err)
}

// complete makes a pending task a finished one that is kept for a while, as the queue does after a handler
// that returned nil.
func (b *bench) complete(t testing.TB, h queue.Home) {
	t.Helper()
	q := keys.Queue(h.Queue)
	_, err := b.rdb.TxPipelined(b.ctx, func(p redis.Pipeliner) error {
		p.LRem(b.ctx, q+"pending", 1, h.ID)
		p.HSet(b.ctx, keys.Task(h.Queue, h.ID), "state", "completed")
		p.ZAdd(b.ctx, q+"completed", redis.Z{Score: float64(time.Now().Add(time.Hour).Unix()), Member: h.ID})
		return nil
	})
	must(t, err)
}

// isOpen reports whether the sweeper looks after a record.
func (b *bench) isOpen(t testing.TB, r Ref) bool {
	t.Helper()
	err := b.rdb.ZScore(b.ctx, keys.Open(r.Account), keys.Member(r)).Err()
	if err != nil && !errors.Is(err, redis.Nil) {
		t.Fatal(err)
	}
	return err == nil
}

// dump is everything in Redis, as one text.
func (b *bench) dump() string { return fmt.Sprint(b.server.Dump(b.ctx)) }

func invalid(t testing.TB, err error) *providers.InvalidError {
	t.Helper()
	var e *providers.InvalidError
	if !errors.As(err, &e) {
		t.Fatalf("not an invalid document: %v", err)
	}
	return e
}

func isConflict(err error) bool { return errors.As(err, new(*ConflictError)) }

// noCanary fails the test when a text holds a customer's data.
func noCanary(t testing.TB, where, text string) {
	t.Helper()
	for _, c := range append(canaries, canaryTicket) {
		if strings.Contains(text, c) {
			t.Errorf("%s holds %q:\n%.400s", where, c, text)
		}
	}
}
