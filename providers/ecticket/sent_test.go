package ecticket_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"issuance/providers"
	"issuance/providers/ecticket"
)

// refusedURL is an address at which nobody listens.
func refusedURL(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

func TestWithoutAConnectionNothingIsSent(t *testing.T) {
	url := refusedURL(t)
	for _, op := range ops {
		g := &gate{}
		c := client(t, url, func(cfg *ecticket.Config) { cfg.Gate = g })
		out := op.do(t.Context(), c)
		if out.Kind != providers.NotSent || out.Code != "connect" {
			t.Errorf("%s: %+v", op.name, out)
		}
		want := int32(2) // a query is tried once more, and asks the gate again
		if op.mutates {
			want = 1
		}
		if g.passed.Load() != want {
			t.Errorf("%s: the gate was passed %d times, want %d", op.name, g.passed.Load(), want)
		}
	}
}

func TestAnUntrustedCertificateStopsEveryCall(t *testing.T) {
	var calls atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	c := client(t, s.URL)
	for _, op := range ops {
		if out := op.do(t.Context(), c); out.Kind != providers.NotSent || out.Code != "tls" || !out.Alarm {
			t.Errorf("%s: %+v", op.name, out)
		}
	}
	if calls.Load() != 0 {
		t.Errorf("%d calls were made", calls.Load())
	}
}

func TestACancelledCallerSendsNothing(t *testing.T) {
	s := listen(t, func(w http.ResponseWriter, r *http.Request, _ int, _ asked) { say(yes())(w, r) })
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, op := range ops {
		c := client(t, s.URL)
		if out := op.do(cancelled, c); out.Kind != providers.NotSent || out.Code != "canceled" {
			t.Errorf("%s: %+v", op.name, out)
		}
		// The caller may also give up while it waits for the gate.
		waiting, cancel := context.WithCancel(t.Context())
		c = client(t, s.URL, func(cfg *ecticket.Config) { cfg.Gate = &gate{hook: cancel} })
		if out := op.do(waiting, c); out.Kind != providers.NotSent || out.Code != "canceled" {
			t.Errorf("%s, at the gate: %+v", op.name, out)
		}
	}
	if n := len(s.calls()); n != 0 {
		t.Errorf("%d calls were made", n)
	}
}

func TestAClosedGateLetsNothingThrough(t *testing.T) {
	s := listen(t, func(w http.ResponseWriter, r *http.Request, _ int, _ asked) { say(yes())(w, r) })
	for _, op := range ops {
		held := &gate{err: &providers.HeldError{RetryAfter: 7 * time.Second, Reason: "banned until 14:05:00"}}
		out := op.do(t.Context(), client(t, s.URL, func(cfg *ecticket.Config) { cfg.Gate = held }))
		if out.Kind != providers.Held || out.RetryAfter != 7*time.Second || out.Message != "banned until 14:05:00" || out.Alarm {
			t.Errorf("%s: %+v", op.name, out)
		}
		broken := &gate{err: errors.New("redis: connection refused")}
		out = op.do(t.Context(), client(t, s.URL, func(cfg *ecticket.Config) { cfg.Gate = broken }))
		if out.Kind != providers.NotSent || !strings.Contains(out.Message, "connection refused") {
			t.Errorf("%s: %+v", op.name, out)
		}
		if held.passed.Load() != 1 || broken.passed.Load() != 1 {
			t.Errorf("%s: a closed gate was asked again", op.name)
		}
	}
	if n := len(s.calls()); n != 0 {
		t.Errorf("%d calls were made", n)
	}
}

func TestATimeoutAfterSendingLeavesAMutationInDoubt(t *testing.T) {
	for _, op := range ops {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			var s *server
			s = listen(t, func(_ http.ResponseWriter, r *http.Request, _ int, _ asked) {
				select {
				case <-r.Context().Done():
				case <-s.closed:
				}
			})
			c := client(t, s.URL, func(cfg *ecticket.Config) { cfg.Timeout = 300 * time.Millisecond })
			out := op.do(t.Context(), c)
			if out.Kind != providers.Unknown || out.Code != "timeout" {
				t.Errorf("%+v", out)
			}
			if n := len(s.calls()); n != 1 {
				t.Errorf("%d calls were made, want 1: a slow server must not be asked twice", n)
			}
		})
	}
}

