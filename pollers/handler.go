package pollers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/handling"
	"issuance/internal/ledger"
	"issuance/internal/seal"
	"issuance/providers"
	"issuance/tasks"
)

// Config of a Handler. Everything is required unless a default is given.
type Config struct {
	Provider providers.Provider
	Ledger   *ledger.Ledger
	Ring     *seal.Ring
	Schedule Schedule
	Log      *slog.Logger
	// Follower wakes other orders when one has ended. Default: none are woken, every order is
	// polled by the schedule alone.
	Follower *Follower
}

// Handler asks for accepted orders of one provider and records what it learns. Safe for
// concurrent use; two runs for one order ask twice and record once.
type Handler struct{ Config }

// New makes a handler.
func New(c Config) *Handler {
	c.Schedule = c.Schedule.WithDefaults()
	return &Handler{Config: c}
}

// poll is one run of one order's poll task.
type poll struct {
	*Handler
	rec   *ledger.Record
	order providers.Order
	age   time.Duration // since the provider accepted
	log   *slog.Logger
}

// ProcessTask implements asynq.Handler.
func (h *Handler) ProcessTask(ctx context.Context, t *asynq.Task) error {
	payload, err := tasks.DecodePayload(t.Payload())
	// All that a poll takes from its payload is whose order it is; the rest is in the ledger. So a newer
	// version is as good, and nobody has to wait for a newer worker, who may never come.
	var newer *tasks.NewerPayloadError
	readable := errors.As(err, &newer) && payload.Provider.Known() && payload.OrderID != ""
	if err != nil && !readable {
		h.Log.Error("alarm: a poll task holds a payload that is not this program's; it is dropped", "error", err)
		return nil
	}
	if payload.Provider != h.Provider.Name() {
		return handling.Misplaced(h.Log, payload, tasks.PollType(h.Provider.Name()))
	}
	k := payload.Key()
	log := h.Log.With("provider", string(k.Provider), "order", k.OrderID)
	rec, now, err := h.Ledger.LoadNow(ctx, k)
	switch {
	case errors.Is(err, ledger.ErrNotFound):
		log.Warn("a poll task has no order in the ledger any more; it is dropped")
		return nil
	case err != nil:
		return err
	case rec.State.Final() && rec.Event == "":
		return errors.Join(h.Ledger.Publish(ctx, ledger.Ref{Key: k}), h.Follower.finished(ctx, k, rec.State))
	case rec.State != ledger.Accepted:
		return h.Follower.finished(ctx, k, rec.State)
	}
	p := &poll{Handler: h, rec: rec, age: now.Sub(rec.AcceptedAt), log: log.With("attempt", rec.Attempts, "poll", rec.Polls+1)}
	raw, err := tasks.OpenOrder(h.Ring, k, rec.Document)
	if err != nil {
		if wait, missing := handling.MissingKey(log, "the order's document cannot be opened", err); missing {
			return wait
		}
		return p.finish(ledger.Ending{State: ledger.Review, Reason: ledger.Reason{Code: "unreadable_document", Message: err.Error()}})
	}
	p.order = providers.Order{ID: k.OrderID, Request: raw, Ref: rec.Ref}
	return p.ask(ctx)
}

func (p *poll) ask(ctx context.Context) error {
	if !p.Schedule.Overdue(p.age) {
		wait, skip, err := p.Follower.needless(ctx, p.rec.Key, p.rec.AcceptedAt, p.age)
		if err != nil {
			return err
		}
		if skip {
			return tasks.Wait(wait, "an older order is asked in its place")
		}
	}
	f := p.Provider.LookUp(ctx, p.order)
	p.log.Info("asked", "finding", string(f.State), "code", f.Outcome.Code)
	switch f.State {
	case providers.FoundIssued:
		return p.issued(ctx, f)
	case providers.FoundFailed:
		return p.finish(ledger.Ending{State: ledger.Failed, Ref: ref(f), Polled: true, Reason: ledger.Reason{
			Code: orDefault(f.Outcome.Code, "issuing_failed"), Message: f.Outcome.Message}})
	case providers.FoundPending:
		return p.again(ledger.Reason{}, 0, "the provider has not issued it yet")
	case providers.Absent:
		// It accepted the order and now denies it. That may be a replica that lags; it is never a
		// reason to send the order again.
		p.log.Warn("the provider accepted this order and now does not know it", "code", f.Outcome.Code)
		return p.again(ledger.Reason{Code: orDefault(f.Outcome.Code, "absent"), Message: f.Outcome.Message}, 0,
			"the provider accepted it and now does not know it")
	default:
		return p.unclear(f.Outcome)
	}
}

