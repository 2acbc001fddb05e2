package tracing

import (
	"context"
	"encoding/hex"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// The header of W3C Trace Context, version 00, is read and written here: OpenTelemetry's own reader brings an HTTP client
// along, which a checkout that imports package tasks must not get.

// Traceparent is the W3C traceparent of what is in ctx, "" for nothing. It is there while tracing is off, too, where
// WithTraceparent put it.
func Traceparent(ctx context.Context) string {
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() {
		return ""
	}
	return "00-" + sc.TraceID().String() + "-" + sc.SpanID().String() + "-" + (sc.TraceFlags() & trace.FlagsSampled).String()
}

// WithTraceparent is a context whose spans go on from a W3C traceparent. One that is none changes nothing.
func WithTraceparent(ctx context.Context, traceparent string) context.Context {
	if sc := parse(traceparent); sc.IsValid() {
		return trace.ContextWithRemoteSpanContext(ctx, sc)
	}
	return ctx
}

const (
	shortest  = 55 // of version 00, which has nothing behind the flags
	lowercase = "0123456789abcdef"
)

// parse reads a traceparent; what it cannot read is not valid. A newer version may have more behind the flags.
func parse(s string) trace.SpanContext {
	if len(s) < shortest || s[2] != '-' || s[35] != '-' || s[52] != '-' || s[:2] == "ff" ||
		len(s) > shortest && (s[:2] == "00" || s[shortest] != '-') || strings.Trim(s[:2]+s[3:35]+s[36:52]+s[53:55], lowercase) != "" {
		return trace.SpanContext{}
	}
	id, idErr := trace.TraceIDFromHex(s[3:35])
	span, spanErr := trace.SpanIDFromHex(s[36:52])
	flags, flagsErr := hex.DecodeString(s[53:55])
	if idErr != nil || spanErr != nil || flagsErr != nil {
		return trace.SpanContext{}
	}
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: span, TraceFlags: trace.TraceFlags(flags[0]) & trace.FlagsSampled, Remote: true})
}
