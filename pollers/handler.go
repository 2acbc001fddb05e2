package pollers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/handler"
	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/internal/seal"
	"issuance/internal/tracing"
	"issuance/internal/vault"
	"issuance/providers"
	"issuance/tasks/order"
)

// Config of a Handler. Everything is required unless a default is given.
type Config struct {
	Provider providers.Provider
	Ledger   *ledger.Ledger
	Ring     *seal.Ring
	Schedule Schedule
	Log      *slog.Logger
	// Wake makes the tasks of an order's refunds run, which may wait for its end. Default: they wait for their time.
	Wake func(ctx context.Context, r order.Ref)
	// KeyMissing records that a document's seal key is missing. Default: nobody does.
	KeyMissing func(ctx context.Context)
	// KeyWaits says how long records wait for their seal keys. Default: one of the handler's own.
	KeyWaits *handler.KeyWaits
	// Follower wakes other orders when one has ended. Default: none are woken, every order is
	// polled by the schedule alone.
	Follower *Follower
	// Worker is this process, for the history. Default "poller".
	Worker string
	// Company is what the process does at the same time. Default: one of the handler's own.
	Company *handler.Company
}

// Handler asks for accepted orders of one account and records what it learns; an asynq.Handler. Safe for
// concurrent use; of two runs for one order, one asks at a time.
type Handler struct {
	Config
	runs    atomic.Int64
	pending pendings
}

// New makes a handler.
func New(c Config) *Handler {
	c.Schedule = c.Schedule.WithDefaults()
	if c.KeyWaits == nil {
		c.KeyWaits = &handler.KeyWaits{}
	}
	if c.Company == nil {
		c.Company = handler.NewCompany()
	}
	c.Worker = cmp.Or(c.Worker, "poller")
	return &Handler{Config: c}
}

// poll is one run of one order's poll task.
type poll struct {
	*Handler
	rec   *ledger.Record
	order providers.Order
	now   time.Time
	age   time.Duration // since the provider accepted
	log   *slog.Logger
	fence string // of its claim, until that is given back
	span  *tracing.Span
	// saysIssued: the provider has answered that the order, which is certainly ours, is issued.
	saysIssued bool
}

// recording is a context for writing down what the poll has learned, within its trace.
func (p *poll) recording() (context.Context, context.CancelFunc) {
	ctx, cancel := handler.Recording()
	return p.span.In(ctx), cancel
}

// ProcessTask implements asynq.Handler.
func (h *Handler) ProcessTask(ctx context.Context, t *asynq.Task) error {
	ref, ok := handler.Decode(h.Log, t)
	if !ok {
		return nil
	}
	log := handler.LogOf(h.Log, ref)
	if ref.Account != h.Provider.Account() || ref.IsRefund() {
		return handler.Misplaced(log, t.Type())
	}
	worth, wait, err := h.Follower.worth(ctx, ref, time.Time{}, 0)
	if err != nil {
		return err
	}
	if worth == needless {
		return spokenFor(wait)
	}
	runner := fmt.Sprintf("%s/poll %d", h.Worker, h.runs.Add(1))
	claim, err := h.Ledger.BeginPoll(ctx, ref, runner, handler.Lease)
	if err != nil {
		return err
	}
	rec := claim.Record
	switch claim.Verdict {
	case ledger.MayPoll:
	case ledger.Missing:
		handler.NoRecord(log)
		return h.Follower.unasked(ctx, ref)
	case ledger.Busy:
		return queue.Wait(min(rec.Until.Sub(claim.Now), handler.Lease), "another worker is asking for it")
	case ledger.Newer:
		return errors.Join(handler.NewerRecord(log), h.Follower.unasked(ctx, ref))
	default: // it is not accepted, or not any more
		if rec.State.Final() && rec.Event == "" {
			err = h.Ledger.Publish(ctx, ref)
		}
		return errors.Join(err, h.Follower.finished(ctx, ref, rec.State, time.Time{}))
	}
	p := &poll{Handler: h, rec: rec, fence: rec.Fence, now: claim.Now, age: claim.Now.Sub(rec.AcceptedAt),
		log: log.With("attempt", rec.Attempts, "poll", rec.Polls+1)}
	if end, err := p.open(ctx); end || err != nil {
		return errors.Join(err, p.giveBack(true), h.Follower.unasked(ctx, ref))
	}
	if worth == unclear && !p.Schedule.Overdue(p.age) {
		if worth, wait, err = h.Follower.worth(ctx, ref, rec.AcceptedAt, p.age); err != nil {
			return errors.Join(err, p.giveBack(true))
		}
		if worth == needless {
			return errors.Join(p.giveBack(true), spokenFor(wait))
		}
	}
	return p.traced(ctx)
}

// traced asks in a trace of its own, which links to the order's: one that is issued late is asked for many times.
func (p *poll) traced(ctx context.Context) error {
	ref := p.rec.Ref
	ctx, p.span = tracing.Linked(ctx, tracing.Consumer, "poll", p.rec.Trace, tracing.Account(ref.Account), tracing.Order(ref))
	p.log = tracing.Log(ctx, p.log)
	err := p.claimed(ctx)
	if !queue.IsFailure(err) {
		p.span.End(nil)
		return err
	}
	p.span.End(err)
	return err
}

