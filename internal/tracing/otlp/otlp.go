// Package otlp sends the spans of package tracing to an OpenTelemetry collector, by OTLP over HTTP. The standard variables
// of OpenTelemetry (OTEL_…) say where to and how; without an endpoint nothing is sent and tracing stays off. It is for the
// programs alone: package tasks, which checkouts import, must not come to depend on it.
package otlp

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"issuance/internal/tracing"
)

// flushWithin bounds how long the last spans of a program may take.
const flushWithin = 2 * time.Second

// Start turns tracing on if env names an endpoint. The SDK reads the other settings from the process's own environment.
// stop sends what is left, and turns it off. service is the name that OTEL_SERVICE_NAME replaces.
func Start(ctx context.Context, env map[string]string, service, version string, log *slog.Logger) (stop func(), err error) {
	if !wanted(env) {
		return func() {}, nil
	}
	protocol := cmp.Or(env["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"], env["OTEL_EXPORTER_OTLP_PROTOCOL"], "http/protobuf")
	if protocol != "http/protobuf" {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL %q: http/protobuf is what is spoken here", protocol)
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)
	}
	// Nothing of the process or the host beyond what OTEL_RESOURCE_ATTRIBUTES says.
	own := resource.NewSchemaless(attribute.String("service.name", service), attribute.String("service.version", version))
	named, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err == nil {
		own, err = resource.Merge(own, named)
	}
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	otel.SetErrorHandler(&complaints{log: log})
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(own))
	tracing.Use(provider)
	return func() {
		tracing.Use(nil)
		ctx, cancel := context.WithTimeout(context.Background(), flushWithin)
		defer cancel()
		_ = provider.Shutdown(ctx) // a collector that is away loses the last spans
	}, nil
}

// wanted reports whether the environment asks for traces.
func wanted(env map[string]string) bool {
	if strings.EqualFold(env["OTEL_SDK_DISABLED"], "true") || env["OTEL_TRACES_EXPORTER"] == "none" {
		return false
	}
	return env["OTEL_EXPORTER_OTLP_ENDPOINT"] != "" || env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] != ""
}

// complaints are the SDK's errors, of which one a minute is logged: a collector that is away must not fill the log.
type complaints struct {
	log  *slog.Logger
	last atomic.Int64 // unix seconds
}

// Handle implements otel.ErrorHandler.
func (c *complaints) Handle(err error) {
	now := time.Now().Unix()
	if last := c.last.Load(); now-last < 60 || !c.last.CompareAndSwap(last, now) {
		return
	}
	c.log.Warn("traces cannot be sent", "error", err)
}
