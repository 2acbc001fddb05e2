package cli

import (
	"context"
	"log/slog"
	"slices"

	"issuance/internal/config"
	"issuance/internal/logging"
	"issuance/internal/tracing"
	"issuance/internal/tracing/otlp"
)

// trace turns tracing on where the environment asks for it. Commands that enqueue go on in the trace of TRACEPARENT, which
// their documents carry even while this program sends no traces. end is to be called with the command's error.
func (a *app) trace(ctx context.Context, args []string) (_ context.Context, end func(error), err error) {
	ctx = tracing.WithTraceparent(ctx, a.env["TRACEPARENT"])
	service := "issuance-enqueue"
	if slices.Contains(args, "serve") {
		service = "issuance-frontdoor"
	}
	stop, err := otlp.Start(ctx, a.env, service, version().String(), logging.New(a.err, config.LogAuto, slog.LevelWarn))
	if err != nil {
		return ctx, nil, err
	}
	var span *tracing.Span
	if len(args) > 0 && slices.Contains([]string{"issue", "refund", "bulk"}, args[0]) {
		ctx, span = tracing.Begin(ctx, tracing.Producer, "enqueue "+args[0])
	}
	return ctx, func(err error) {
		span.End(err)
		stop()
	}, nil
}
