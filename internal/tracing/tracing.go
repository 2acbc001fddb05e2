// Package tracing follows a document through the programs by OpenTelemetry: from the front door or the command line through
// the queue, the handler, each call to the provider and the ledger, to polls and webhooks, which are traces of their own
// that link to it. It is off until Use is called; then each function returns at once and makes nothing.
//
// Attributes are made by this package's functions alone, and hold names of accounts, orders and refunds, kinds and codes:
// never a document, a text of a provider, an error's text or anything else of a customer.
//
// It imports the API of OpenTelemetry, providers and tasks/order. Sending is package otlp's.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"issuance/providers"
)

// tracer is nil while tracing is off.
var tracer atomic.Pointer[trace.Tracer]

// Use makes spans at p from now on, for the whole process; nil makes none.
func Use(p trace.TracerProvider) {
	if p == nil {
		tracer.Store(nil)
		return
	}
	t := p.Tracer("issuance")
	tracer.Store(&t)
}

// On reports whether spans are made.
func On() bool { return tracer.Load() != nil }

// Kinds of spans.
const (
	Server   = trace.SpanKindServer
	Client   = trace.SpanKindClient
	Producer = trace.SpanKindProducer
	Consumer = trace.SpanKindConsumer
	Internal = trace.SpanKindInternal
)

// Span is something that takes time. A nil Span is good and does nothing.
type Span struct{ span trace.Span }

// Begin begins a span below what is in ctx.
func Begin(ctx context.Context, kind trace.SpanKind, name string, attrs ...Attr) (context.Context, *Span) {
	t := tracer.Load()
	if t == nil {
		return ctx, nil
	}
	ctx, s := (*t).Start(ctx, name, trace.WithSpanKind(kind), trace.WithAttributes(values(attrs)...))
	return ctx, &Span{s}
}

// Child is Begin within a span of this process, and nothing without one: what runs by itself makes no traces. The name is
// what and which, with a space.
func Child(ctx context.Context, kind trace.SpanKind, what, which string, attrs ...Attr) (context.Context, *Span) {
	if tracer.Load() == nil || !trace.SpanFromContext(ctx).IsRecording() {
		return ctx, nil
	}
	return Begin(ctx, kind, what+" "+which, attrs...)
}

// Linked begins a trace of its own that links to the one of a traceparent, which may be "".
func Linked(ctx context.Context, kind trace.SpanKind, name, traceparent string, attrs ...Attr) (context.Context, *Span) {
	t := tracer.Load()
	if t == nil {
		return ctx, nil
	}
	opts := []trace.SpanStartOption{trace.WithNewRoot(), trace.WithSpanKind(kind), trace.WithAttributes(values(attrs)...)}
	if to := parse(traceparent); to.IsValid() {
		opts = append(opts, trace.WithLinks(trace.Link{SpanContext: to}))
	}
	ctx, s := (*t).Start(ctx, name, opts...)
	return ctx, &Span{s}
}

// Past records a span that is over.
func Past(ctx context.Context, name string, from, to time.Time, attrs ...Attr) {
	if t := tracer.Load(); t != nil && !from.IsZero() {
		_, s := (*t).Start(ctx, name, trace.WithTimestamp(from), trace.WithAttributes(values(attrs)...))
		s.End(trace.WithTimestamp(to))
	}
}

// In is ctx with the span, for what outlives the context in which it began.
func (s *Span) In(ctx context.Context) context.Context {
	if s == nil {
		return ctx
	}
	return trace.ContextWithSpan(ctx, s.span)
}

// Within reports whether ctx is in a span of this process.
func Within(ctx context.Context) bool {
	sc := trace.SpanContextFromContext(ctx)
	return sc.IsValid() && !sc.IsRemote()
}

// Set adds attributes.
func (s *Span) Set(attrs ...Attr) {
	if s != nil {
		s.span.SetAttributes(values(attrs)...)
	}
}

// Name gives the span another name, once that is known.
func (s *Span) Name(name string) {
	if s != nil {
		s.span.SetName(name)
	}
}

// Failed marks the span as failed. Why is in the attributes.
func (s *Span) Failed() {
	if s != nil {
		s.span.SetStatus(codes.Error, "")
	}
}

// End ends the span; with an error it has failed. Of the error only its type is recorded, since its text may hold anything.
func (s *Span) End(err error) {
	if s == nil {
		return
	}
	if err != nil {
		root := err
		for next := errors.Unwrap(root); next != nil; next = errors.Unwrap(root) {
			root = next
		}
		s.Failed()
		s.Set(Attr{key: "error.type", text: fmt.Sprintf("%T", root)})
	}
	s.span.End()
}

// Called ends the span of a call to a provider: by what kind of outcome, and by its code, which is safe to show.
func Called(s *Span, out providers.Outcome) {
	if s == nil {
		return
	}
	s.Set(Outcome(string(out.Kind)), Code(out.Code))
	if out.Kind == providers.Unknown || out.Alarm {
		s.Failed()
	}
	s.End(nil)
}

// Log is a logger whose lines name the span of ctx.
func Log(ctx context.Context, log *slog.Logger) *slog.Logger {
	if !On() {
		return log
	}
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() {
		return log
	}
	return log.With("trace_id", sc.TraceID().String(), "span_id", sc.SpanID().String())
}

// Exemplar are the labels by which a metric's observation leads to the trace of ctx; nil when that is not kept.
func Exemplar(ctx context.Context) map[string]string {
	sc := trace.SpanContextFromContext(ctx)
	if !On() || !sc.IsSampled() {
		return nil
	}
	return map[string]string{"trace_id": sc.TraceID().String(), "span_id": sc.SpanID().String()}
}
