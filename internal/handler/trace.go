package handler

import (
	"context"
	"strings"

	"github.com/hibiken/asynq"

	"issuance/internal/queue"
	"issuance/internal/tracing"
	"issuance/tasks/order"
)

// trace begins the span of a run. A checkout's order goes on in the trace of its enqueueing; those of a bulk, which would be
// one trace of thousands, link to it.
func (r *Run) trace(ctx context.Context, t *asynq.Task) context.Context {
	if !tracing.On() {
		return ctx
	}
	name := "issue"
	if r.refunds {
		name = "refund"
	}
	_, traceparent, _ := queue.Decode(t.Payload()) // a newer version's, too
	attrs := []tracing.Attr{tracing.Account(r.Ref.Account), tracing.Order(r.Ref), tracing.Refund(r.Ref)}
	if lane, _ := asynq.GetQueueName(ctx); strings.HasSuffix(lane, "-"+string(order.Bulk)) {
		ctx, r.span = tracing.Linked(ctx, tracing.Consumer, name, traceparent, attrs...)
	} else {
		ctx, r.span = tracing.Begin(tracing.WithTraceparent(ctx, traceparent), tracing.Consumer, name, attrs...)
	}
	r.Log = tracing.Log(ctx, r.Log)
	return ctx
}

// traceClaim records what the claim was answered, and, of the first one, how long the record had waited for it.
func (r *Run) traceClaim(ctx context.Context) {
	if r.span == nil {
		return
	}
	r.span.Set(tracing.Outcome(string(r.Claim.Verdict)))
	if r.Rec != nil {
		r.span.Set(tracing.State(r.Rec.State))
		if r.Rec.Fence == "1" {
			tracing.Past(ctx, "queue wait", r.Rec.CreatedAt, r.Claim.Now)
		}
	}
}

// traced ends the span. A wait is no failure.
func (r *Run) traced(err error) {
	if !queue.IsFailure(err) {
		err = nil
	}
	r.span.End(err)
}
