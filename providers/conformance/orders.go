package conformance

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"issuance/internal/baseurl"
	"issuance/providers"
)

func orders(t *testing.T, s Subject) {
	t.Run("the client says whose calls it makes and where", func(t *testing.T) { identity(t, s) })
	t.Run("an order is issued, found and listed", func(t *testing.T) { whole(t, s) })
	t.Run("an order that nobody sent is absent", func(t *testing.T) {
		st := start(t, s)
		if f := st.find(t, s.order("A1", 1)); f.State != providers.Absent || f.Result != nil {
			t.Errorf("%+v", f)
		}
	})
	t.Run("an order is issued once however often it is sent", func(t *testing.T) { duplicate(t, s) })
	t.Run("an order that the provider refuses ends in a rejection", func(t *testing.T) { refused(t, s) })
	t.Run("what the provider says about a customer is not repeated", func(t *testing.T) { quoted(t, s) })
	t.Run("a stub is enough for everything but issuing", func(t *testing.T) { stub(t, s) })
	t.Run("an order under our number shows whether it can be ours", func(t *testing.T) { ours(t, s) })
	t.Run("an older order under our number shows its age", func(t *testing.T) { older(t, s) })
	t.Run("the answer about another order is not believed", func(t *testing.T) { misdelivered(t, s) })
}

func identity(t *testing.T, s Subject) {
	st := start(t, s)
	a := st.client.Account()
	if a.Provider != s.Codec.Name || !providers.ValidMerchant(a.Merchant) {
		t.Errorf("the account %q is not fully named", a)
	}
	if want := baseurl.Host(st.server.URL); st.client.Host() != want {
		t.Errorf("it calls at %q, not at %q", want, st.client.Host())
	}
	if tr := st.client.Traits(); tr.SettleAfter <= 0 {
		t.Error("a request with an unknown outcome never settles")
	}
	s.safe(t, "the client's print", fmt.Sprintf("%v %+v %#v %s", st.client, st.client, st.client, st.client))
}

func whole(t *testing.T, s Subject) {
	st := start(t, s)
	for n := 1; n <= 3; n++ {
		o := s.order(fmt.Sprint("W", n), n)
		out := st.client.Issue(t.Context(), o)
		s.check(t, "issue", out)
		f := st.find(t, o)
		switch {
		case out.Kind == providers.Done && f.State != providers.FoundIssued, out.Kind == providers.Accepted && !f.Found():
			t.Fatalf("issued: %v, and a look-up says %+v", out, f)
		case out.Kind != providers.Done && out.Kind != providers.Accepted:
			t.Fatalf("issue: %v", out)
		}
		if list, listed := st.client.Tickets(t.Context(), o); f.State == providers.FoundPending && listed.Kind == providers.Done {
			t.Errorf("a pending order has a complete list of %d tickets", len(list))
		}
		if p, ok := st.client.(providers.AtOnceIssuer); ok && p.IssuesAtOnce(o) && f.State != providers.FoundIssued {
			t.Errorf("it is issued at once, and a look-up says %s", f.State)
		}
		st.Settle()
		if f = st.find(t, o); f.State != providers.FoundIssued {
			t.Fatalf("at last it is %+v", f)
		}
		if out.Result != nil && f.Result != nil && f.Result.Ref != out.Result.Ref {
			t.Errorf("the provider's id was %q and is %q", out.Result.Ref, f.Result.Ref)
		}
		list, listed := st.client.Tickets(t.Context(), o)
		s.check(t, "tickets", listed)
		if listed.Kind != providers.Done || len(list) != n || slices.ContainsFunc(list, func(k providers.Ticket) bool { return k.UseStatus != providers.Unused }) {
			t.Errorf("%d tickets of %d are listed as %+v, %v", len(list), n, list, listed)
		}
		if need, count := st.client.NeedsTickets(o); need && count != n {
			t.Errorf("%d tickets have to be fetched, not %d", n, count)
		}
		if st.Issued(o.ID) != 1 {
			t.Errorf("issued %d times", st.Issued(o.ID))
		}
	}
}

