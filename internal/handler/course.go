// Package handler is the course that all handlers of records take: decode the task, claim the record,
// open its document, hold the claim while the handler acts, and record what came of it. A handler is the
// part in the middle; it answers with a Result and leaves all recording of ends and waits to the course.
//
// It may import internal/ledger, internal/queue, internal/seal, internal/vault, providers and tasks/order,
// and no handler.
package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"

	"issuance/internal/ledger"
	"issuance/internal/queue"
	"issuance/internal/seal"
	"issuance/internal/tracing"
	"issuance/internal/vault"
	"issuance/providers"
	"issuance/tasks/order"
)

// Defaults of a Config.
const (
	Lease      = 10 * time.Second
	MaxCrashes = 5
)

// Config of a Course. Everything is required unless a default is given.
type Config struct {
	Provider providers.Provider
	Ledger   *ledger.Ledger
	Ring     *seal.Ring
	Gate     *providers.PrepayableGate // the provider's own gate; nil: no limit
	Worker   string                    // this process, for the history
	Rules    func() providers.Rules    // that documents are checked against again. Default: the provider's alone
	Log      *slog.Logger
	// Lease is how long a claim outlives a dead worker. It is extended while a call is under way.
	// Default Lease.
	Lease time.Duration
	// LookAfter is how long after an unknown outcome the first look-up is made. Default 1 s.
	LookAfter time.Duration
	// GiveUp is how long a record may stay in doubt before it needs review. Default 24 h.
	GiveUp time.Duration
	// MaxCrashes is how many workers in a row may die while they work on a record alone before it needs
	// review. Default MaxCrashes.
	MaxCrashes int
	// Wake makes the tasks of an order's refunds run, which may wait for its end. Default: they wait for their time.
	Wake func(ctx context.Context, r order.Ref)
	// Company is what the process does at the same time. Default: one of the course's own.
	Company *Company
	// Now is this machine's clock, for how long a step took. Default: time.Now.
	Now func() time.Time
	// KeyMissing records that a document's seal key is missing. Default: nobody does.
	KeyMissing func(ctx context.Context)
	// KeyWaits says how long records wait for their seal keys. Default: one of the course's own.
	KeyWaits *KeyWaits
}

