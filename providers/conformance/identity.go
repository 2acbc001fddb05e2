package conformance

import (
	"testing"
	"time"

	"issuance/providers"
)

// see asks what the provider shows of the order, by whichever way the client has.
func (st *stage) see(t testing.TB, o providers.Order) *providers.Sight {
	t.Helper()
	f := st.find(t, o)
	if f.Sight != nil {
		if f.Sight.Differs != "" && (f.State != providers.Unclear || f.Result != nil) {
			t.Errorf("an order that differs by %s is %s, with result %v", f.Sight.Differs, f.State, f.Result)
		}
		return f.Sight
	}
	p, ok := st.client.(providers.Identifier)
	if !ok {
		return nil
	}
	sight, out := p.Identify(t.Context(), o)
	st.s.check(t, "identify", out)
	if out.Kind != providers.Done {
		t.Errorf("identify: %+v", out)
	}
	return &sight
}

// Strangers is a Sim that can hold an order of n tickets, of the items of Subject.Order, which another
// system has placed under the same number at an earlier time.
type Strangers interface {
	Stranger(id string, n int, created time.Time)
}

// older checks that an order which is like ours in everything but its age is seen to be older.
func older(t *testing.T, s Subject) {
	st := start(t, s)
	sim, ok := st.Sim.(Strangers)
	if !ok {
		t.Skip("this simulator knows no other systems")
	}
	created := time.Now().Add(-time.Hour).Truncate(time.Second)
	sim.Stranger("O1", 2, created)
	o := s.order("O1", 2)
	out := st.client.Issue(t.Context(), o)
	s.check(t, "issue", out)
	if out.Kind == providers.Done || out.Kind == providers.Accepted {
		t.Fatalf("a number that is taken is issued: %+v", out)
	}
	sight := st.see(t, o)
	if sight == nil || sight.Differs != "" || !sight.CreatedAt.Equal(created) {
		t.Errorf("%+v, want one created at %s", sight, created)
	}
	if other := st.see(t, s.order("O1", 1)); other == nil || other.Differs == "" {
		t.Errorf("an order of other content and age: %+v", other)
	}
}

// ours checks the first rule of truth: a number is not enough. Somebody else's order under it is one of
// other content or one that is older than our first sending.
func ours(t *testing.T, s Subject) {
	st := start(t, s)
	sent := time.Now()
	o := st.issue(t, "I1", 2)
	answered := time.Now()
	sight := st.see(t, o)
	if sight == nil {
		t.Skip("this provider shows nothing of an order but its number")
	}
	if sight.Differs != "" || sight.Partial {
		t.Errorf("the order that was sent is seen as another one: %+v", sight)
	}
	if !sight.CreatedAt.IsZero() {
		skew := time.Duration(0)
		if c, ok := st.client.(providers.ClockTeller); ok {
			measured := c.Skew()
			if measured.Answers == 0 {
				t.Error("after an answer the provider's clock is not known")
			}
			skew = measured.Ahead
		}
		if sight.Precision <= 0 {
			t.Error("a time without its precision")
		}
		slack := sight.Precision + 2*time.Second // two clocks measured to a second
		if at := sight.CreatedAt.Add(-skew); at.Before(sent.Add(-slack)) || at.After(answered.Add(slack)) {
			t.Errorf("sent at %s, and seen as created at %s (by our clock %s)", sent, sight.CreatedAt, at)
		}
	}
	if fewer := st.see(t, s.order("I1", 1)); fewer == nil || fewer.Differs == "" {
		t.Errorf("an order of two tickets is seen as one of one ticket: %+v", fewer)
	}
	if more := st.see(t, s.order("I1", 3)); more == nil || more.Differs == "" && !more.Partial {
		t.Errorf("an order of two tickets is seen as one of three tickets: %+v", more)
	}
	doc, bad := s.Codec.ParseOrder("request", o.Request, s.rules())
	if bad != nil {
		t.Fatal(bad)
	}
	if stub := st.see(t, providers.Order{ID: o.ID, Request: doc.Stub}); stub == nil || stub.Differs != "" || stub.Partial || !stub.CreatedAt.Equal(sight.CreatedAt) {
		t.Errorf("by the stub: %+v", stub)
	}
}
