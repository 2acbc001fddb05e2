package conformance

import (
	"context"
	"slices"
	"testing"
	"time"

	"issuance/providers"
)

func trouble(t *testing.T, s Subject) {
	t.Run("what may have taken effect is unknown and found by a look-up", func(t *testing.T) {
		for _, f := range []fault{cutAfter, failAfter, garbage, half, empty} {
			unanswered(t, s, f)
		}
	})
	t.Run("what did not take effect is absent and can be sent again", func(t *testing.T) {
		for _, f := range []fault{cutBefore, failBefore, redirect, forbidden} {
			lost(t, s, f)
		}
	})
	t.Run("a call that is never answered ends in time", func(t *testing.T) { timeout(t, s) })
	t.Run("a slow answer is an answer", func(t *testing.T) { slowly(t, s) })
	t.Run("a question that is not answered learns nothing", func(t *testing.T) { unclear(t, s) })
	t.Run("an overloaded provider says when to come back", func(t *testing.T) { overloaded(t, s) })
	t.Run("a caller that gives up while the call is under way is in doubt", func(t *testing.T) { leaving(t, s) })
	t.Run("a call of a caller that gave up before does not leave", func(t *testing.T) { left(t, s) })
	t.Run("a provider that is not there was not asked", func(t *testing.T) { unreachable(t, s) })
	t.Run("refused credentials hold the calls back and alarm", func(t *testing.T) { credentials(t, s) })
}

func unanswered(t *testing.T, s Subject, f fault) {
	t.Helper()
	st := start(t, s)
	o := s.order("U1", 2)
	st.misbehave(f)
	out := st.client.Issue(t.Context(), o)
	s.check(t, "issue", out)
	if out.Kind != providers.Unknown || out.Exists || out.Alarm && (f == cutAfter || f == failAfter) { // nobody has to act on an outage
		t.Errorf("fault %d: issuing is %+v", f, out)
	}
	if n := st.calls.Load(); n != 1 {
		t.Errorf("fault %d: it was sent %d times", f, n)
	}
	st.misbehave(none)
	if found := st.find(t, o); !found.Found() {
		t.Errorf("fault %d: %+v", f, found)
	}
	if st.Settle(); st.Issued(o.ID) != 1 {
		t.Errorf("fault %d: issued %d times", f, st.Issued(o.ID))
	}
}

func lost(t *testing.T, s Subject, f fault) {
	t.Helper()
	st := start(t, s)
	o := s.order("L1", 1)
	st.misbehave(f)
	out := st.client.Issue(t.Context(), o)
	s.check(t, "issue", out)
	if out.Kind != providers.Unknown || out.Alarm && (f == cutBefore || f == failBefore) { // the client cannot know that nothing happened
		t.Errorf("fault %d: issuing is %+v", f, out)
	}
	st.misbehave(none)
	if found := st.find(t, o); found.State != providers.Absent {
		t.Errorf("fault %d: %+v", f, found)
	}
	if st.issue(t, o.ID, 1); st.Issued(o.ID) != 1 {
		t.Errorf("fault %d: issued %d times", f, st.Issued(o.ID))
	}
}

// short is long enough for a call on this machine to arrive, and for nothing else.
func short(o *Options) { o.Timeout = 250 * time.Millisecond }

func timeout(t *testing.T, s Subject) {
	st := start(t, s)
	o := s.order("T1", 1)
	hasty := st.connect(t, short)
	arrived := make(chan struct{}, 100)
	st.arrived = func() { arrived <- struct{}{} }
	st.misbehave(hang)
	out := hasty.Issue(t.Context(), o)
	s.check(t, "issue", out)
	inTime := len(arrived) > 0
	f := hasty.LookUp(t.Context(), o)
	if f.State != providers.Unclear || f.Outcome.Kind == providers.Rejected {
		t.Errorf("%+v", f)
	}
	st.misbehave(none)
	found := st.find(t, o)
	switch {
	case !inTime:
		t.Skip("this machine is too slow for the time limit of the test")
	case out.Kind != providers.Unknown, !found.Found():
		t.Errorf("issuing is %+v, then %+v", out, found)
	}
}

func slowly(t *testing.T, s Subject) {
	st := start(t, s)
	release, ended := make(chan struct{}), make(chan struct{})
	st.release = release
	st.arrived = func() {
		select {
		case <-ended:
			t.Error("the call ended before its answer came")
		default:
		}
		close(release)
	}
	st.misbehave(slow)
	out := st.client.Issue(t.Context(), s.order("S1", 1))
	close(ended)
	if out.Kind != providers.Accepted && out.Kind != providers.Done {
		t.Errorf("%+v", out)
	}
}

func unclear(t *testing.T, s Subject) {
	for _, f := range []fault{cutAfter, failBefore, garbage, half, empty, redirect} {
		st := start(t, s)
		o := st.issue(t, "U1", 1)
		st.misbehave(f)
		if found := st.find(t, o); found.State != providers.Unclear || found.Outcome.Kind != providers.Unknown || found.Result != nil {
			t.Errorf("fault %d: %+v", f, found)
		}
		if list, out := st.client.Tickets(t.Context(), o); out.Kind != providers.Unknown || len(list) > 0 {
			t.Errorf("fault %d: %d tickets, %+v", f, len(list), out)
		}
	}
}

func overloaded(t *testing.T, s Subject) {
	st := start(t, s)
	st.misbehave(failBefore)
	for _, c := range calls(st.client, s.order("O1", 1)) {
		if out := c.do(t.Context(), st.client); out.RetryAfter != 7*time.Second {
			t.Errorf("%s: %+v", c.name, out)
		}
	}
}

func leaving(t *testing.T, s Subject) {
	st := start(t, s)
	o := s.order("C1", 1)
	ctx, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	st.arrived = giveUp
	st.misbehave(hang)
	if out := st.client.Issue(ctx, o); out.Kind != providers.Unknown {
		t.Errorf("%+v", out)
	}
	st.misbehave(none)
	if f := st.find(t, o); !f.Found() {
		t.Errorf("%+v", f)
	}
}

func left(t *testing.T, s Subject) {
	st := start(t, s)
	for _, c := range calls(st.client, s.order("C1", 1)) {
		if out := c.do(done(t), st.client); out.Kind != providers.NotSent || out.Alarm {
			t.Errorf("%s: %+v", c.name, out)
		}
	}
	if n := st.calls.Load(); n != 0 {
		t.Errorf("%d calls arrived", n)
	}
}

func unreachable(t *testing.T, s Subject) {
	st := start(t, s)
	st.server.Close()
	for _, c := range calls(st.client, s.order("N1", 1)) {
		out := c.do(t.Context(), st.client)
		s.check(t, c.name, out)
		if out.Kind != providers.NotSent || !out.Unasked() {
			t.Errorf("%s: %+v", c.name, out)
		}
	}
}

func credentials(t *testing.T, s Subject) {
	st := start(t, s, func(o *Options) { o.WrongCredentials = true })
	o := s.order("R1", 1)
	for _, c := range calls(st.client, o) {
		out := c.do(t.Context(), st.client)
		s.check(t, c.name, out)
		// No answer to wrong credentials is authentic, so a call with effects may stay in doubt.
		wants := []providers.Kind{providers.Held}
		if c.mutates {
			wants = append(wants, providers.Unknown)
		}
		if !slices.Contains(wants, out.Kind) || !out.Alarm {
			t.Errorf("%s: %+v", c.name, out)
		}
	}
	if n := st.Issued(o.ID); n != 0 {
		t.Errorf("issued %d times", n)
	}
}
