package conformance

import (
	"context"
	"testing"
	"time"

	"issuance/providers"
)

// health is that every call reports what it says of the account, whatever it was about.
func health(t *testing.T, s Subject) {
	t.Run("an authentic answer is reported as one, whatever it says", func(t *testing.T) { answered(t, s) })
	t.Run("trouble is reported as what it is", func(t *testing.T) { troubled(t, s) })
	t.Run("a provider that is not there is unreachable", func(t *testing.T) { gone(t, s) })
	t.Run("no answer in time is unreachable", func(t *testing.T) { late(t, s) })
	t.Run("refused credentials are reported", func(t *testing.T) { turnedAway(t, s) })
	t.Run("the answer to another call is garbage", func(t *testing.T) { repeated(t, s) })
	t.Run("a caller that gives up says nothing of the provider", func(t *testing.T) { gaveUp(t, s) })
	t.Run("a call that is held back says nothing of the provider", func(t *testing.T) { heldBack(t, s) })
	t.Run("the probe finds no order", func(t *testing.T) { probed(t, s) })
}

// expect makes every call of a client and checks what is reported: one condition for each that arrived.
func (st *stage) expect(t testing.TB, what string, g *gate, client providers.Provider, want providers.Condition) {
	t.Helper()
	for _, c := range calls(client, st.s.order("H1", 1)) {
		g.takeConditions()
		passed := g.passed.Load()
		c.do(t.Context(), client)
		got := g.takeConditions()
		if want.State == "" {
			if len(got) != 0 {
				t.Errorf("%s, %s: reported %+v, and nothing was to be", what, c.name, got)
			}
			continue
		}
		if n := int(g.passed.Load() - passed); len(got) != n || n == 0 {
			t.Errorf("%s, %s: %d calls, %d reports", what, c.name, n, len(got))
		}
		for _, h := range got {
			st.s.safe(t, "the code of a condition", h.Code)
			if h.State != want.State || h.RetryAfter != want.RetryAfter || h.Took < 0 || h.Code == "" && h.State != providers.HealthOK {
				t.Errorf("%s, %s: reported %+v, want %s", what, c.name, h, want.State)
			}
		}
	}
}

func answered(t *testing.T, s Subject) {
	g := &gate{}
	st := start(t, s, through(g))
	ok := providers.Condition{State: providers.HealthOK}
	st.expect(t, "of an order that is new", g, st.client, ok)
	st.Settle()
	st.expect(t, "of an order that is there", g, st.client, ok)
	st.Fail("H2", "")
	g.takeConditions()
	st.client.Issue(t.Context(), s.order("H2", 1))
	if got := g.takeConditions(); len(got) != 1 || got[0].State != providers.HealthOK {
		t.Errorf("an order that the provider refuses: %+v", got)
	}
}

func troubled(t *testing.T, s Subject) {
	for f, want := range map[fault]providers.Condition{
		cutBefore:  {State: providers.HealthUnreachable},
		cutAfter:   {State: providers.HealthUnreachable},
		failBefore: {State: providers.HealthUnreachable, RetryAfter: 7 * time.Second},
		failAfter:  {State: providers.HealthUnreachable},
		garbage:    {State: providers.HealthGarbage},
		half:       {State: providers.HealthGarbage},
		empty:      {State: providers.HealthGarbage},
		redirect:   {State: providers.HealthGarbage},
		forbidden:  {}, // a ban
	} {
		g := &gate{}
		st := start(t, s, through(g))
		st.misbehave(f)
		st.expect(t, string(want.State), g, st.client, want)
	}
}

func gone(t *testing.T, s Subject) {
	g := &gate{}
	st := start(t, s, through(g))
	st.server.Close()
	st.expect(t, "nobody there", g, st.client, providers.Condition{State: providers.HealthUnreachable})
}

func late(t *testing.T, s Subject) {
	g := &gate{}
	st := start(t, s, through(g), short)
	st.misbehave(hang)
	st.client.LookUp(t.Context(), s.order("H1", 1))
	if got := g.takeConditions(); len(got) == 0 || got[0].State != providers.HealthUnreachable || got[0].Code != "timeout" || got[0].Took <= 0 {
		t.Errorf("%+v", got)
	}
}

func turnedAway(t *testing.T, s Subject) {
	g := &gate{}
	st := start(t, s, through(g), func(o *Options) { o.WrongCredentials = true })
	st.expect(t, "wrong credentials", g, st.client, providers.Condition{State: providers.HealthRefused})
}

func repeated(t *testing.T, s Subject) {
	g := &gate{}
	st := start(t, s, through(g))
	st.issue(t, "H1", 1)
	other := st.issue(t, "H2", 1)
	st.find(t, s.order("H1", 1))
	st.misbehave(anotherOrder)
	g.takeConditions()
	st.find(t, other)
	if got := g.takeConditions(); len(got) != 1 || got[0].State != providers.HealthGarbage {
		t.Errorf("%+v", got)
	}
}

func gaveUp(t *testing.T, s Subject) {
	g := &gate{}
	st := start(t, s, through(g))
	ctx, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	st.arrived = giveUp
	st.misbehave(hang)
	st.client.Issue(ctx, s.order("H1", 1))
	if got := g.takeConditions(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func heldBack(t *testing.T, s Subject) {
	g := &gate{err: &providers.HeldError{RetryAfter: time.Minute, Reason: "call budget"}}
	st := start(t, s, through(g))
	st.expect(t, "held", g, st.client, providers.Condition{})
}

func probed(t *testing.T, s Subject) {
	g := &gate{}
	st := start(t, s, through(g))
	o := s.Codec.Probe()
	if f := st.find(t, o); f.Found() {
		t.Errorf("the order to probe with is there: %+v", f)
	}
	got := g.takeConditions()
	if len(got) == 0 || got[len(got)-1].State != providers.HealthOK {
		t.Errorf("a probe that is answered is reported as %+v", got)
	}
	st.misbehave(garbage)
	st.find(t, o)
	if got := g.takeConditions(); len(got) == 0 || got[0].State != providers.HealthGarbage {
		t.Errorf("%+v", got)
	}
}
