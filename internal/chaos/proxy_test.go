package chaos

import (
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// A connection breaks where it is to break: what the front door and the caller get is known.
func TestAProxyBreaksConnectionsWhereItSays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		breaking
		arrives, answered bool // as a whole
	}{
		{breaking{Whole, -1, -1}, true, true},
		{breaking{BeforeRequest, -1, -1}, false, false},
		{breaking{InRequest, 30, -1}, false, false},
		{breaking{AfterRequest, -1, -1}, true, false},
		{breaking{BeforeAnswer, -1, 0}, true, false},
		{breaking{InAnswer, -1, 60}, true, false},
	} {
		arrived := make(chan bool, 1)
		door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			arrived <- err == nil && string(body) == "document"
			_, _ = io.WriteString(w, strings.Repeat("answer", 20)) // to a caller that may be gone
		}))
		p := &proxy{name: "test", door: func() string { return door.Listener.Addr().String() }, draw: func(*rand.Rand) breaking { return c.breaking }, calm: new(atomic.Bool)}
		if err := p.listen(); err != nil {
			t.Fatal(err)
		}
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		whole := false
		if res, err := client.Post(p.url(), "text/plain", strings.NewReader("document")); err == nil {
			_, err = io.ReadAll(res.Body)
			res.Body.Close()
			whole = err == nil
		}
		if whole != c.answered {
			t.Errorf("%q: the whole answer came: %v", c.kind, whole)
		}
		if c.arrives && !<-arrived {
			t.Errorf("%q: the request did not arrive as a whole", c.kind)
		}
		p.close()
		door.Close()
		if !c.arrives && len(arrived) > 0 {
			t.Errorf("%q: a request arrived", c.kind)
		}
		if p.tally[c.kind] != 1 {
			t.Errorf("%q: counted as %v", c.kind, p.tally)
		}
	}
}

// When faults have stopped, no connection breaks any more.
func TestACalmProxyBreaksNothing(t *testing.T) {
	t.Parallel()
	door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	defer door.Close()
	p := &proxy{name: "test", door: func() string { return door.Listener.Addr().String() }, draw: func(*rand.Rand) breaking { return breaking{kind: BeforeRequest} }, calm: new(atomic.Bool)}
	if err := p.listen(); err != nil {
		t.Fatal(err)
	}
	defer p.close()
	p.calm.Store(true)
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(p.url())
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
}
