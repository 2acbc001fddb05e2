package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"issuance/internal/bench/overhead"
	"issuance/providers"
)

// issue is the job of an order.
type issue struct {
	ID   string          `json:"id"`
	Body json.RawMessage `json:"body"`
}

// Kind implements river.JobArgs.
func (issue) Kind() string { return "issue" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (issue) InsertOpts() river.InsertOpts { return river.InsertOpts{Queue: checkout} }

// poll is the job of an order that the provider has accepted.
type poll issue

// Kind implements river.JobArgs.
func (poll) Kind() string { return "poll" }

// InsertOpts implements river.JobArgsWithInsertOpts.
func (poll) InsertOpts() river.InsertOpts { return river.InsertOpts{Queue: polls} }

type issuer struct {
	river.WorkerDefaults[issue]
	*shop
}

// Work implements river.Worker: the intent, the call, and its end.
func (w *issuer) Work(ctx context.Context, job *river.Job[issue]) error {
	w.starts()
	id := job.Args.ID
	if _, err := w.pool.Exec(ctx, `UPDATE orders SET state = 'submitting', sent_at = now() WHERE id = $1`, id); err != nil {
		return err
	}
	out := w.provider.Issue(ctx, providers.Order{ID: id, Request: job.Args.Body})
	switch {
	case w.kind == overhead.Voucher && out.Kind == providers.Done:
		return w.end(ctx, id, completing(ctx, job))
	case w.kind == overhead.Voucher || out.Kind != providers.Accepted:
		return fmt.Errorf("issue: %s %s", out.Kind, out.Code)
	case w.kind == overhead.Paper:
		return w.lookUp(ctx, id, job.Args.Body, completing(ctx, job))
	}
	return pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE orders SET state = 'accepted' WHERE id = $1`, id); err != nil {
			return err
		}
		if _, err := w.client.InsertTx(ctx, tx, poll(job.Args), nil); err != nil {
			return err
		}
		return completing(ctx, job)(tx)
	})
}

type poller struct {
	river.WorkerDefaults[poll]
	*shop
}

// Work implements river.Worker.
func (w *poller) Work(ctx context.Context, job *river.Job[poll]) error {
	return w.lookUp(ctx, job.Args.ID, job.Args.Body, completing(ctx, job))
}

func (s *shop) lookUp(ctx context.Context, id string, body []byte, complete func(pgx.Tx) error) error {
	if f := s.provider.LookUp(ctx, providers.Order{ID: id, Request: body}); f.State != providers.FoundIssued {
		return fmt.Errorf("look up: %s", f.State)
	}
	return s.end(ctx, id, complete)
}

// completing ends a job in a transaction.
func completing[A river.JobArgs](ctx context.Context, job *river.Job[A]) func(pgx.Tx) error {
	return func(tx pgx.Tx) error {
		_, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job)
		return err
	}
}
