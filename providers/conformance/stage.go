package conformance

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"issuance/providers"
)

// fault is how the line between client and provider misbehaves.
type fault int

const (
	none         fault = iota
	cutBefore          // the connection breaks; nothing takes effect
	cutAfter           // it takes effect, then the connection breaks
	failBefore         // HTTP 503 with a Retry-After of 7 s; nothing takes effect
	failAfter          // it takes effect, then HTTP 502
	garbage            // it takes effect, then a page that is no answer
	half               // it takes effect, then half of the answer
	empty              // it takes effect, then HTTP 200 without a body
	redirect           // HTTP 302; nothing takes effect
	forbidden          // HTTP 403; nothing takes effect
	hang               // it takes effect, and no answer comes
	slow               // it takes effect, and the answer comes when the stage is released
	anotherOrder       // it takes effect, and the answer is the one before
)

// takesEffect reports whether the request reaches the simulator.
func (f fault) takesEffect() bool {
	return f != cutBefore && f != failBefore && f != redirect && f != forbidden
}

// stage is a simulator, the line to it, and a client.
type stage struct {
	Sim
	client providers.Provider
	server *httptest.Server
	s      Subject

	mu      sync.Mutex
	fault   fault
	arrived func()          // runs when a call has taken effect under hang and slow
	release <-chan struct{} // ends slow
	before  string          // the last answer
	calls   atomic.Int32
}

// start runs a simulator and a client.
func start(t testing.TB, s Subject, change ...func(*Options)) *stage {
	t.Helper()
	st := &stage{Sim: s.Sim(t), s: s}
	st.server = httptest.NewUnstartedServer(st)
	st.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	st.server.Start()
	t.Cleanup(st.server.Close)
	st.client = st.connect(t, change...)
	return st
}

// connect makes a further client.
func (st *stage) connect(t testing.TB, change ...func(*Options)) providers.Provider {
	t.Helper()
	o := Options{BaseURL: st.server.URL, Timeout: 20 * time.Second}
	for _, f := range change {
		f(&o)
	}
	client := st.s.Client(t, o)
	if c, ok := client.(interface{ Close() }); ok {
		t.Cleanup(c.Close)
	}
	return client
}

// misbehave sets the fault of every later call.
func (st *stage) misbehave(f fault) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.fault = f
}

// ServeHTTP is the line between client and simulator.
func (st *stage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	st.calls.Add(1)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	st.mu.Lock()
	f, arrived, release, before := st.fault, st.arrived, st.release, st.before
	st.mu.Unlock()
	answer := httptest.NewRecorder()
	if f.takesEffect() {
		st.Sim.ServeHTTP(answer, r)
		st.mu.Lock()
		st.before = answer.Body.String()
		st.mu.Unlock()
	}
	if arrived != nil && (f == hang || f == slow) {
		arrived()
	}
	reply(w, r, f, answer, before, release)
}

func reply(w http.ResponseWriter, r *http.Request, f fault, answer *httptest.ResponseRecorder, before string, release <-chan struct{}) {
	text := answer.Body.String()
	switch f {
	case cutBefore, cutAfter:
		panic(http.ErrAbortHandler)
	case failBefore:
		w.Header().Set("Retry-After", "7")
		page(w, http.StatusServiceUnavailable)
	case failAfter:
		page(w, http.StatusBadGateway)
	case forbidden:
		page(w, http.StatusForbidden)
	case garbage:
		page(w, http.StatusOK)
	case redirect:
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(http.StatusFound)
	case empty:
		w.WriteHeader(http.StatusOK)
	case hang:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case slow:
		<-release
		pass(w, answer, text)
	case half:
		pass(w, answer, text[:len(text)/2])
	case anotherOrder:
		pass(w, answer, before)
	default:
		pass(w, answer, text)
	}
}

func pass(w http.ResponseWriter, answer *httptest.ResponseRecorder, text string) {
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = io.WriteString(w, text) // an error means that the client has left
}

func page(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "<html><body>maintenance</body></html>")
}

// gate counts, may refuse, and takes note of bans and of what calls say of the account.
type gate struct {
	err        error
	passed     atomic.Int32
	mu         sync.Mutex
	bans       []string
	conditions []providers.Condition
}

func (g *gate) Pass(context.Context) error {
	g.passed.Add(1)
	return g.err
}

// Banned implements providers.BanReporter.
func (g *gate) Banned(ctx context.Context, reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if ctx.Err() != nil {
		reason = "" // nobody could have recorded it
	}
	g.bans = append(g.bans, reason)
}

// Answered implements providers.HealthReporter.
func (g *gate) Answered(_ context.Context, c providers.Condition) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.conditions = append(g.conditions, c)
}

