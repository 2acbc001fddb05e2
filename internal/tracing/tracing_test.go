package tracing

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"issuance/providers"
	"issuance/tasks/order"
)

var ref = order.Ref{Account: providers.Account{Provider: providers.ECTicket, Merchant: "2000132"}, OrderID: "A1", RefundID: "R1"}

// everything is what a run does with its spans.
func everything(ctx context.Context, log *slog.Logger) {
	ctx, span := Begin(ctx, Consumer, "issue", Account(ref.Account), Order(ref), Refund(ref))
	_, child := Child(ctx, Internal, "ledger", "claim")
	child.Set(Outcome("send"), State(order.Queued))
	child.End(nil)
	_, call := Child(ctx, Internal, "ecticket", "Issue", Account(ref.Account))
	Called(call, providers.Outcome{Kind: providers.Accepted})
	Past(ctx, "queue wait", time.Time{}, time.Time{})
	_, linked := Linked(ctx, Consumer, "poll", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Order(ref))
	linked.End(nil)
	_ = Log(ctx, log)
	_ = Exemplar(ctx)
	_ = span.In(ctx)
	span.End(nil)
}

func TestTracingThatIsOffAllocatesNothing(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	ctx := context.Background()
	if n := testing.AllocsPerRun(1000, func() { everything(ctx, log) }); n != 0 {
		t.Errorf("%.0f allocations", n)
	}
}

// BenchmarkOff is what tracing costs an order while it is off.
func BenchmarkOff(b *testing.B) {
	log := slog.New(slog.DiscardHandler)
	for b.Loop() {
		everything(b.Context(), log)
	}
}

// using records spans while a test runs.
func using(t *testing.T) *tracetest.SpanRecorder {
	r := tracetest.NewSpanRecorder()
	Use(sdk.NewTracerProvider(sdk.WithSpanProcessor(r)))
	t.Cleanup(func() { Use(nil) })
	return r
}

// Of an error only its type is recorded: its text may be a provider's, with what a customer wrote.
func TestAnErrorsTextIsNotRecorded(t *testing.T) {
	r := using(t)
	_, span := Begin(t.Context(), Internal, "x")
	span.End(fmt.Errorf("of Ms Chen: %w", errors.New("Ms Chen")))
	got := r.Ended()[0]
	if got.Status().Description != "" || len(got.Events()) > 0 || len(got.Attributes()) != 1 || got.Attributes()[0] != attribute.String("error.type", "*errors.errorString") {
		t.Errorf("%+v %v", got.Status(), got.Attributes())
	}
}

// What runs outside of any span, such as the sweeper, makes no traces of single scripts.
func TestAChildNeedsASpan(t *testing.T) {
	r := using(t)
	if _, s := Child(WithTraceparent(t.Context(), "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), Internal, "ledger", "due"); s != nil {
		t.Error("a span without one above it")
	}
	if len(r.Started()) > 0 {
		t.Error(r.Started())
	}
}

func TestATraceparentGoesThrough(t *testing.T) {
	const tp = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	if got := Traceparent(WithTraceparent(t.Context(), tp)); got != tp {
		t.Errorf("%q", got)
	}
	if got := Traceparent(WithTraceparent(t.Context(), "01"+tp[2:]+"-more")); got != tp {
		t.Errorf("a newer version gives %q", got)
	}
	for _, bad := range []string{"", "x", "00-00000000000000000000000000000000-b7ad6b7169203331-01", tp[:40], tp + "-x", "ff" + tp[2:], "0G" + tp[2:], strings.ToUpper(tp)} {
		if got := Traceparent(WithTraceparent(t.Context(), bad)); got != "" {
			t.Errorf("%q gives %q", bad, got)
		}
	}
}
