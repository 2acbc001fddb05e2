package pages

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"issuance/internal/keys"
	"issuance/internal/ledger"
	"issuance/tasks"
	"issuance/tasks/order"
)

// Sizes are how many records of each kind there are.
type Sizes struct {
	Open    int // a fifth of them accepted
	Ended   int // a quarter of them with their details, as within ISSUANCE_KEEP_DETAILS
	Reviews int
}

const (
	batch = 256
	// span is over how long the ends are spread.
	span = 30 * 24 * time.Hour
)

// The orders that single pages are about.
const (
	endedID     = "E000000007"
	queuedID    = "Q000000007"
	reviewID    = "W000000007"
	providerRef = "2026030200000001"
)

func request(id string) []byte {
	return fmt.Appendf(nil, `{"MerchantTradeNo":%q,"IssueType":"3","IsImmediate":"1","Operator":"bench",`+
		`"CustomerName":"王小明","CustomerPhone":"0912345678","CustomerEmail":"ming@example.com",`+
		`"TicketInfo":[{"ItemNo":"VQT04959","TicketAmount":2},{"ItemNo":"VNS21400","TicketAmount":1}]}`, id)
}

// fill writes what there is to be shown.
func (h *house) fill(ctx context.Context, s Sizes, progress func(string)) error {
	// What needs review first: its events are removed with the template's, so that the stream holds ends alone.
	if err := h.enqueued(ctx, "W", s.Reviews, progress, func(_ int, id string) error {
		return h.sent(ctx, ref(id), func(fence string) error {
			_, err := h.ledger.Finish(ctx, ref(id), fence, ledger.Ending{State: order.Review, Reason: ledger.Reason{Code: "in_doubt", Message: "the answer was lost"}})
			return err
		})
	}); err != nil {
		return fmt.Errorf("reviews: %w", err)
	}
	if err := h.ended(ctx, s.Ended, progress); err != nil {
		return fmt.Errorf("ended orders: %w", err)
	}
	if err := h.enqueued(ctx, "Q", s.Open, progress, func(i int, id string) error {
		if i%5 != 0 || id == queuedID {
			return nil
		}
		return h.sent(ctx, ref(id), func(fence string) error {
			_, err := h.ledger.Accept(ctx, ref(id), fence, ledger.Acceptance{ProviderRef: providerRef})
			return err
		})
	}); err != nil {
		return fmt.Errorf("open orders: %w", err)
	}
	if err := h.decided(ctx, s.Open, progress); err != nil {
		return fmt.Errorf("decisions: %w", err)
	}
	return h.delivered(ctx)
}

// enqueued enqueues orders through the product, and does something to each.
func (h *house) enqueued(ctx context.Context, prefix string, n int, progress func(string), then func(i int, id string) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * runtime.NumCPU())
	for from := 0; from < n; from += batch {
		progress(fmt.Sprintf("%s: %d of %d orders", prefix, from, n))
		g.Go(func() error { return h.enqueueSome(ctx, prefix, from, min(from+batch, n), then) })
	}
	return g.Wait()
}

func (h *house) enqueueSome(ctx context.Context, prefix string, from, to int, then func(i int, id string) error) error {
	var list []tasks.Prepared
	for i := from; i < to; i++ {
		o, err := tasks.ParseRequest(account, request(fmt.Sprintf("%s%09d", prefix, i)), tasks.Rules{}, true)
		if err != nil {
			return err
		}
		one, err := h.client.Prepare(ctx, o, tasks.Bulk)
		if err != nil {
			return err
		}
		list = append(list, one)
	}
	for i, r := range h.client.EnqueuePrepared(ctx, list) {
		if r.Err != nil {
			return r.Err
		}
		if err := then(from+i, list[i].Ref().OrderID); err != nil {
			return err
		}
	}
	return nil
}

// sent has a record claimed and sent as by a worker, and then ends that.
func (h *house) sent(ctx context.Context, r order.Ref, then func(fence string) error) error {
	c, err := h.ledger.Claim(ctx, r, "bench", time.Minute)
	if err != nil {
		return err
	}
	if c.Verdict != ledger.MaySend {
		return fmt.Errorf("%s may not be sent: %s", r, c.Verdict)
	}
	if _, _, err := h.ledger.Submit(ctx, r, c.Record.Fence, ledger.Intent{Host: "ecticket.ecpay.com.tw", Lease: time.Minute, Ticket: -1}); err != nil {
		return err
	}
	return then(c.Record.Fence)
}

