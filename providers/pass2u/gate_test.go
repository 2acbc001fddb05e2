package pass2u_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"issuance/providers"
	"issuance/providers/pass2u"
	"issuance/providers/pass2u/pass2usim"
)

// gate lets calls through while err is nil, and counts.
type gate struct {
	mu     sync.Mutex
	err    error
	passes int
	bans   []string
}

func (g *gate) Pass(context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.passes++
	return g.err
}

func (g *gate) Banned(ctx context.Context, reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if ctx.Err() != nil {
		reason = "on a dead context: " + reason
	}
	g.bans = append(g.bans, reason)
}

// onlyPass hides that the gate wants to hear of bans.
type onlyPass struct{ providers.Gate }

func everyCall(s stage, o providers.Order) []providers.Outcome {
	_, tickets := s.Tickets(ctx, o)
	_, baseline := s.RefundBaseline(ctx, o)
	return []providers.Outcome{s.Issue(ctx, o), s.LookUp(ctx, o).Outcome, tickets, baseline, s.RefundCount(ctx, o, 1)}
}

func TestAClosedGateHoldsEveryCallBack(t *testing.T) {
	for _, tc := range []struct {
		err   error
		kind  providers.Kind
		after time.Duration
	}{
		{&providers.HeldError{RetryAfter: time.Minute, Reason: "call budget"}, providers.Held, time.Minute},
		{errors.New("redis is gone"), providers.NotSent, 0},
	} {
		g := &gate{err: tc.err}
		s := scripted(t, func(c *pass2u.Config) { c.Gate = g })
		o := order("P1", 1, "voucher")
		for i, out := range everyCall(s, o) {
			if out.Kind != tc.kind || out.RetryAfter != tc.after || out.Alarm {
				t.Errorf("call %d: %v", i, out)
			}
		}
		if g.passes != 5 {
			t.Errorf("%d passes", g.passes)
		}
	}
}

func TestACancelledCallIsNotSent(t *testing.T) {
	ended, cancel := context.WithCancel(ctx)
	cancel()
	g := &gate{err: context.Canceled}
	s := scripted(t, func(c *pass2u.Config) { c.Gate = g })
	if out := s.Issue(ended, order("P1", 1, "voucher")); out.Kind != providers.NotSent || out.Code != "canceled" {
		t.Errorf("%v", out)
	}
}

func TestEveryHTTPCallPassesTheGate(t *testing.T) {
	g := &gate{}
	with := func(c *pass2u.Config) { c.Gate = g }
	passes := func(want int) {
		t.Helper()
		if g.passes != want {
			t.Errorf("%d passes, want %d", g.passes, want)
		}
		g.passes = 0
	}
	o := order("P1", 1, "voucher")

	s := scripted(t, with, reply{}, reply{200, yes("P1", "notPickedup")}) // second attempt
	s.LookUp(ctx, o)
	passes(2)
	s = scripted(t, with, reply{404, ""}, reply{200, yes("P1", "notPickedup")}) // other path
	s.LookUp(ctx, o)
	passes(2)
	o.Ref = "R1"
	s = scripted(t, with, reply{400, refusal(pass2usim.MsgQuantityFormat)}, reply{200, yes("P1", "refund")}) // another spelling is another call
	s.RefundCount(ctx, o, 1)
	passes(1)
	s.RefundCountRespelled(ctx, o, 1)
	passes(1)
	o.Ref = ""
	s = scripted(t, with, reply{200, yes("P1", "notPickedup")}, reply{200, yes("P1", "refund")}) // the id first
	s.RefundCount(ctx, o, 1)
	passes(2)
	s = scripted(t, with, reply{200, yes("P1", "notPickedup")})
	s.Issue(ctx, o)
	passes(1)
}

func TestABanIsReportedAndTheCallItselfJudgedByWhatItCouldHaveDone(t *testing.T) {
	g := &gate{}
	s := scripted(t, func(c *pass2u.Config) { c.Gate = g }, reply{403, "<html>"}, reply{403, `{"message":"Forbidden"}`}, reply{403, ""})
	o := order("P1", 1, "voucher")
	o.Ref = "R1"
	if out := s.Issue(ctx, o); out.Kind != providers.Unknown || out.Code != "http_403" || out.RetryAfter != 30*time.Minute {
		t.Errorf("%v", out)
	}
	if f := s.LookUp(ctx, o); f.State != providers.Unclear || f.Outcome.Kind != providers.Held || f.Outcome.Code != "http_403" {
		t.Errorf("%+v", f)
	}
	if out := s.RefundCount(ctx, o, 1); out.Kind != providers.Unknown || out.Code != "http_403" {
		t.Errorf("%v", out)
	}
	if d := cmp.Diff([]string{"Pass2U answered HTTP 403 to generate", "Pass2U answered HTTP 403 to query", "Pass2U answered HTTP 403 to refund"}, g.bans); d != "" {
		t.Error(d)
	}
	for _, quiet := range []providers.Gate{nil, onlyPass{g}} {
		s = scripted(t, func(c *pass2u.Config) { c.Gate = quiet }, reply{403, ""})
		if out := s.Issue(ctx, o); out.RetryAfter != 30*time.Minute {
			t.Errorf("%v after %s", out, out.RetryAfter)
		}
	}
}

// lastWord answers 403 just as the caller gives up.
type lastWord struct{ giveUp func() }

func (l lastWord) RoundTrip(r *http.Request) (*http.Response, error) {
	l.giveUp()
	return &http.Response{StatusCode: 403, Body: http.NoBody, Request: r}, nil
}

func TestABanIsReportedEvenWhenTheCallerHasGivenUp(t *testing.T) {
	g := &gate{}
	leaving, cancel := context.WithCancel(ctx)
	s := scripted(t, func(c *pass2u.Config) { c.Gate, c.HTTP = g, &http.Client{Transport: lastWord{cancel}} })
	if out := s.Issue(leaving, order("P1", 1, "voucher")); out.Code != "http_403" {
		t.Errorf("%v", out)
	}
	if d := cmp.Diff([]string{"Pass2U answered HTTP 403 to generate"}, g.bans); d != "" {
		t.Error(d)
	}
}
