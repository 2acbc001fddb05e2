package otlp_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// receiver is an OpenTelemetry collector: OTLP over HTTP, decoded as its protocol says.
type receiver struct {
	URL string

	mu    sync.Mutex
	spans []*trace.Span
	raw   strings.Builder // everything that came, as text
}

func startReceiver(t *testing.T) *receiver {
	r := &receiver{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		var in collector.ExportTraceServiceRequest
		if err != nil || req.URL.Path != "/v1/traces" || req.Header.Get("Content-Type") != "application/x-protobuf" || proto.Unmarshal(body, &in) != nil {
			t.Errorf("%s %s: %d bytes, %v", req.Method, req.URL.Path, len(body), err)
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		fmt.Fprintf(&r.raw, "%s\n%s\n", body, in.String())
		for _, rs := range in.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				r.spans = append(r.spans, ss.Spans...)
			}
		}
		out, _ := proto.Marshal(&collector.ExportTraceServiceResponse{})
		w.Header().Set("Content-Type", "application/x-protobuf")
		_, _ = w.Write(out)
	}))
	t.Cleanup(s.Close)
	r.URL = s.URL
	return r
}

// named is the one span of a name.
func (r *receiver) named(t *testing.T, name string) *trace.Span {
	t.Helper()
	var found []*trace.Span
	for _, s := range r.spans {
		if s.Name == name {
			found = append(found, s)
		}
	}
	if len(found) == 0 {
		t.Fatalf("there is no span %q among %q", name, r.names())
	}
	return found[0]
}

func (r *receiver) names() (names []string) {
	for _, s := range r.spans {
		names = append(names, s.Name)
	}
	return names
}

// attr is an attribute of a span, as text.
func attr(s *trace.Span, key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			if n := a.Value.GetIntValue(); n != 0 {
				return fmt.Sprint(n)
			}
			return a.Value.GetStringValue()
		}
	}
	return ""
}
