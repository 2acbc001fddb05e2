package ecticketsim

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"issuance/providers/ecticket/wire"
)

// receiver takes notices, and acknowledges those that it is told to.
type receiver struct {
	mu    sync.Mutex
	paths []string
	texts []string
	ack   func(http.ResponseWriter)
}

func (rc *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	var e wire.Request
	if json.Unmarshal(body, &e) == nil {
		if plain, err := wire.Open(exampleKeys, e.Data); err == nil {
			if _, ok := wire.VerifyMAC(exampleKeys, plain, e.CheckMacValue); ok {
				rc.paths, rc.texts = append(rc.paths, r.URL.Path), append(rc.texts, string(plain))
			}
		}
	}
	rc.ack(w)
}

var exampleKeys = wire.Keys{HashKey: DefaultAccounts()[0].HashKey, HashIV: DefaultAccounts()[0].HashIV}

func acknowledged(w http.ResponseWriter) {
	data, mac := wire.Seal(exampleKeys, []byte(`{"RtnCode":1,"RtnMsg":"成功"}`))
	_ = json.NewEncoder(w).Encode(wire.Response{TransCode: 1, Data: data, CheckMacValue: mac})
}

// notified is a simulator with an issued order of two tickets that names a receiver for its notices.
func notified(t *testing.T, cfg Config) (*rig, *receiver, []string) {
	t.Helper()
	rc := &receiver{ack: acknowledged}
	server := httptest.NewServer(rc)
	t.Cleanup(server.Close)
	r := start(t, cfg)
	r.must(1, OpIssue, `{"MerchantID":"2000132","MerchantTradeNo":"N1","IssueType":"4","Operator":"ann","RefundNotifyURL":"`+server.URL+`/refund","UseStatusNotifyURL":"`+server.URL+
		`/use","TicketInfo":[{"ItemName":"SPA課程體驗券","TicketPrice":3200,"TicketAmount":2}]}`)
	r.sim.RunJob()
	b, _ := r.sim.Books().Order("N1")
	return r, rc, []string{b.Tickets[0].TicketNo, b.Tickets[1].TicketNo}
}

// A redemption is a notice to one address, a refund one to each, and nothing is sent before the batch.
func TestTheBatchHasEveryChange(t *testing.T) {
	r, rc, tickets := notified(t, Config{})
	if err := r.sim.Redeem(tickets[0], ""); err != nil {
		t.Fatal(err)
	}
	if err := r.sim.RefundInOffice(tickets[1]); err != nil {
		t.Fatal(err)
	}
	if len(rc.paths) != 0 {
		t.Errorf("sent at once: %v", rc.paths)
	}
	for range 2 {
		r.sim.SendNotices(t.Context())
	}
	if !slices.Equal(rc.paths, []string{"/use", "/use", "/refund"}) || !strings.Contains(rc.texts[0], tickets[0]) || !strings.Contains(rc.texts[2], `"RefundAmount":3200`) {
		t.Errorf("%v %v", rc.paths, rc.texts)
	}
	for _, n := range r.sim.Books().Notices {
		if !n.Acknowledged || n.Sent != 1 {
			t.Errorf("%+v", n)
		}
	}
}

// What is not acknowledged as ECPay wants it is sent four times more, with pauses, and the same each time.
func TestANoticeIsRepeatedFourTimes(t *testing.T) {
	for name, ack := range map[string]func(http.ResponseWriter){
		"not at all":        func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) },
		"by another status": func(w http.ResponseWriter) { w.WriteHeader(http.StatusCreated); acknowledged(w) },
		"plainly":           func(w http.ResponseWriter) { _, _ = io.WriteString(w, "1|OK") },
		"by another key":    func(w http.ResponseWriter) { _ = json.NewEncoder(w).Encode(wire.Response{TransCode: 1, Data: "AAAA"}) },
	} {
		r, rc, tickets := notified(t, Config{})
		rc.ack = ack
		if err := r.sim.Redeem(tickets[0], ""); err != nil {
			t.Fatal(err)
		}
		r.sim.SendNotices(t.Context())
		r.sim.RepeatNotices(t.Context())
		if len(rc.texts) != 1 {
			t.Errorf("%s: sent %d times at once", name, len(rc.texts))
		}
		for range 10 {
			r.clock.add(10 * time.Minute)
			r.sim.RepeatNotices(t.Context())
			r.sim.SendNotices(t.Context())
		}
		if len(rc.texts) != 5 || len(slices.Compact(rc.texts)) != 1 {
			t.Errorf("%s: sent %d times: %v", name, len(rc.texts), rc.texts)
		}
	}
	r, rc, tickets := notified(t, Config{PlainAck: true})
	rc.ack = func(w http.ResponseWriter) { _, _ = io.WriteString(w, "1|OK") }
	_ = r.sim.Redeem(tickets[0], "")
	r.sim.SendNotices(t.Context())
	if n := r.sim.Books().Notices; len(n) != 1 || !n[0].Acknowledged {
		t.Errorf("%+v", n)
	}
}

// Notices can be led elsewhere, those of orders without an address among them.
func TestNoticesCanBeLedElsewhere(t *testing.T) {
	r, rc, _ := notified(t, Config{})
	server := httptest.NewServer(rc)
	defer server.Close()
	r.sim.SetNoticeTo(func(merchant, _ string) string { return server.URL + "/notify/" + merchant })
	r.must(1, OpIssue, order4("N2"))
	r.sim.RunJob()
	b, _ := r.sim.Books().Order("N2")
	_ = r.sim.Redeem(b.Tickets[0].TicketNo, "")
	r.sim.SendNotices(t.Context())
	if !slices.Equal(rc.paths, []string{"/notify/2000132"}) {
		t.Error(rc.paths)
	}
}
