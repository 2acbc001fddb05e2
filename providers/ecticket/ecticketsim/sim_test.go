package ecticketsim

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"issuance/providers/ecticket/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a clock that only tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// rig is a simulator behind a server, and a caller of it.
type rig struct {
	t     testing.TB
	sim   *Sim
	clock *clock
	url   string
	http  *http.Client
	// what the caller sends
	merchant, platform string
	keys               wire.Keys
	encoding           wire.Variant
}

// start runs a simulator. The clock stands on the day before the StartDate of the documents'
// examples, Taiwan time.
func start(t testing.TB, cfg Config) *rig {
	t.Helper()
	c := &clock{t: time.Date(2023, time.December, 31, 9, 30, 0, 0, taiwan)}
	cfg.Now = c.now
	sim := New(cfg)
	srv := httptest.NewServer(sim)
	t.Cleanup(srv.Close)
	return &rig{
		t: t, sim: sim, clock: c, url: srv.URL, http: srv.Client(), merchant: exampleMerchant,
		keys: wire.Keys{HashKey: "7b53896b742849d3", HashIV: "37a0ad3c6ffa428b"},
	}
}

func (r *rig) envelope(data string) wire.Request {
	sealed, mac := wire.SealAs(r.keys, []byte(data), r.encoding)
	return wire.Request{
		PlatformID: r.platform, MerchantID: r.merchant,
		RqHeader: wire.Header{Timestamp: wire.Int64(r.clock.now().Unix())}, Data: sealed, CheckMacValue: mac,
	}
}

// send posts body and returns status and answer; err is that of the transport.
func (r *rig) send(path string, body []byte) (int, []byte, error) {
	resp, err := r.http.Post(r.url+path, "application/json", bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

func (r *rig) exchange(path string, req wire.Request) wire.Response {
	r.t.Helper()
	body, err := json.Marshal(req)
	if err != nil {
		r.t.Fatal(err)
	}
	status, answer, err := r.send(path, body)
	if err != nil || status != http.StatusOK {
		r.t.Fatalf("%s: HTTP %d, %v", path, status, err)
	}
	var resp wire.Response
	if err := json.Unmarshal(answer, &resp); err != nil {
		r.t.Fatalf("%s: %v in %s", path, err, answer)
	}
	return resp
}

// plain makes a call that the envelope lets through and returns the authentic plaintext.
func (r *rig) plain(path, data string) string {
	r.t.Helper()
	resp := r.exchange(path, r.envelope(data))
	if resp.TransCode != wire.Accepted {
		r.t.Fatalf("%s: TransCode %d: %s", path, resp.TransCode, resp.TransMsg)
	}
	plain, err := wire.Open(r.keys, resp.Data)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, ok := wire.VerifyMAC(r.keys, plain, resp.CheckMacValue); !ok {
		r.t.Fatalf("%s: the answer's checksum is wrong", path)
	}
	return string(plain)
}

// fields is an answer's Data.
type fields map[string]any

func (f fields) code() int { return int(f["RtnCode"].(float64)) }

func (r *rig) call(op, data string) fields {
	r.t.Helper()
	path := op
	if !strings.HasPrefix(op, "/") {
		path = "/api/Ticket/" + op
	}
	var out fields
	if err := json.Unmarshal([]byte(r.plain(path, data)), &out); err != nil {
		r.t.Fatal(err)
	}
	return out
}

// must makes a call that has to end with the given RtnCode.
func (r *rig) must(code int, op, data string) fields {
	r.t.Helper()
	out := r.call(op, data)
	if out.code() != code {
		r.t.Fatalf("%s %s: RtnCode %d (%v), want %d", op, data, out.code(), out["RtnMsg"], code)
	}
	return out
}

// issued places an order of four serial-number tickets, runs the job and returns the ticket
// numbers.
func (r *rig) issued(id string) []string {
	r.t.Helper()
	r.must(1, OpIssue, order4(id))
	r.sim.RunJob()
	o, ok := r.sim.Books().Order(id)
	if !ok || o.Status != Issued {
		r.t.Fatalf("order %s is not issued: %+v", id, o)
	}
	var numbers []string
	for _, t := range o.Tickets {
		numbers = append(numbers, t.TicketNo)
	}
	return numbers
}

// order4 is a serial-number order of four tickets.
func order4(id string) string {
	return `{"MerchantID":"2000132","MerchantTradeNo":"` + id + `","IssueType":"4","Operator":"AngelaChan","TicketInfo":[{"ItemName":"SPA課程體驗券","TicketPrice":3200,"TicketAmount":4}]}`
}

func byOrder(id string) string {
	return `{"MerchantID":"2000132","MerchantTradeNo":"` + id + `"}`
}

func byTicket(no string) string { return `{"MerchantID":"2000132","TicketNo":"` + no + `"}` }

func (r *rig) status(id string) int {
	r.t.Helper()
	return int(r.must(1, OpQueryIssueResult, byOrder(id))["Status"].(float64))
}
