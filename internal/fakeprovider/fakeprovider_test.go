package fakeprovider_test

import (
	"context"
	"slices"
	"testing"

	"issuance/internal/fakeprovider"
	"issuance/providers"
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
