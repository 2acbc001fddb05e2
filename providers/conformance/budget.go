package conformance

import (
	"errors"
	"testing"
	"time"

	"issuance/providers"
)

func budget(t *testing.T, s Subject) {
	t.Run("every call passes the gate", func(t *testing.T) { counted(t, s) })
	t.Run("a closed gate lets nothing through", func(t *testing.T) { closed(t, s) })
	t.Run("a ban is reported", func(t *testing.T) { banned(t, s) })
}

func counted(t *testing.T, s Subject) {
	for _, f := range []fault{none, cutBefore, garbage, failAfter} {
		g := &gate{}
		st := start(t, s, through(g))
		st.misbehave(f)
		for _, c := range calls(st.client, s.order("G1", 1)) {
			passed, arrived := g.passed.Load(), st.calls.Load()
			c.do(t.Context(), st.client)
			passed, arrived = g.passed.Load()-passed, st.calls.Load()-arrived
			if passed != arrived || arrived == 0 || c.mutates && arrived > 1 && f != none {
				t.Errorf("fault %d, %s: %d calls arrived, %d passed the gate", f, c.name, arrived, passed)
			}
		}
	}
}

func closed(t *testing.T, s Subject) {
	for _, tc := range []struct {
		err  error
		want providers.Outcome
	}{
		{&providers.HeldError{RetryAfter: time.Minute, Reason: "call budget"}, providers.Outcome{Kind: providers.Held, RetryAfter: time.Minute}},
		{errors.New("nobody can be asked"), providers.Outcome{Kind: providers.NotSent}},
	} {
		g := &gate{err: tc.err}
		st := start(t, s, through(g))
		for _, c := range calls(st.client, s.order("G1", 1)) {
			out := c.do(t.Context(), st.client)
			s.check(t, c.name, out)
			if out.Kind != tc.want.Kind || out.RetryAfter != tc.want.RetryAfter || out.Alarm {
				t.Errorf("%s: %+v, want %s after %s", c.name, out, tc.want.Kind, tc.want.RetryAfter)
			}
		}
		if n := st.calls.Load(); n != 0 {
			t.Errorf("%d calls arrived", n)
		}
	}
}

// quiet is a gate that takes no note of bans.
type quiet struct{ providers.Gate }

func banned(t *testing.T, s Subject) {
	g := &gate{}
	st := start(t, s, through(g))
	st.misbehave(forbidden)
	list := calls(st.client, s.order("B1", 1))
	for _, c := range list {
		out := c.do(t.Context(), st.client)
		s.check(t, c.name, out)
		want := providers.Held
		if c.mutates {
			want = providers.Unknown
		}
		if out.Kind != want {
			t.Errorf("%s: %+v, want %s", c.name, out, want)
		}
	}
	if reasons := g.reasons(); len(reasons) != len(list) {
		t.Errorf("%d calls were refused, %d bans reported", len(list), len(reasons))
	} else {
		for i, reason := range reasons {
			if reason == "" {
				t.Errorf("%s: the ban was reported without a reason, or on a context that had ended", list[i].name)
			}
			s.safe(t, "the reason of a ban", reason)
		}
	}
	alone := st.connect(t, through(quiet{g}))
	for _, c := range list {
		if out := c.do(t.Context(), alone); out.RetryAfter <= 0 {
			t.Errorf("%s: nobody keeps the ban, and the outcome does not say how long to wait: %+v", c.name, out)
		}
	}
}