// ended takes one order to its end and copies it.
func (h *house) ended(ctx context.Context, n int, progress func(string)) error {
	id := fmt.Sprintf("E%09d", 0)
	if err := h.enqueueSome(ctx, "E", 0, 1, func(_ int, id string) error {
		return h.sent(ctx, ref(id), func(fence string) error {
			_, err := h.ledger.Finish(ctx, ref(id), fence, ledger.Ending{State: order.Issued, ProviderRef: providerRef})
			return err
		})
	}); err != nil {
		return err
	}
	t, err := h.template(ctx, id)
	if err != nil {
		return err
	}
	for from := 1; from < n; from += batch {
		if from%(100*batch) == 1 {
			progress(fmt.Sprintf("ended: %d of %d orders", from, n))
		}
		if err := h.copies(ctx, t, from, min(from+batch, n), n); err != nil {
			return err
		}
	}
	if st, err := h.client.Status(ctx, account, endedID); err != nil || st.State != order.Issued || st.ProviderRef != providerRef {
		return fmt.Errorf("the product does not take a copy for its own: %+v, %w", st, err)
	}
	return nil
}

// template is what the product has written of an order that ended.
type template struct {
	id              string
	record, details map[string]string
	event           map[string]any
}

func (h *house) template(ctx context.Context, id string) (*template, error) {
	t := &template{id: id}
	var err error
	if t.record, err = h.rdb.HGetAll(ctx, keys.Record(ref(id))).Result(); err != nil {
		return nil, err
	}
	if t.details, err = h.rdb.HGetAll(ctx, keys.Details(ref(id))).Result(); err != nil {
		return nil, err
	}
	last, err := h.rdb.XRevRangeN(ctx, keys.Events, "+", "-", 1).Result()
	if err != nil {
		return nil, err
	}
	if len(last) != 1 || len(t.details) == 0 || t.record["state"] != string(order.Issued) {
		return nil, fmt.Errorf("the product has not settled %s", id)
	}
	t.event = last[0].Values
	return t, h.rdb.Del(ctx, keys.Events).Err() // it comes again, in its time
}

// copies writes orders as ended at times that are spread over span, the latest last.
func (h *house) copies(ctx context.Context, t *template, from, to, all int) error {
	now := time.Now()
	pipe := h.rdb.Pipeline()
	for i := from; i < to; i++ {
		id := fmt.Sprintf("E%09d", i)
		at := now.Add(-span + time.Duration(float64(span-time.Minute)*float64(i)/float64(all)))
		ms := fmt.Sprint(at.UnixMilli())
		record := renamed(t.record, t.id, id)
		record["created"], record["final"] = ms, ms
		pipe.HSet(ctx, keys.Record(ref(id)), record)
		pipe.PExpire(ctx, keys.Record(ref(id)), 400*24*time.Hour)
		if i%4 == 3 {
			pipe.HSet(ctx, keys.Details(ref(id)), renamed(t.details, t.id, id))
			pipe.PExpire(ctx, keys.Details(ref(id)), 90*24*time.Hour)
		}
		event := map[string]any{}
		for name, value := range t.event {
			event[name] = strings.ReplaceAll(value.(string), t.id, id)
		}
		event["at"] = ms
		pipe.XAdd(ctx, &redis.XAddArgs{Stream: keys.Events, ID: ms + "-*", Values: event})
	}
	_, err := pipe.Exec(ctx)
	return err
}

func renamed(fields map[string]string, from, to string) map[string]any {
	out := map[string]any{}
	for name, value := range fields {
		out[name] = strings.ReplaceAll(value, from, to)
	}
	return out
}

// decided records decisions about many orders, and many about the ended one.
func (h *house) decided(ctx context.Context, n int, progress func(string)) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4 * runtime.NumCPU())
	for i := range n {
		if i%10_000 == 0 {
			progress(fmt.Sprintf("decisions: %d of %d", i, n))
		}
		r := ref(fmt.Sprintf("Q%09d", i))
		if i%1000 == 0 {
			r = ref(endedID)
		}
		g.Go(func() error {
			return h.ledger.Decided(ctx, ledger.Decision{What: "show", Ref: r, Who: "bench", Reason: "measured"})
		})
	}
	return g.Wait()
}

// delivered writes two endpoints with as many deliveries as are remembered.
func (h *house) delivered(ctx context.Context) error {
	pipe := h.rdb.Pipeline()
	for _, name := range []string{"shop", "books"} {
		pipe.HSet(ctx, keys.Webhooks, name, fmt.Sprintf(`{"host":"https://%s.example","seen":%q}`, name, time.Now().UTC().Format(time.RFC3339)))
		for i := range 1000 {
			id := fmt.Sprintf("%s/E%09d/issued/1", account, i)
			pipe.XAdd(ctx, &redis.XAddArgs{Stream: keys.Webhook(name) + "log", Values: []any{"at", time.Now().UnixMilli(), "id", id, "try", 1, "outcome", "delivered", "status", 200, "ms", 12, "text", ""}})
		}
	}
	_, err := pipe.Exec(ctx)
	return err
}