func duplicate(t *testing.T, s Subject) {
	st := start(t, s)
	o := st.issue(t, "D1", 2)
	out := st.client.Issue(t.Context(), o)
	s.check(t, "second issue", out)
	switch {
	case out.Kind == providers.Rejected && st.client.Traits().RejectionMayHideDuplicate:
	case out.Kind == providers.Unknown && out.Exists:
	default:
		t.Errorf("the second time it is %+v, so nobody would look whose order exists", out)
	}
	if n := st.Issued(o.ID); n != 1 {
		t.Errorf("issued %d times", n)
	}
	if f := st.find(t, o); f.State != providers.FoundIssued {
		t.Errorf("%+v", f)
	}
}

func refused(t *testing.T, s Subject) {
	st := start(t, s)
	o := s.order("F1", 1)
	st.Fail(o.ID, "")
	out := st.client.Issue(t.Context(), o)
	s.check(t, "issue", out)
	if out.Kind == providers.Accepted {
		st.Settle()
		if f := st.find(t, o); f.State != providers.FoundFailed || f.Outcome.Message == "" {
			t.Errorf("%+v", f)
		}
		if _, out = st.client.Tickets(t.Context(), o); out.Kind == providers.Done {
			t.Error("an order that failed has a complete list of tickets")
		}
	} else if out.Kind != providers.Rejected || out.Message == "" {
		t.Errorf("%+v", out)
	}
	if n := st.Issued(o.ID); n != 0 {
		t.Errorf("issued %d times", n)
	}
}

func quoted(t *testing.T, s Subject) {
	st := start(t, s)
	o := s.order("Q1", 1)
	text := "no ticket for"
	for _, secret := range append(append([]string(nil), s.Customer...), s.Credentials...) {
		text += " " + secret
	}
	st.Fail(o.ID, text)
	s.check(t, "issue", st.client.Issue(t.Context(), o))
	st.Settle()
	st.find(t, o)
	_, out := st.client.Tickets(t.Context(), o)
	s.check(t, "tickets", out)
}

func stub(t *testing.T, s Subject) {
	st := start(t, s)
	o := st.issue(t, "S1", 2)
	doc, bad := s.Codec.ParseOrder("request", o.Request, s.rules())
	if bad != nil {
		t.Fatal(bad)
	}
	short := providers.Order{ID: o.ID, Request: doc.Stub}
	full, brief := st.find(t, o), st.find(t, short)
	if brief.State != providers.FoundIssued || (full.Result == nil) != (brief.Result == nil) || full.Result != nil && full.Result.Ref != brief.Result.Ref {
		t.Errorf("by the stub %+v, by the document %+v", brief, full)
	}
	all, _ := st.client.Tickets(t.Context(), o)
	if list, out := st.client.Tickets(t.Context(), short); out.Kind != providers.Done || !slices.Equal(list, all) {
		t.Errorf("by the stub %d tickets, by the document %d: %v", len(list), len(all), out)
	}
	need, count := st.client.NeedsTickets(o)
	if n, c := st.client.NeedsTickets(short); n != need || c != count {
		t.Errorf("by the stub %t, %d; by the document %t, %d", n, c, need, count)
	}
	if f := st.find(t, providers.Order{ID: "S2", Request: doc.Stub}); f.Found() || f.State == providers.Absent {
		t.Errorf("the stub of one order answers for another: %+v", f)
	}
}

func misdelivered(t *testing.T, s Subject) {
	st := start(t, s)
	st.issue(t, "M1", 1)
	other := st.issue(t, "M2", 1)
	st.find(t, s.order("M1", 1))
	st.misbehave(anotherOrder)
	if f := st.find(t, other); f.State != providers.Unclear || f.Outcome.Kind != providers.Unknown {
		t.Errorf("%+v", f)
	}
}

// done is a context that has ended.
func done(t testing.TB) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
