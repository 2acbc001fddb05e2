package tasks

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/internal/seal"
	"issuance/internal/tracing"
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
	// KeepDetails, KeepRecords and KeepEvents are the workers' ISSUANCE_KEEP_DETAILS, ISSUANCE_KEEP_RECORDS and
	// ISSUANCE_KEEP_EVENTS, for orders that Cancel ends. Defaults: 90 days, 400 days, 1,000,000.
	KeepDetails, KeepRecords time.Duration
	KeepEvents               int64
	// WaitReplicas is the workers' REDIS_WAIT_REPLICAS: a receipt is given when so many replicas have the record. Fewer
	// within a second are an error: it is not known whether the order outlasts a failover. Default 0.
	WaitReplicas int
	// Now is the clock. Default: Redis's own.
	Now func() time.Time
}

// Client enqueues orders and refunds and reads what became of them. Safe for concurrent use.
type Client struct {
	rdb    redis.UniversalClient
	queue  *queue.Client
	ledger *ledger.Ledger
	ring   *seal.Ring
	opt    Options
	near   neighbourhood
	crowd  crowd
	// wall is this machine's clock, for how long questions took. Tests have their own.
	wall func() time.Time
}

// NewClient makes a client over rdb, which stays the caller's to close.
func NewClient(rdb redis.UniversalClient, opt Options) (*Client, error) {
	ring, err := seal.ParseRing(opt.SealKeys)
	if err != nil {
		return nil, fmt.Errorf("tasks: SealKeys: %w; use the workers' ISSUANCE_SEAL_KEYS", err)
	}
	if opt.Rules.Now == nil {
		opt.Rules.Now = opt.Now
	}
	c := &Client{rdb: rdb, queue: queue.NewClient(rdb, queue.Options{Timeout: opt.TaskTimeout, Retention: opt.Retention}),
		ledger: ledger.New(rdb, ledger.Options{Now: opt.Now, KeepDetails: opt.KeepDetails, KeepRecords: opt.KeepRecords, KeepEvents: opt.KeepEvents, WaitReplicas: opt.WaitReplicas}), ring: ring, opt: opt, near: newNeighbourhood(), wall: time.Now}
	c.crowd.send = func(ctx context.Context, items []item) ([]made, error) { return c.batch(items, nil).send(ctx) }
	return c, nil
}

// Receipt says where a document stands after it was enqueued. It is given once the document is recorded:
// from then on it comes to a final status whatever happens to its task.
type Receipt struct {
	Provider providers.Name `json:"provider"`
	Account  Account        `json:"account"`
	OrderID  string         `json:"order_id"`
	RefundID string         `json:"refund_id,omitempty"`
	State    State          `json:"state"`
	// Duplicate is true when the same document was there already; State is then the first one's.
	Duplicate bool `json:"duplicate"`

	fresh *ledger.Record // as it was recorded just now; nil where that says not enough
}

// Fresh is the status of an order as it was recorded just now, without asking for it; nil for a duplicate, a refund, and an
// order of a batch. It does not know whether a worker is there, or whether its account's calls are held.
func (r Receipt) Fresh() *Status {
	if r.fresh == nil {
		return nil
	}
	s := &Status{Provider: r.Provider, Account: r.Account, OrderID: r.OrderID, Standing: standing(r.fresh), Refunds: []RefundStatus{}}
	s.Waits = &Waiting{For: freeWorker}
	return s
}

// Ref names the order or the refund.
func (r Receipt) Ref() Ref { return Ref{Account: r.Account, OrderID: r.OrderID, RefundID: r.RefundID} }

// ConflictError says that another document was enqueued under the same id. Nothing was changed.
type ConflictError struct {
	Ref   Ref
	State State // of the document that was there first
	// EnqueuedAt is when the document that was there first was recorded.
	EnqueuedAt time.Time
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s: another document has this id (it is %s)", e.Ref, e.State.Words())
}

// EnqueueOption changes how a document is enqueued.
type EnqueueOption func(*enqueueing)

type enqueueing struct {
	lane  Lane
	trace string
}

func newEnqueueing(opts []EnqueueOption) enqueueing {
	e := enqueueing{lane: Checkout}
	for _, opt := range opts {
		opt(&e)
	}
	return e
}

// InLane chooses the lane. Default Checkout.
func InLane(l Lane) EnqueueOption { return func(e *enqueueing) { e.lane = l } }

// WithTrace has the document's way recorded under a W3C traceparent. Default: the one of the context's OpenTelemetry span,
// if there is one.
func WithTrace(traceparent string) EnqueueOption {
	return func(e *enqueueing) { e.trace = traceparent }
}

// Enqueue validates an order document, records it, and enqueues it. Doing so again with the same document
// changes nothing and answers what became of the first; another document under the same number is
// a *ConflictError; a document that breaks rules is a *providers.InvalidError; an account that no worker
// has is an *UnknownAccountError. After any other error the order may or may not be enqueued: enqueue it
// again, which is always safe.
func (c *Client) Enqueue(ctx context.Context, raw []byte, opts ...EnqueueOption) (Receipt, error) {
	o, err := ParseOrder(raw, c.opt.Rules)
	if err != nil {
		return Receipt{}, err
	}
	return c.EnqueueOrder(ctx, o, opts...)
}

// EnqueueOrder is Enqueue for a document that has been validated.
func (c *Client) EnqueueOrder(ctx context.Context, o *Order, opts ...EnqueueOption) (Receipt, error) {
	return c.enqueueOne(ctx, o.Ref(), sealable{o.Request, o.canonical, o.shape, o.stub}, opts)
}

// EnqueueRefund validates a refund document, records it, and enqueues it; see Enqueue.
func (c *Client) EnqueueRefund(ctx context.Context, raw []byte, opts ...EnqueueOption) (Receipt, error) {
	r, err := ParseRefund(raw, c.opt.Rules)
	if err != nil {
		return Receipt{}, err
	}
	return c.EnqueueParsedRefund(ctx, r, opts...)
}

// EnqueueParsedRefund is EnqueueRefund for a document that has been validated.
func (c *Client) EnqueueParsedRefund(ctx context.Context, r *Refund, opts ...EnqueueOption) (Receipt, error) {
	return c.enqueueOne(ctx, r.Ref(), sealable{r.Request, r.canonical, r.shape, nil}, opts)
}

func (c *Client) enqueueOne(ctx context.Context, ref Ref, doc sealable, opts []EnqueueOption) (Receipt, error) {
	var err error
	if ref.Account, err = c.served(ctx, ref.Account); err != nil {
		return Receipt{}, err
	}
	e := newEnqueueing(opts)
	if !tracing.Within(ctx) {
		ctx = tracing.WithTraceparent(ctx, e.trace)
	}
	ctx, span := tracing.Begin(ctx, tracing.Producer, "enqueue", tracing.Account(ref.Account), tracing.Order(ref), tracing.Refund(ref))
	if t := tracing.Traceparent(ctx); t != "" {
		e.trace = t
	}
	it, err := c.seal(ref, doc, e)
	if err != nil {
		span.End(err)
		return Receipt{}, err
	}
	out := c.enqueue(ctx, []item{it}, nil)
	span.End(out[0].Err)
	return out[0].Receipt, out[0].Err
}
