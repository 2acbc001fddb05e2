// Package refund holds the handler that refunds. What a refund is going to do is written to the
// ledger before its first call, each call's intent before the call, and whatever may have taken
// effect is proven by asking before anything is sent again.
//
// There are two ways, after what the provider offers: ticket by ticket (tickets.go; ECTicket), and
// a number of tickets which the provider picks (count.go; Pass2U). One refund of an order is under
// way at a time.
//
// It imports tasks, providers and internal/handling, internal/ledger, internal/seal; it acts on the
// kind of an outcome alone and knows no provider's codes.
package refund

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

// Config of a Handler. Everything is required unless a default is given. Of Tickets and Count one
// is set.
type Config struct {
	Provider providers.Provider
	Tickets  providers.TicketRefunder
	Count    providers.CountRefunder
	Ledger   *ledger.Ledger
	Ring     *seal.Ring
	Gate     *providers.PrepayableGate // the provider's own gate; nil: no limit
	// Queued reports whether the order's issue task is still waiting in a queue.
	Queued func(ctx context.Context, k ledger.Key) (bool, error)
	// MerchantID tells refunds of ours from others'. Default: not compared.
	MerchantID string
	Worker     string // this process, for the history
	Log        *slog.Logger
	Lease      time.Duration // see issue.Config; default 10 s
	LookAfter  time.Duration // default 5 s
	GiveUp     time.Duration // default 24 h
	// CallTimeout is the longest that one call to the provider may take. Default 20 s.
	CallTimeout time.Duration
	// OrderPatience is how long a refund waits for an order that nobody knows. Default 10 min.
	OrderPatience time.Duration
	MaxCrashes    int // default 5
}

// Handler refunds at one provider. Safe for concurrent use.
type Handler struct {
	Config
	runs atomic.Int64
}

// New makes a handler.
func New(c Config) *Handler {
	set := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	set(&c.Lease, 10*time.Second)
	set(&c.LookAfter, 5*time.Second)
	set(&c.GiveUp, 24*time.Hour)
	set(&c.CallTimeout, 20*time.Second)
	set(&c.OrderPatience, 10*time.Minute)
	if c.MaxCrashes <= 0 {
		c.MaxCrashes = 5
	}
	return &Handler{Config: c}
}

// run is one run of one refund's task.
type run struct {
	*Handler
	key     ledger.RefundKey
	payload tasks.Payload
	request []byte // the opened refund document's request
	claim   ledger.Claim
	rec     *ledger.RefundRecord
	order   providers.Order
	log     *slog.Logger
}

// ProcessTask implements asynq.Handler.
func (h *Handler) ProcessTask(ctx context.Context, t *asynq.Task) error {
	p, err := tasks.DecodePayload(t.Payload())
	if err != nil {
		ours := p.Provider == h.Provider.Name() && p.OrderID != "" && p.RefundID != ""
		return handling.Unreadable(ctx, h.Ledger, h.Log, p, err, ours, func(why ledger.Reason) error { return h.newRun(p).toReview(ctx, why) })
	}
	if p.Provider != h.Provider.Name() || p.RefundID == "" {
		return handling.Misplaced(h.Log, p, tasks.RefundType(h.Provider.Name()))
	}
	r := h.newRun(p)
	if r.request, err = tasks.OpenRefund(h.Ring, r.key, p.Document); err != nil {
		if wait, missing := handling.MissingKey(r.log, "the refund's document cannot be opened", err); missing {
			return wait
		}
		return r.toReview(ctx, ledger.Reason{Code: "unreadable_document", Message: err.Error()})
	}
	if err := r.begin(ctx); err != nil {
		return err
	}
	switch r.claim.Verdict {
	case ledger.MaySend, ledger.MustLookUp:
		return r.work(ctx)
	case ledger.Busy:
		return handling.Busy(ctx, h.Ledger, r.claim, r.Lease)
	case ledger.WaitTurn:
		return tasks.Wait(3*time.Second, "waiting for refund "+r.claim.Turn+" of the same order")
	case ledger.IsFinal:
		if r.claim.EventDue {
			return h.Ledger.Publish(ctx, ledger.Ref(r.key))
		}
		return nil
	case ledger.Conflict:
		r.log.Error("another document is enqueued under this refund id already; this one is dropped", "state", r.claim.State)
		return nil
	}
	return fmt.Errorf("refund: the ledger answered %q", r.claim.Verdict)
}

func (h *Handler) newRun(p tasks.Payload) *run {
	return &run{Handler: h, key: p.RefundKey(), payload: p,
		log: h.Log.With("provider", string(p.Provider), "order", p.OrderID, "refund", p.RefundID)}
}

func (r *run) begin(ctx context.Context) error {
	in := ledger.Intake{Runner: fmt.Sprintf("%s/r%d", r.Worker, r.runs.Add(1)), Lease: r.Lease, Fingerprint: r.payload.Fingerprint,
		Lane: string(r.payload.Lane), Shape: string(r.payload.Shape), Document: r.payload.Document}
	var err error
	r.claim, err = r.Ledger.BeginRefund(ctx, r.key, in)
	if err != nil || r.claim.Verdict != ledger.Conflict || r.request == nil {
		return err
	}
	same, err := tasks.SameRefund(r.Ring, r.key.Provider, r.request, r.claim.Fingerprint)
	if wait, missing := handling.MissingKey(r.log, "the refund's record cannot be compared with this document", err); missing {
		return wait
	}
	if err != nil || !same { // what cannot be read is not the document that is there
		return nil
	}
	in.Fingerprint = r.claim.Fingerprint
	r.claim, err = r.Ledger.BeginRefund(ctx, r.key, in)
	return err
}

// work holds the claim while it plans, sends and proves.
func (r *run) work(ctx context.Context) error {
	held, stop := ledger.Hold(ctx, r.Lease, func(ctx context.Context) error {
		return r.Ledger.ExtendRefund(ctx, r.key, r.claim.Fence, r.Lease)
	})
	defer stop()
	err := r.act(held)
	if tasks.IsFailure(err) {
		// Not a crash, so the claim does not have to run out. An intent without an answer stays in
		// doubt. Should this fail too, the claim runs out after all.
		rec, cancel := handling.Recording()
		defer cancel()
		_, _ = r.Ledger.RefundIdle(rec, r.key, r.claim.Fence, ledger.Reason{})
	}
	return err
}

func (r *run) act(ctx context.Context) error {
	var err error
	if r.rec, err = r.Ledger.LoadRefund(ctx, r.key); err != nil {
		return err
	}
	if r.claim.Crashes >= r.MaxCrashes {
		return r.review("crashes_worker", fmt.Sprintf(
			"%d workers died with this refund in their hands; look at their logs, then retry or resolve it", r.claim.Crashes))
	}
	if ready, err := r.locate(ctx); !ready {
		return err
	}
	if r.Tickets != nil {
		return r.byTickets(ctx)
	}
	return r.byCount(ctx)
}
