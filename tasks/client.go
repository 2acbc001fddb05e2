package tasks

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/sethvargo/go-retry"

	"issuance/internal/ledger"
	"issuance/internal/seal"
	"issuance/providers"
)

// Options of a Client.
type Options struct {
	// SealKeys are the workers' ISSUANCE_SEAL_KEYS: comma-separated, each the base64 of 32
	// bytes. Required.
	SealKeys string
	// Rules for documents. Default: the providers' rules alone.
	Rules Rules
	// Retention is how long a finished task stays visible in the web UI. Default 24 h.
	Retention time.Duration
	// TaskTimeout bounds one run of a task. Default 60 s; whole seconds.
	TaskTimeout time.Duration
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Client enqueues orders and refunds and reads what became of them. Safe for concurrent use.
type Client struct {
	rdb       redis.UniversalClient
	queue     *asynq.Client
	inspector *asynq.Inspector
	ledger    *ledger.Ledger
	ring      *seal.Ring
	opt       Options
	checked   atomic.Bool // the Redis is of the kind the keys are for
}

// NewClient makes a client over rdb, which stays the caller's to close.
func NewClient(rdb redis.UniversalClient, opt Options) (*Client, error) {
	ring, err := seal.ParseRing(opt.SealKeys)
	if err != nil {
		return nil, fmt.Errorf("tasks: SealKeys: %w; use the workers' ISSUANCE_SEAL_KEYS", err)
	}
	if opt.Retention <= 0 {
		opt.Retention = DefaultRetention
	}
	if opt.TaskTimeout <= 0 {
		opt.TaskTimeout = DefaultTimeout
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &Client{rdb: rdb, queue: asynq.NewClientFromRedisClient(rdb), inspector: asynq.NewInspectorFromRedisClient(rdb),
		ledger: ledger.New(rdb, ledger.Options{}), ring: ring, opt: opt}, nil
}

// Receipt says where a document stands after it was enqueued.
type Receipt struct {
	Provider providers.Name `json:"provider"`
	OrderID  string         `json:"order_id"`
	RefundID string         `json:"refund_id,omitempty"`
	State    ledger.State   `json:"state"`
	// Duplicate is true when the same document was there already; State is then the first one's.
	Duplicate bool `json:"duplicate"`
}

// ConflictError says that another document was enqueued under the same id. Nothing was changed.
type ConflictError struct {
	What string // "ecticket/ORDER" or "ecticket/ORDER/REFUND"
	// State of the document that was there first.
	State ledger.State
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s: another document was enqueued under this id before (it is %s); a new order or refund needs an id of its own", e.What, e.State)
}

// EnqueueOption changes how a document is enqueued.
type EnqueueOption func(*enqueueing)

type enqueueing struct{ lane Lane }

// InLane chooses the lane. Default Checkout.
func InLane(l Lane) EnqueueOption { return func(e *enqueueing) { e.lane = l } }

// Enqueue validates an order document and enqueues it. Doing so again with the same document
// changes nothing and answers what became of the first; another document under the same number is
// a *ConflictError; a document that breaks rules is a *providers.InvalidError. After any other
// error the order may or may not be enqueued: enqueue it again, which is always safe.
func (c *Client) Enqueue(ctx context.Context, raw []byte, opts ...EnqueueOption) (Receipt, error) {
	o, err := ParseOrder(raw, c.opt.Rules)
	if err != nil {
		return Receipt{}, err
	}
	return c.EnqueueOrder(ctx, o, opts...)
}

// EnqueueOrder is Enqueue for a document that has been validated.
func (c *Client) EnqueueOrder(ctx context.Context, o *Order, opts ...EnqueueOption) (Receipt, error) {
	e := enqueueing{lane: Checkout}
	for _, opt := range opts {
		opt(&e)
	}
	it, err := c.orderItem(o, e.lane)
	if err != nil {
		return Receipt{}, err
	}
	return c.enqueue(ctx, it)
}

func (c *Client) orderItem(o *Order, lane Lane) (item, error) {
	raw, p, err := o.payload(c.ring, lane, c.opt.Now())
	return item{what: o.String(), taskType: IssueType(o.Provider), id: IssueID(o.Provider, o.ID), lane: lane,
		ref: ledger.Ref{Key: o.Key()}, payload: raw, sealed: p.Document, canonical: o.canonical,
		receipt: Receipt{Provider: o.Provider, OrderID: o.ID, State: ledger.Queued}}, err
}

// EnqueueRefund validates a refund document and enqueues it; see Enqueue.
func (c *Client) EnqueueRefund(ctx context.Context, raw []byte, opts ...EnqueueOption) (Receipt, error) {
	r, err := ParseRefund(raw, c.opt.Rules)
	if err != nil {
		return Receipt{}, err
	}
	return c.EnqueueParsedRefund(ctx, r, opts...)
}

// EnqueueParsedRefund is EnqueueRefund for a document that has been validated.
func (c *Client) EnqueueParsedRefund(ctx context.Context, r *Refund, opts ...EnqueueOption) (Receipt, error) {
	e := enqueueing{lane: Checkout}
	for _, opt := range opts {
		opt(&e)
	}
	it, err := c.refundItem(r, e.lane)
	if err != nil {
		return Receipt{}, err
	}
	return c.enqueue(ctx, it)
}

func (c *Client) refundItem(r *Refund, lane Lane) (item, error) {
	raw, p, err := r.payload(c.ring, lane, c.opt.Now())
	return item{what: r.String(), taskType: RefundType(r.Provider), id: RefundID(r.Provider, r.OrderID, r.RefundID), lane: lane,
		ref: ledger.Ref(r.Key()), payload: raw, sealed: p.Document, canonical: r.canonical,
		receipt: Receipt{Provider: r.Provider, OrderID: r.OrderID, RefundID: r.RefundID, State: ledger.Queued}}, err
}

// item is one document on its way into the queue.
type item struct {
	what, taskType, id string
	lane               Lane
	ref                ledger.Ref
	payload, canonical []byte
	sealed             seal.Sealed // never twice the same, so it tells this very item's task from another's
	receipt            Receipt
}

// enqueueTries bounds how often an enqueue with an ambiguous error is repeated, always under the
// same task id, so that it stays one task.
const enqueueTries = 3

func (c *Client) enqueue(ctx context.Context, it item) (Receipt, error) {
	if it.lane != Checkout && it.lane != Bulk {
		return Receipt{}, noSuchLane(it.what, it.lane)
	}
	if err := c.checkMode(ctx); err != nil {
		return Receipt{}, err
	}
	if r, known, err := c.known(ctx, it); known || err != nil {
		return r, err
	}
	return c.push(ctx, it)
}

func noSuchLane(what string, lane Lane) error {
	return fmt.Errorf("tasks: enqueue %s: no worker takes orders from lane %q; use checkout or bulk", what, lane)
}

// options say how asynq keeps the task.
func (c *Client) options(it item) []asynq.Option {
	return []asynq.Option{asynq.Queue(Queue(it.ref.Provider, it.lane)), asynq.TaskID(it.id), asynq.MaxRetry(MaxRetry),
		asynq.Timeout(c.opt.TaskTimeout), asynq.Retention(c.opt.Retention)}
}

// push puts a document that is not known into its queue. Should it have become known meanwhile,
// the task id says so.
func (c *Client) push(ctx context.Context, it item) (Receipt, error) {
	ambiguous := false
	err := tryAgain(ctx, func(ctx context.Context) error {
		_, err := c.queue.EnqueueContext(ctx, asynq.NewTask(it.taskType, it.payload), c.options(it)...)
		ambiguous = ambiguous || err != nil && !errors.Is(err, asynq.ErrTaskIDConflict)
		return err
	})
	if !errors.Is(err, asynq.ErrTaskIDConflict) {
		if err != nil {
			return Receipt{}, fmt.Errorf("tasks: enqueue %s: %w; enqueue it again, it stays one order", it.what, err)
		}
		return it.receipt, nil
	}
	r, known, err := c.known(ctx, it)
	if err != nil {
		return r, err
	}
	if !known {
		return Receipt{}, errRemoved(it.what)
	}
	r.Duplicate = r.Duplicate && !ambiguous
	return r, nil
}

// tryAgain repeats an enqueue whose error is ambiguous.
func tryAgain(ctx context.Context, try func(context.Context) error) error {
	backoff := retry.WithMaxRetries(enqueueTries-1, retry.NewExponential(50*time.Millisecond))
	return retry.Do(ctx, backoff, func(ctx context.Context) error {
		err := try(ctx)
		if err != nil && !errors.Is(err, asynq.ErrTaskIDConflict) && ctx.Err() == nil {
			return retry.RetryableError(err)
		}
		return err
	})
}

// errRemoved says that the task that stood in the way is gone again, which only happens when it
// was deleted.
func errRemoved(what string) error {
	return fmt.Errorf("tasks: enqueue %s: a task of this id has just been removed; enqueue it again", what)
}

// modeKey marks a Redis as a sandbox's or production's; the first worker writes it.
const modeKey = "issuance:mode"

// Ready reports whether Redis answers and this client's keys are for it, which every enqueueing
// checks. A bulk asks once, instead of being refused order by order.
func (c *Client) Ready(ctx context.Context) error { return c.checkMode(ctx) }

// checkMode refuses to put real orders into a sandbox, and toy keys into production.
func (c *Client) checkMode(ctx context.Context) error {
	if c.checked.Load() {
		return nil
	}
	mode, err := c.rdb.Get(ctx, modeKey).Result()
	if errors.Is(err, redis.Nil) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("tasks: Redis: %w", err)
	}
	switch toy := c.ring.HoldsSandboxKey(); {
	case mode == "sandbox" && !toy:
		return errors.New("tasks: this Redis belongs to a sandbox, which issues toy tickets only; set REDIS_URL to the production Redis")
	case mode != "sandbox" && toy:
		return errors.New("tasks: this Redis belongs to production, but the seal key is the sandbox's, which everybody knows; set ISSUANCE_SEAL_KEYS to the workers' keys")
	}
	c.checked.Store(true)
	return nil
}