func TestGivingUpAfterSendingLeavesAMutationInDoubt(t *testing.T) {
	for _, op := range ops {
		ctx, cancel := context.WithCancel(t.Context())
		s := listen(t, func(_ http.ResponseWriter, r *http.Request, _ int, _ asked) {
			cancel()
			<-r.Context().Done()
		})
		if out := op.do(ctx, client(t, s.URL)); out.Kind != providers.Unknown || out.Code != "canceled" {
			t.Errorf("%s: %+v", op.name, out)
		}
		if n := len(s.calls()); n != 1 {
			t.Errorf("%s: %d calls were made, want 1", op.name, n)
		}
	}
}

// A transport that reports nothing about its connections cannot prove that nothing was sent.
type blind struct{}

func (blind) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("it failed") }

func TestAnUnprovableFailureIsUnknown(t *testing.T) {
	c := client(t, "https://ecticket.example.com", func(cfg *ecticket.Config) { cfg.HTTP = &http.Client{Transport: blind{}} })
	if out := c.Issue(t.Context(), order); out.Kind != providers.Unknown {
		t.Errorf("%+v", out)
	}
}

func TestEveryCallIsWrittenAsDocumented(t *testing.T) {
	var tick atomic.Int64
	start := time.Now()
	now := func() time.Time { return start.Add(time.Duration(tick.Add(1)) * time.Second) }
	paths := map[string]string{
		"Issue": "/api/Ticket/Issue", "RefundTicket": "/api/Ticket/Refund", "LookUp": "/api/Ticket/QueryIssueResult",
		"Tickets": "/api/Ticket/QueryOrderInfo", "TicketStatus": "/api/Ticket/QueryTicketStatus",
		"StatusByWriteOffNo": "/api/Ticket/QueryTicketStatus", "Items": "/api/Ticket/BatchQueryItemInfo",
	}
	for _, op := range ops {
		s := listen(t, func(w http.ResponseWriter, r *http.Request, _ int, a asked) {
			if r.Method != http.MethodPost || a.header.Get("Content-Type") != "application/json" || a.header.Get("Accept") != "text/html" {
				t.Errorf("%s: %s with %v", op.name, r.Method, a.header)
			}
			if strings.ContainsAny(string(a.plain), " !'()*~") {
				t.Errorf("%s: Data holds characters that URL encoders treat differently", op.name)
			}
			if !strings.Contains(string(a.plain), `"MerchantID":"2000132"`) || a.request.MerchantID != merchant {
				t.Errorf("%s: MerchantID is missing inside or outside", op.name)
			}
			cut(w, r)
		})
		op.do(t.Context(), client(t, s.URL, func(cfg *ecticket.Config) { cfg.Now = now }))
		calls := s.calls()
		for _, a := range calls {
			if a.path != paths[op.name] {
				t.Errorf("%s goes to %s", op.name, a.path)
			}
			if age := int64(a.request.RqHeader.Timestamp) - start.Unix(); age < 0 || age > 1000 {
				t.Errorf("%s: Timestamp is %d s off", op.name, age)
			}
		}
		if len(calls) == 2 && calls[0].request.RqHeader.Timestamp == calls[1].request.RqHeader.Timestamp {
			t.Errorf("%s: the second attempt bears the first one's Timestamp", op.name)
		}
	}
}

func TestPathsAndPlatformFollowTheConfiguration(t *testing.T) {
	s := listen(t, func(w http.ResponseWriter, r *http.Request, _ int, _ asked) { say(yes())(w, r) })
	escrow := client(t, s.URL+"/", func(cfg *ecticket.Config) {
		cfg.Mode, cfg.PlatformID = ecticket.EscrowUse, "3002599"
		cfg.Paths = map[ecticket.Op]string{ecticket.OpQueryIssueResult: "/api/ticket/queryIssueResult"}
	})
	for _, op := range ops[:3] {
		op.do(t.Context(), escrow)
	}
	var got []string
	for _, a := range s.calls() {
		got = append(got, a.path)
		if a.request.PlatformID != "3002599" {
			t.Errorf("PlatformID %q", a.request.PlatformID)
		}
	}
	if want := "/api/issuance/issue /api/issuance/Refund /api/ticket/queryIssueResult"; strings.Join(got, " ") != want {
		t.Errorf("paths %v, want %s", got, want)
	}
}
