package fakeprovider_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"issuance/internal/fakeprovider"
	"issuance/providers"
	"issuance/providers/skew"
)

// spy records failures instead of failing.
type spy struct {
	testing.TB
	errors  int
	cleanup []func()
}

func (s *spy) Errorf(string, ...any) { s.errors++ }
func (s *spy) Cleanup(f func())      { s.cleanup = append(s.cleanup, f) }
func (s *spy) end() int {
	for _, f := range slices.Backward(s.cleanup) {
		f()
	}
	return s.errors
}

func TestAnswersComeInTheOrderOfTheScript(t *testing.T) {
	s := &spy{TB: t}
	p := fakeprovider.New(s, providers.ECTicket)
	inside := ""
	p.AnswerIssue(fakeprovider.Lost, func(context.Context) { inside = p.Sequence() })
	p.AnswerIssue(fakeprovider.Yes)
	p.AnswerRefundCount(fakeprovider.Refused)
	ctx := context.Background()
	if a, b, c := p.Issue(ctx, providers.Order{}), p.Issue(ctx, providers.Order{}), p.RefundCount(ctx, providers.Order{}, 3); a.Kind != providers.Unknown || b.Kind != providers.Done || c.Kind != providers.Rejected {
		t.Errorf("got %v, %v, %v", a, b, c)
	}
	if inside != "issue" || p.Sequence() != "issue, issue, refund_count 3" {
		t.Errorf("the log is %q inside the first call and %q at the end", inside, p.Sequence())
	}
	if s.end() != 0 {
		t.Error("a script that was played to its end fails the test")
	}
}

func TestASurprisingCallFailsTheTest(t *testing.T) {
	s := &spy{TB: t}
	p := fakeprovider.New(s, providers.ECTicket)
	if f := p.LookUp(context.Background(), providers.Order{}); f.State != providers.Unclear {
		t.Errorf("an unscripted look-up found %s", f.State)
	}
	if s.end() != 1 {
		t.Error("a call that nobody scripted did not fail the test")
	}
}

func TestALeftOverAnswerFailsTheTest(t *testing.T) {
	s := &spy{TB: t}
	fakeprovider.New(s, providers.ECTicket).AnswerIssue(fakeprovider.Yes)
	if s.end() != 1 {
		t.Error("an answer that was never asked for did not fail the test")
	}
}

func TestAFakeSaysWhoseCallsItMakesAndWhere(t *testing.T) {
	p := fakeprovider.New(t, providers.ECTicket)
	if p.Account() != (providers.Account{Provider: providers.ECTicket, Merchant: fakeprovider.Merchant}) || p.Host() != fakeprovider.Host {
		t.Errorf("%s at %s", p.Account(), p.Host())
	}
	a := providers.Account{Provider: providers.Pass2U, Merchant: "shop-2"}
	p = fakeprovider.ForAccount(t, a)
	if p.SetHost("stage.invalid"); p.Account() != a || p.Host() != "stage.invalid" {
		t.Errorf("%s at %s", p.Account(), p.Host())
	}
}

func TestAnOutageAnswersEveryCallAndCountsThem(t *testing.T) {
	p := fakeprovider.New(t, providers.ECTicket)
	p.AnswerIssue(fakeprovider.Yes)
	p.StartOutage(fakeprovider.Overloaded(time.Minute))
	ctx := context.Background()
	if out := p.Issue(ctx, providers.Order{}); out.RetryAfter != time.Minute || out.Kind != providers.Unknown {
		t.Errorf("%+v", out)
	}
	if f := p.LookUp(ctx, providers.Order{}); f.State != providers.Unclear || f.Outcome.Code != "http_429" {
		t.Errorf("%+v", f)
	}
	if _, out := p.Tickets(ctx, providers.Order{}); out.Code != "http_429" {
		t.Errorf("%+v", out)
	}
	if n := p.EndOutage(); n != 3 {
		t.Errorf("%d calls", n)
	}
	if out := p.Issue(ctx, providers.Order{}); out.Kind != providers.Done {
		t.Errorf("after the outage the script goes on: %+v", out)
	}
}

func TestAFakeShowsWhatAnOrderHoldsWhereItIsAskedTo(t *testing.T) {
	p := fakeprovider.New(t, providers.ECTicket)
	if _, ok := any(p).(providers.Identifier); ok {
		t.Error("every fake has to be asked what an order holds")
	}
	if p.Skew().Answers != 0 {
		t.Error("a skew is known that nobody set")
	}
	p.SetSkew(-4 * time.Minute)
	if got := p.Skew(); got.Ahead != -4*time.Minute || got.Answers != skew.Enough {
		t.Errorf("%+v", got)
	}
	p.AnswerIdentify(providers.Sight{Differs: "ItemNo"}, fakeprovider.Yes)
	if s, out := p.Identified().Identify(context.Background(), providers.Order{}); s.Differs != "ItemNo" || out.Kind != providers.Done || p.Sequence() != "identify" {
		t.Errorf("%+v, %+v, %s", s, out, p.Sequence())
	}
	if f := fakeprovider.Seen(providers.Sight{Differs: "ItemNo"}); f.Found() || f.Sight.Differs != "ItemNo" {
		t.Errorf("%+v", f)
	}
	if f := fakeprovider.Seen(providers.Sight{CreatedAt: time.Unix(1, 0)}); f.State != providers.FoundIssued || f.Sight.CreatedAt.IsZero() {
		t.Errorf("%+v", f)
	}
}
