// Package issue holds the handler that issues orders: it claims an order in the ledger, writes the
// intent, calls the provider once, and records how that ended. Whatever may have taken effect is
// looked up before anything is sent again.
//
// It imports tasks, providers and internal/handling, internal/ledger, internal/seal; it acts on the
// kind of an outcome alone and knows no provider's codes.
package issue

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/handling"
	"issuance/internal/ledger"
	"issuance/internal/seal"
	"issuance/providers"
	"issuance/tasks"
)

// Follower is told of orders the provider has accepted, so that they are asked for.
type Follower interface {
	// Follow makes sure that the order is polled, for the first time after delay. Doing it twice
	// is one follow-up.
	Follow(ctx context.Context, k ledger.Key, delay time.Duration) error
}

// Config of a Handler. Everything is required unless a default is given.
type Config struct {
	Provider providers.Provider
	Ledger   *ledger.Ledger
	Ring     *seal.Ring
	Follower Follower
	Gate     *providers.PrepayableGate // the provider's own gate; nil: no limit
	Worker   string                    // this process, for the history
	Rules    tasks.Rules
	Log      *slog.Logger
	// Lease is how long a claim outlives a dead worker. It is extended while a call is under way.
	// Default 10 s.
	Lease time.Duration
	// LookAfter is how long after an unknown outcome the first look-up is made. Default 5 s.
	LookAfter time.Duration
	// GiveUp is how long an order may stay in doubt before a person has to decide. Default 24 h.
	GiveUp time.Duration
	// MaxCrashes is how many workers an order may take down before a person has to look.
	// Default 5.
	MaxCrashes int
}

// Handler issues orders of one provider. Safe for concurrent use.
type Handler struct {
	Config
	runs atomic.Int64
}

// New makes a handler.
func New(c Config) *Handler {
	if c.Lease <= 0 {
		c.Lease = 10 * time.Second
	}
	if c.LookAfter <= 0 {
		c.LookAfter = 5 * time.Second
	}
	if c.GiveUp <= 0 {
		c.GiveUp = 24 * time.Hour
	}
	if c.MaxCrashes <= 0 {
		c.MaxCrashes = 5
	}
	return &Handler{Config: c}
}

// run is one run of one order's task.
type run struct {
	*Handler
	key     ledger.Key
	payload tasks.Payload
	order   providers.Order
	claim   ledger.Claim
	log     *slog.Logger
	ask     bool // the order was accepted by a provider that issues such orders at once
}

// ProcessTask implements asynq.Handler.
func (h *Handler) ProcessTask(ctx context.Context, t *asynq.Task) error {
	p, err := tasks.DecodePayload(t.Payload())
	if err != nil {
		ours := p.Provider == h.Provider.Name() && p.OrderID != ""
		return handling.Unreadable(ctx, h.Ledger, h.Log, p, err, ours, func(why ledger.Reason) error { return h.newRun(p).toReview(ctx, why) })
	}
	if p.Provider != h.Provider.Name() || p.RefundID != "" {
		return handling.Misplaced(h.Log, p, tasks.IssueType(h.Provider.Name()))
	}
	r := h.newRun(p)
	raw, err := tasks.OpenOrder(h.Ring, r.key, p.Document)
	if err != nil {
		if wait, missing := handling.MissingKey(r.log, "the order's document cannot be opened", err); missing {
			return wait
		}
		return r.toReview(ctx, ledger.Reason{Code: "unreadable_document", Message: err.Error()})
	}
	r.order = providers.Order{ID: p.OrderID, Request: raw}
	if r.claim, err = r.begin(ctx, p.Fingerprint); err != nil {
		return err
	}
	r.order.Ref = r.claim.Ref
	switch r.claim.Verdict {
	case ledger.MaySend, ledger.MustLookUp:
		return r.work(ctx)
	case ledger.Busy:
		return handling.Busy(ctx, h.Ledger, r.claim, r.Lease)
	case ledger.IsAccepted:
		return h.Follower.Follow(ctx, r.key, 0)
	case ledger.IsFinal:
		if r.claim.EventDue {
			return h.Ledger.Publish(ctx, ledger.Ref{Key: r.key})
		}
		return nil
	case ledger.Conflict:
		r.log.Error("another document is enqueued under this number already; this one is dropped", "state", r.claim.State)
		return nil
	}
	return fmt.Errorf("issue: the ledger answered %q", r.claim.Verdict)
}

func (h *Handler) newRun(p tasks.Payload) *run {
	return &run{Handler: h, key: p.Key(), payload: p,
		log: h.Log.With("provider", string(p.Provider), "order", p.OrderID)}
}

// begin claims the order. A record that was sealed with an older key has another fingerprint for
// the same document.
func (r *run) begin(ctx context.Context, fingerprint string) (ledger.Claim, error) {
	in := ledger.Intake{Runner: fmt.Sprintf("%s/%d", r.Worker, r.runs.Add(1)), Lease: r.Lease, Fingerprint: fingerprint,
		Lane: string(r.payload.Lane), Shape: string(r.payload.Shape), Document: r.payload.Document}
	c, err := r.Ledger.Begin(ctx, r.key, in)
	if err != nil || c.Verdict != ledger.Conflict {
		return c, err
	}
	same, err := tasks.SameOrder(r.Ring, r.key.Provider, r.order.Request, c.Fingerprint)
	if wait, missing := handling.MissingKey(r.log, "the order's record cannot be compared with this document", err); missing {
		return c, wait
	}
	if err != nil || !same { // what cannot be read is not the document that is there
		return c, nil
	}
	in.Fingerprint = c.Fingerprint
	return r.Ledger.Begin(ctx, r.key, in)
}

// work does what the claim is for.
func (r *run) work(ctx context.Context) error {
	if err := r.workHeld(ctx); err != nil || !r.ask {
		return err
	}
	return r.askAtOnce(ctx)
}

// workHeld holds the claim while it looks, sends and records.
func (r *run) workHeld(ctx context.Context) error {
	held, stop := ledger.Hold(ctx, r.Lease, func(ctx context.Context) error {
		return r.Ledger.ExtendOrder(ctx, r.key, r.claim.Fence, r.Lease)
	})
	defer stop()
	err := r.act(held)
	if tasks.IsFailure(err) {
		// Not a crash, so the claim does not have to run out. An intent without an answer stays in
		// doubt. Should this fail too, the claim runs out after all.
		rec, cancel := handling.Recording()
		defer cancel()
		_, _ = r.Ledger.Idle(rec, r.key, r.claim.Fence, ledger.Reason{})
	}
	return err
}

func (r *run) act(ctx context.Context) error {
	if r.claim.Crashes >= r.MaxCrashes {
		return r.review(ledger.Reason{Code: "crashes_worker",
			Message: fmt.Sprintf("%d workers died with this order in their hands; look at their logs, then retry or resolve it", r.claim.Crashes)})
	}
	if r.claim.Verdict == ledger.MustLookUp {
		return r.lookUp(ctx)
	}
	// Again before every sending: a date may have passed while the order waited.
	if err := tasks.Recheck(r.key, r.order.Request, r.Rules); err != nil {
		return r.review(ledger.Reason{Code: "invalid_document",
			Message: "the document no longer keeps the rules, nothing was issued: " + err.Error()})
	}
	return r.send(ctx)
}