// takeConditions are the conditions reported since the last time.
func (g *gate) takeConditions() []providers.Condition {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.conditions
	g.conditions = nil
	return c
}

func (g *gate) reasons() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string(nil), g.bans...)
}

// through opens a gate for a client.
func through(g providers.Gate) func(*Options) { return func(o *Options) { o.Gate = g } }

// call is one call of a client.
type call struct {
	name    string
	mutates bool
	do      func(ctx context.Context, p providers.Provider) providers.Outcome
}

// calls lists every call that the client offers about an order. A finding stands for its outcome.
func calls(p providers.Provider, o providers.Order) []call {
	list := []call{
		{"Issue", true, func(ctx context.Context, p providers.Provider) providers.Outcome { return p.Issue(ctx, o) }},
		{"LookUp", false, func(ctx context.Context, p providers.Provider) providers.Outcome { return p.LookUp(ctx, o).Outcome }},
		{"Tickets", false, func(ctx context.Context, p providers.Provider) providers.Outcome {
			_, out := p.Tickets(ctx, o)
			return out
		}},
	}
	if _, ok := p.(providers.TicketRefunder); ok {
		list = append(list,
			call{"RefundTicket", true, func(ctx context.Context, p providers.Provider) providers.Outcome {
				return p.(providers.TicketRefunder).RefundTicket(ctx, providers.TicketRefund{TicketNo: "T1", Operator: "op"})
			}},
			call{"TicketStatus", false, func(ctx context.Context, p providers.Provider) providers.Outcome {
				_, out := p.(providers.TicketRefunder).TicketStatus(ctx, "T1")
				return out
			}})
	}
	if _, ok := p.(providers.CountRefunder); ok {
		withRef := o
		withRef.Ref = "R1" // so that a refund is one call
		list = append(list,
			call{"RefundCount", true, func(ctx context.Context, p providers.Provider) providers.Outcome {
				return p.(providers.CountRefunder).RefundCount(ctx, withRef, 1)
			}},
			call{"RefundBaseline", false, func(ctx context.Context, p providers.Provider) providers.Outcome {
				_, out := p.(providers.CountRefunder).RefundBaseline(ctx, o)
				return out
			}})
	}
	return list
}

// check holds an outcome against what every outcome must be.
func (s Subject) check(t testing.TB, what string, out providers.Outcome) {
	t.Helper()
	known := false
	for _, k := range providers.Kinds() {
		known = known || out.Kind == k
	}
	if !known {
		t.Errorf("%s: the kind %q is none", what, out.Kind)
	}
	if out.Kind != providers.Done && out.Kind != providers.Accepted && out.Code == "" {
		t.Errorf("%s: %s without a code", what, out.Kind)
	}
	if out.Exists && out.Kind != providers.Unknown {
		t.Errorf("%s: a duplicate is of kind %s; only a look-up says whose order it is", what, out.Kind)
	}
	if out.Result != nil && out.Kind != providers.Done && out.Kind != providers.Accepted {
		t.Errorf("%s: %s has a result", what, out.Kind)
	}
	s.safe(t, what, out.Code+" "+out.Message+" "+out.Error())
}

// safe checks that a text holds nothing of the customer and no credentials.
func (s Subject) safe(t testing.TB, what, text string) {
	t.Helper()
	for _, secret := range append(append([]string(nil), s.Customer...), s.Credentials...) {
		if strings.Contains(strings.ToLower(text), strings.ToLower(secret)) {
			t.Errorf("%s holds %q: %s", what, secret, text)
		}
	}
}

// find looks an order up and checks that the finding is consistent.
func (st *stage) find(t testing.TB, o providers.Order) providers.Finding {
	t.Helper()
	f := st.client.LookUp(t.Context(), o)
	st.s.check(t, "look-up: "+string(f.State), f.Outcome)
	kinds := map[providers.FindingState][]providers.Kind{
		providers.FoundIssued: {providers.Done}, providers.FoundPending: {providers.Accepted}, providers.FoundFailed: {providers.Rejected},
		providers.Absent: {providers.Rejected}, providers.Unclear: {providers.NotSent, providers.Unknown, providers.Held},
	}[f.State]
	fits := false
	for _, k := range kinds {
		fits = fits || f.Outcome.Kind == k
	}
	if !fits {
		t.Errorf("a look-up that ended %s has an outcome of kind %s", f.State, f.Outcome.Kind)
	}
	return f
}

// issue issues an order of n tickets completely.
func (st *stage) issue(t testing.TB, id string, n int) providers.Order {
	t.Helper()
	o := st.s.order(id, n)
	out := st.client.Issue(t.Context(), o)
	st.s.check(t, "issue", out)
	if out.Kind != providers.Accepted && out.Kind != providers.Done {
		t.Fatalf("issuing %s: %v", id, out)
	}
	st.Settle()
	return o
}