// WithDefaults fills in what is not set.
func (c Config) WithDefaults() Config {
	set := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	set(&c.Lease, Lease)
	set(&c.LookAfter, time.Second)
	set(&c.GiveUp, 24*time.Hour)
	if c.MaxCrashes <= 0 {
		c.MaxCrashes = MaxCrashes
	}
	if c.KeyWaits == nil {
		c.KeyWaits = &KeyWaits{}
	}
	if c.Company == nil {
		c.Company = NewCompany()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Rules == nil {
		c.Rules = func() providers.Rules { return providers.Rules{} }
	}
	return c
}

// Course leads the tasks of one account's records of one kind. Safe for concurrent use.
type Course struct {
	Config
	Codec providers.Codec
	act   func(context.Context, *Run) (Result, error)
	// Accepted is called for an order that the provider has already. Default: nothing is left to do.
	Accepted func(context.Context, order.Ref) error
	refunds  bool
	runs     atomic.Int64
	passed   passages
	controls controls
	rejected crowd
	turns    turns
}

// New makes a course for orders, or for refunds. act does what the claim is for; its error is for what nobody
// expects, such as a Redis that does not answer, and has the task run again.
func New(c Config, refunds bool, act func(context.Context, *Run) (Result, error)) *Course {
	codec, ok := providers.CodecOf(c.Provider.Account().Provider)
	if !ok {
		panic(fmt.Sprintf("handler: no codec for %s", c.Provider.Account()))
	}
	return &Course{Config: c.WithDefaults(), Codec: codec, act: act, refunds: refunds,
		Accepted: func(context.Context, order.Ref) error { return nil }}
}

// Run is one run of one record's task.
type Run struct {
	*Course
	Ref   order.Ref
	Rec   *ledger.Record // as it was claimed; a handler keeps it up to date with what it writes
	Claim ledger.Claim
	// Request is the opened document's request; Order is what calls about an order need.
	Request json.RawMessage
	Order   providers.Order
	Log     *slog.Logger

	span     *tracing.Span
	ban      *providers.Outcome // of a call of this run that drew one
	banSent  bool               // that call was a sending
	turnFree func()             // of a refund that has its order's turn
}

// ProcessTask implements asynq.Handler.
func (c *Course) ProcessTask(ctx context.Context, t *asynq.Task) error {
	ref, ok := Decode(c.Log, t)
	if !ok {
		return nil
	}
	r := &Run{Course: c, Ref: ref, Log: LogOf(c.Log, ref)}
	if ref.Account != c.Provider.Account() || ref.IsRefund() != c.refunds {
		return Misplaced(r.Log, t.Type())
	}
	ctx = r.trace(ctx, t)
	err := r.process(ctx)
	r.traced(err)
	return err
}

// process claims the record, and does what the claim is for.
func (r *Run) process(ctx context.Context) error {
	if err := r.claimInTurn(ctx); err != nil {
		return err
	}
	r.traceClaim(ctx)
	switch r.Claim.Verdict {
	case ledger.MaySend, ledger.MustLookUp:
		if r.refunds && len(r.Rec.Tickets) == 0 {
			r.turnFree = r.turns.begin(r.Ref)
			defer r.turnFree()
		}
		return r.work(ctx)
	case ledger.Busy:
		return queue.Wait(min(r.Rec.Until.Sub(r.Claim.Now), r.Lease), "waiting for the worker that is working on it")
	case ledger.WaitTurn:
		return queue.Wait(turnWait, "waiting for refund "+r.Claim.Turn+" of the same order")
	case ledger.IsAccepted:
		return r.Accepted(ctx, r.Ref)
	case ledger.IsFinal:
		if r.Rec.Event == "" {
			return r.Ledger.Publish(ctx, r.Ref)
		}
		return nil
	case ledger.Missing:
		NoRecord(r.Log)
		return nil
	case ledger.Newer:
		return NewerRecord(r.Log)
	}
	return fmt.Errorf("handler: the ledger answered %q", r.Claim.Verdict)
}

// turnWait is how long a refund waits for another one of the same order.
const turnWait = time.Second

func (r *Run) claim(ctx context.Context) (err error) {
	runner := fmt.Sprintf("%s/%d", r.Worker, r.runs.Add(1))
	r.Claim, err = r.Ledger.Claim(ctx, r.Ref, runner, r.Lease)
	r.Rec = r.Claim.Record
	return err
}

// work holds the claim while the handler acts, and records what came of it.
func (r *Run) work(ctx context.Context) error {
	solo := Alone(r.Rec.Crashes, r.Rec.Abandoned)
	leave, err := r.join(ctx, solo)
	if err != nil || leave == nil {
		return err
	}
	defer leave()
	held, stop := ledger.Hold(ctx, r.Lease, func(ctx context.Context) error {
		return r.Ledger.Extend(ctx, r.Ref, r.Rec.Fence, r.Lease, solo)
	})
	defer stop()
	res, err := r.prepared(held)
	if err == nil {
		err = r.record(res)
	}
	if queue.IsFailure(err) {
		// Not a crash, so the claim does not have to run out. An intent without an answer stays in
		// doubt. Should this fail too, the claim runs out after all.
		rec, cancel := r.Recording()
		_, _ = r.Ledger.GiveBack(rec, r.Ref, r.Rec.Fence, ledger.Idle, ledger.Reason{})
		cancel()
	}
	stop()
	if err == nil && res.after != nil {
		return res.after(ctx)
	}
	return err
}

// join waits until the record may be worked on, alone if others may have died for it. leave is nil when it may
// not now: the claim is given back then, and the runners that died before stay counted.
func (r *Run) join(ctx context.Context, solo bool) (leave func(), err error) {
	within, cancel := context.WithTimeout(ctx, r.Lease/2)
	defer cancel()
	leave, ok := r.Company.Join(within, solo)
	switch {
	case !ok:
		rec, cancel := r.Recording()
		defer cancel()
		if a, err := r.Ledger.GiveBack(rec, r.Ref, r.Rec.Fence, ledger.Unworked, ledger.Reason{}); err != nil || !a.Applied {
			return nil, r.Written("release", a, err)
		}
		return nil, queue.Wait(time.Second, AloneText)
	case !solo:
		return leave, nil
	}
	// From here on, the death of this process counts for this record.
	if err = r.Ledger.Extend(ctx, r.Ref, r.Rec.Fence, r.Lease, true); err == nil {
		return leave, nil
	}
	leave()
	if errors.Is(err, ledger.ErrFenced) {
		err = r.Written("extend", ledger.Answer{}, nil)
	}
	return nil, err
}

// prepared checks what every handler relies on, and lets the handler act.
func (r *Run) prepared(ctx context.Context) (Result, error) {
	if r.Rec.Crashes >= r.MaxCrashes {
		return End(Crashed(r.Rec.Crashes)), nil
	}
	if res, ok := r.open(); !ok {
		return res, nil
	}
	if elsewhere, err := Elsewhere(ctx, r.Log, r.Provider, r.Ledger, r.Rec); err != nil || elsewhere {
		return r.OtherHost(r.Rec), err
	}
	return r.act(ctx, r)
}

// OtherHost waits for a worker of the host, or with the credential, that something of a record was sent to or with.
func (r *Run) OtherHost(rec *ledger.Record) Result {
	return Wait(time.Minute, order.CodeOtherHost, ElsewhereSent(r.Log, rec, r.Provider.Host()))
}

// open opens the record's document. ok is false when that cannot be done.
func (r *Run) open() (res Result, ok bool) {
	var err error
	r.Request, err = vault.OpenDocument(r.Ring, r.Ref, r.Rec.Document)
	if errors.Is(err, seal.ErrUnknownKey) {
		return Wait(r.KeyMissing("the document", err), order.CodeSealKey, "waiting for its seal key in ISSUANCE_SEAL_KEYS").Yielding(), false
	}
	if err != nil {
		return Review(order.CodeUnreadable, err.Error()), false
	}
	r.Order = providers.Order{ID: r.Ref.OrderID, Request: r.Request, Ref: r.Rec.ProviderRef}
	return res, true
}

// Recheck validates an order's opened request again: rules about dates change with time. The error lists
// every violation.
func (r *Run) Recheck() error {
	d, invalid := r.Codec.ParseOrder("request", r.Request, r.Rules())
	if invalid != nil {
		return invalid
	}
	if d.ID != r.Ref.OrderID {
		return fmt.Errorf("the document is of order %s", d.ID)
	}
	return nil
}
