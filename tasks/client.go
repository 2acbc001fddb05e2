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
	raw, _, err := o.payload(c.ring, lane, c.opt.Now())
	return item{what: o.String(), taskType: IssueType(o.Provider), id: IssueID(o.Provider, o.ID), lane: lane,
		ref: ledger.Ref{Key: o.Key()}, payload: raw, canonical: o.canonical,
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
	raw, _, err := r.payload(c.ring, lane, c.opt.Now())
	return item{what: r.String(), taskType: RefundType(r.Provider), id: RefundID(r.Provider, r.OrderID, r.RefundID), lane: lane,
		ref: ledger.Ref(r.Key()), payload: raw, canonical: r.canonical,
		receipt: Receipt{Provider: r.Provider, OrderID: r.OrderID, RefundID: r.RefundID, State: ledger.Queued}}, err
}

// item is one document on its way into the queue.
type item struct {
	what, taskType, id string
	lane               Lane
	ref                ledger.Ref
	payload, canonical []byte
	receipt            Receipt
}

// enqueueTries bounds how often an enqueue with an ambiguous error is repeated, always under the
// same task id, so that it stays one task.
const enqueueTries = 3

func (c *Client) enqueue(ctx context.Context, it item) (Receipt, error) {
	if it.lane != Checkout && it.lane != Bulk {
		return Receipt{}, fmt.Errorf("tasks: enqueue %s: no worker takes orders from lane %q; use checkout or bulk", it.what, it.lane)
	}
	if err := c.checkMode(ctx); err != nil {
		return Receipt{}, err
	}
	if r, known, err := c.known(ctx, it); known || err != nil {
		return r, err
	}
	return c.push(ctx, it)
}

// push puts a document that is not known into its queue. Should it have become known meanwhile,
// the task id says so.
func (c *Client) push(ctx context.Context, it item) (Receipt, error) {
	ambiguous := false
	backoff := retry.WithMaxRetries(enqueueTries-1, retry.NewExponential(50*time.Millisecond))
	err := retry.Do(ctx, backoff, func(ctx context.Context) error {
		_, err := c.queue.EnqueueContext(ctx, asynq.NewTask(it.taskType, it.payload),
			asynq.Queue(Queue(it.ref.Provider, it.lane)), asynq.TaskID(it.id), asynq.MaxRetry(MaxRetry),
			asynq.Timeout(c.opt.TaskTimeout), asynq.Retention(c.opt.Retention))
		if err != nil && !errors.Is(err, asynq.ErrTaskIDConflict) && ctx.Err() == nil {
			ambiguous = true
			return retry.RetryableError(err)
		}
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
		// The task that stood in the way is gone again, which only happens when it was deleted.
		return Receipt{}, fmt.Errorf("tasks: enqueue %s: a task of this id has just been removed; enqueue it again", it.what)
	}
	r.Duplicate = !ambiguous
	return r, nil
}

// known looks for the document in the ledger and in the queues of both lanes.
func (c *Client) known(ctx context.Context, it item) (Receipt, bool, error) {
	glances, err := c.glance(ctx, []item{it})
	if err != nil {
		return Receipt{}, false, fmt.Errorf("tasks: enqueue %s: %w", it.what, err)
	}
	return c.compare(it, glances[0])
}

// glance is what one look told about a document: its record's state and fingerprint, or the lane
// in whose queue its task is.
type glance struct {
	peek ledger.Peek
	lane Lane // "" when no queue holds a task of this id
}

// glance looks for many documents in one round trip.
func (c *Client) glance(ctx context.Context, items []item) ([]glance, error) {
	pipe := c.rdb.Pipeline()
	records := make([]func() ledger.Peek, len(items))
	queued := make([][2]*redis.IntCmd, len(items))
	for i, it := range items {
		records[i] = ledger.PeekIn(ctx, pipe, it.ref)
		for j, lane := range producerLanes {
			queued[i][j] = pipe.Exists(ctx, taskKey(Queue(it.ref.Provider, lane), it.id))
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	out := make([]glance, len(items))
	for i := range items {
		out[i].peek = records[i]()
		for j, lane := range producerLanes {
			if queued[i][j].Val() > 0 {
				out[i].lane = lane
			}
		}
	}
	return out, nil
}

// producerLanes are the lanes documents can be in.
var producerLanes = [2]Lane{Checkout, Bulk}

// taskKey is asynq's Redis key of a task. A test compares it with what asynq writes.
func taskKey(queue, id string) string { return "asynq:{" + queue + "}:t:" + id }

// compare tells from a glance whether the document is known, and whether it is the same one.
func (c *Client) compare(it item, g glance) (Receipt, bool, error) {
	peek := g.peek
	if !peek.Found && g.lane != "" {
		p, err := c.queuedPayload(it.ref.Provider, g.lane, it.id)
		if err != nil {
			return Receipt{}, false, fmt.Errorf("tasks: enqueue %s: %w", it.what, err)
		}
		if p != nil {
			peek = ledger.Peek{Found: true, State: ledger.Queued, Fingerprint: p.Fingerprint}
		}
	}
	if !peek.Found {
		return Receipt{}, false, nil
	}
	same, keyKnown := c.ring.SameFingerprint(peek.Fingerprint, it.canonical)
	if !keyKnown {
		return Receipt{}, true, fmt.Errorf("tasks: %s: its first document was sealed with a key that is not in SealKeys; add the old key at the end of the list", it.what)
	}
	if !same {
		return Receipt{}, true, &ConflictError{What: it.what, State: peek.State}
	}
	r := it.receipt
	r.State, r.Duplicate = peek.State, true
	return r, true, nil
}

// queuedPayload is the payload of a waiting task, nil when there is none.
func (c *Client) queuedPayload(p providers.Name, lane Lane, id string) (*Payload, error) {
	info, err := c.inspector.GetTaskInfo(Queue(p, lane), id)
	if errors.Is(err, asynq.ErrTaskNotFound) || errors.Is(err, asynq.ErrQueueNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	payload, err := DecodePayload(info.Payload)
	if err != nil {
		return nil, err
	}
	return &payload, nil
}

// modeKey marks a Redis as a sandbox's or production's; the first worker writes it.
const modeKey = "issuance:mode"

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