// spokenFor waits with an order that need not be asked for now.
func spokenFor(wait time.Duration) error {
	return queue.Wait(wait, "waiting for the provider to issue it; an older order is asked for in its place")
}

// open takes the order's request from the record: the document, or the stub once that was erased. end says
// that the order was ended instead.
func (p *poll) open(ctx context.Context) (end bool, err error) {
	if elsewhere, err := handler.Elsewhere(ctx, p.log, p.Provider, p.Ledger, p.rec); err != nil {
		return false, err
	} else if elsewhere {
		return false, queue.Wait(time.Minute, handler.ElsewhereSent(p.log, p.rec, p.Provider.Host()))
	}
	p.order = providers.Order{ID: p.rec.OrderID, Request: p.rec.Stub, Ref: p.rec.ProviderRef}
	if p.rec.Document == "" && len(p.rec.Stub) > 0 {
		return false, nil
	}
	p.order.Request, err = vault.OpenDocument(p.Ring, p.rec.Ref, p.rec.Document)
	if errors.Is(err, seal.ErrUnknownKey) {
		handler.KeyMissing(p.log, "the order's document", err, p.KeyMissing)
		return false, queue.Wait(p.KeyWaits.Next(), "waiting for its seal key in ISSUANCE_SEAL_KEYS")
	}
	if err != nil {
		return true, p.finish(ledger.Ending{State: order.Review, Reason: ledger.Reason{Code: string(order.CodeUnreadable), Message: err.Error()}})
	}
	return false, nil
}

// look asks the provider, and records what it says.
func (p *poll) look(ctx context.Context) error {
	f := p.Provider.LookUp(ctx, p.order)
	p.span.Set(tracing.Outcome(string(f.State)), tracing.Code(f.Outcome.Code))
	p.log.Info("asked", "finding", string(f.State), "code", f.Outcome.Code)
	if f.Found() && !p.rec.AbsentLast.IsZero() && !p.rec.Unproven {
		if err := p.shownLate(ctx); err != nil {
			return err
		}
	}
	switch f.State {
	case providers.FoundIssued:
		return p.issued(ctx, f)
	case providers.FoundFailed:
		return p.failed(f)
	case providers.FoundPending:
		if p.rec.Unproven && handler.TooFew(f) {
			return p.tooFew(f)
		}
		p.pending.note(p.rec.AcceptedAt, p.now)
		return p.again(ledger.Reason{}, 0, "waiting for the provider to issue it")
	case providers.Absent:
		if p.Schedule.Overdue(p.age) {
			if sure, err := p.surelyAbsent(ctx, f); err != nil || !sure {
				return errors.Join(err, p.unclear(f.Outcome)) // it may mean that the question cannot be answered now
			}
		}
		// It accepted the order and now denies it. That may be a replica that lags; it is never a
		// reason to send the order again.
		p.log.Warn("the provider accepted this order and now does not know it", "code", f.Outcome.Code)
		return p.denied(ledger.Reason{Code: cmp.Or(f.Outcome.Code, string(order.CodeAbsent)), Message: f.Outcome.Message})
	default:
		if p.rec.Unproven && handler.Contradicts(f) {
			return p.issued(ctx, f)
		}
		return p.unclear(f.Outcome)
	}
}

// issued completes an order the provider has issued. Where nobody else delivers the tickets, it is
// complete only with all of them.
func (p *poll) issued(ctx context.Context, f providers.Finding) error {
	if p.rec.Unproven {
		// It was found after a request without a clear answer, before it showed whose it is.
		id, why, out := handler.Identify(ctx, p.Provider, p.order, &f, p.rec.FirstSentAt)
		switch {
		case out.Kind != providers.Done:
			return p.unrecognised(out)
		case id == handler.Taken:
			return p.taken(why)
		}
	}
	res := f.Result
	switch need, count := p.Provider.NeedsTickets(p.order); {
	case need:
		list, out := p.tickets(ctx, f, count)
		if out.Kind != providers.Done {
			return p.unlisted(out)
		}
		if len(list) != count {
			return p.miscounted(len(list), count)
		}
		if res == nil {
			res = &providers.Result{Ref: p.rec.ProviderRef}
		}
		res.Tickets = list
	case p.rec.Unproven: // it has just been compared
	default:
		if out := p.compare(ctx, &f); out.Kind != providers.Done {
			return p.uncompared(out)
		}
	}
	switch {
	case handler.Fewer(f):
		return p.miscounted(f.Sight.Shown, f.Sight.Ordered)
	case handler.Other(f):
		return p.other(f.Sight.Differs)
	}
	sealed, err := vault.SealResult(p.Ring, p.rec.Ref, res)
	if err != nil {
		return err
	}
	return p.finish(ledger.Ending{State: order.Issued, ProviderRef: ref(f), Result: sealed, Polled: true, PendingAt: p.pendingAt()})
}
