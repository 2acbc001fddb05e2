package pass2u_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"issuance/providers"
	"issuance/providers/pass2u"
	"issuance/providers/pass2u/pass2usim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var ctx = context.Background()

const base = "/api/v1/public/product"

// seen is one request that reached the server.
type seen struct {
	method, path, body string
	header             http.Header
}

// recorder notes every request before it is served.
type recorder struct {
	next http.Handler
	mu   sync.Mutex
	all  []seen
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	r.all = append(r.all, seen{req.Method, req.URL.Path, string(body), req.Header.Clone()})
	r.mu.Unlock()
	req.Body = io.NopCloser(strings.NewReader(string(body)))
	r.next.ServeHTTP(w, req)
}

// calls returns the requests so far and forgets them.
func (r *recorder) calls() []seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.all
	r.all = nil
	return all
}

// paths is calls, paths below the base only.
func (r *recorder) paths() (out []string) {
	for _, c := range r.calls() {
		out = append(out, strings.TrimPrefix(c.path, base))
	}
	return out
}

// stage is a client and the server it talks to. When a test ends, nothing but POST may have
// been made.
type stage struct {
	*pass2u.Client
	rec *recorder
}

func serve(t *testing.T, h http.Handler, edit func(*pass2u.Config)) stage {
	t.Helper()
	var gets []seen
	rec := &recorder{}
	rec.next = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			rec.mu.Lock()
			gets = append(gets, seen{method: r.Method, path: r.URL.Path})
			rec.mu.Unlock()
		}
		h.ServeHTTP(w, r)
	})
	srv := httptest.NewServer(rec)
	cfg := pass2u.Config{BaseURL: srv.URL + base, APIKey: pass2usim.DefaultAPIKey, Timeout: 10 * time.Second}
	if edit != nil {
		edit(&cfg)
	}
	c, err := pass2u.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		srv.Close()
		if len(gets) > 0 {
			t.Errorf("something else than POST was made: %v", gets)
		}
	})
	return stage{c, rec}
}

// simulated is a client at a simulator.
func simulated(t *testing.T, sc pass2usim.Config, edit func(*pass2u.Config)) (stage, *pass2usim.Sim) {
	t.Helper()
	sim := pass2usim.New(sc)
	s := serve(t, sim, edit)
	t.Cleanup(func() {
		sim.Close()
		if n := sim.Books().LinksOpened; n > 0 {
			t.Errorf("%d links were opened", n)
		}
	})
	return s, sim
}

// reply is one scripted answer; status 0 cuts the connection.
type reply struct {
	status int
	body   string
}

// scripted is a client at a server that gives these answers in turn, and fails the test when it
// is asked more often, or, at the end, less often.
func scripted(t *testing.T, edit func(*pass2u.Config), replies ...reply) stage {
	t.Helper()
	var mu sync.Mutex
	next := 0
	t.Cleanup(func() {
		if next != len(replies) {
			t.Errorf("%d calls were made, %d expected", next, len(replies))
		}
	})
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		i := next
		next++
		mu.Unlock()
		if i >= len(replies) {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		if replies[i].status == 0 {
			panic(http.ErrAbortHandler)
		}
		if replies[i].status/100 == 3 {
			w.Header().Set("Location", base+"/elsewhere")
		}
		w.WriteHeader(replies[i].status)
		io.WriteString(w, replies[i].body)
	}), edit)
}

// order is an order document of the simulator's default campaign.
func order(id string, n int, pickup string) providers.Order {
	return orderOf(id, map[string]any{"channelOrderId": id, "productSaleId": pass2usim.DefaultCampaign, "quantity": n, "pickupType": pickup})
}

func orderOf(id string, fields map[string]any) providers.Order {
	raw, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return providers.Order{ID: id, Request: raw}
}

// yes is a success body for order(id, …) with vouchers of these statuses.
func yes(id string, statuses ...string) string {
	var vouchers []string
	for i, s := range statuses {
		vouchers = append(vouchers, fmt.Sprintf(`{"barcodeMessage":"B%d","status":%q,"voucherUrl":"http://x.invalid/v/%d?token=t"}`, i, s, i))
	}
	return fmt.Sprintf(`{"pass2uOrderId":"R1","productSaleId":%q,"channelOrderId":%q,"vouchers":[%s]}`,
		pass2usim.DefaultCampaign, id, strings.Join(vouchers, ","))
}

func refusal(message string) string {
	b, _ := json.Marshal(map[string]string{"message": message, "type": "NonExistedException"})
	return string(b)
}