// issued completes an order the provider has issued. Where nobody else delivers the tickets, it is
// complete only with all of them.
func (p *poll) issued(ctx context.Context, f providers.Finding) error {
	res := f.Result
	if need, count := p.Provider.NeedsTickets(p.order); need {
		list, out := p.Provider.Tickets(ctx, p.order)
		p.log.Info("fetched the tickets", "outcome", string(out.Kind), "code", out.Code, "tickets", len(list))
		if out.Kind != providers.Done {
			return p.unclear(out)
		}
		if len(list) != count {
			return p.again(ledger.Reason{Code: "ticket_count", Message: fmt.Sprintf("the provider lists %d tickets, %d were ordered", len(list), count)},
				0, "the provider lists another number of tickets than was ordered")
		}
		if res == nil {
			res = &providers.Result{Ref: p.rec.Ref}
		}
		res.Tickets = list
	}
	sealed, err := tasks.SealResult(p.Ring, p.rec.Key, res)
	if err != nil {
		return err
	}
	return p.finish(ledger.Ending{State: ledger.Issued, Ref: ref(f), Result: sealed, Polled: true})
}

// unreachedWait is how soon an overdue order is tried again whose question has not left this machine.
const unreachedWait = 30 * time.Second

// unclear waits after a call that learned nothing. A call that was held back is no poll, and an
// order that could not be asked for is not given up.
func (p *poll) unclear(out providers.Outcome) error {
	if out.Alarm {
		p.log.Error("alarm: the provider refuses this account; a person has to act", "code", out.Code, "message", out.Message)
	}
	if out.Kind == providers.Held {
		return tasks.Wait(max(out.RetryAfter, time.Second), "held: "+orDefault(out.Message, out.Code))
	}
	if out.Kind == providers.NotSent && p.Schedule.Overdue(p.age) {
		// Only a question that was really asked may give an order up.
		return tasks.Wait(max(out.RetryAfter, Jitter(unreachedWait)), "overdue, and it could not be asked: "+orDefault(out.Code, string(out.Kind)))
	}
	return p.again(ledger.Reason{Code: out.Code, Message: out.Message}, out.RetryAfter, "no clear answer: "+orDefault(out.Code, string(out.Kind)))
}

// again counts the poll and waits for the next. Without a reason the provider's answer was a clear
// "not yet". An order past its deadline is given up to a person, but never unasked, however long the
// workers were away.
func (p *poll) again(why ledger.Reason, atLeast time.Duration, text string) error {
	if p.Schedule.Overdue(p.age) {
		return p.finish(ledger.Ending{State: ledger.Review, Polled: true, Reason: ledger.Reason{Code: "overdue", Message: fmt.Sprintf(
			"the provider accepted this order and has not issued it in %s (last: %s); ask the provider",
			p.Schedule.Deadline, orDefault(why.Code, "not issued yet"))}})
	}
	ctx, cancel := handling.Recording()
	defer cancel()
	a, _, err := p.Ledger.Polled(ctx, p.rec.Key, why)
	if err != nil {
		return err
	}
	if !a.Applied {
		return nil // somebody else has recorded the end meanwhile
	}
	wait := Jitter(p.Schedule.Next(p.age))
	if p.Follower != nil {
		if wait, err = p.Follower.next(ctx, p.rec.Key, p.rec.AcceptedAt, p.age, why == (ledger.Reason{})); err != nil {
			return err
		}
	}
	return tasks.Wait(max(atLeast, wait), text)
}

func (p *poll) finish(e ledger.Ending) error {
	ctx, cancel := handling.Recording()
	defer cancel()
	a, err := p.Ledger.Finish(ctx, p.rec.Key, "", e)
	if err != nil {
		return err
	}
	switch {
	case !a.Applied:
		p.log.Warn("a late answer is not applied: the order has ended already", "state", string(a.State))
	case e.State == ledger.Review:
		p.log.Error("alarm: the order needs a person", "code", e.Reason.Code, "message", e.Reason.Message)
	default:
		p.log.Info("final", "state", string(e.State), "code", e.Reason.Code, "polls", p.rec.Polls+1)
	}
	return p.Follower.finished(ctx, p.rec.Key, e.State)
}

func ref(f providers.Finding) string {
	if f.Result == nil {
		return ""
	}
	return f.Result.Ref
}

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}
