package ecticketsim

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"issuance/providers/ecticket/wire"
)

const known = `{"MerchantID":"2000132","TicketNo":"CB2SY20220302153"}`

func TestHTTPRules(t *testing.T) {
	r := start(t, Config{})
	body, _ := json.Marshal(r.envelope(known))
	cases := []struct {
		name, method, path, kind string
		body                     []byte
		want                     int
	}{
		{"the documented call", "POST", "/api/Ticket/QueryTicketStatus", "application/json", body, http.StatusOK},
		{"with a charset", "POST", "/api/Ticket/QueryTicketStatus", "application/json; charset=utf-8", body, http.StatusOK},
		{"another method", "GET", "/api/Ticket/QueryTicketStatus", "application/json", nil, http.StatusMethodNotAllowed},
		{"another content type", "POST", "/api/Ticket/QueryTicketStatus", "text/plain", body, http.StatusUnsupportedMediaType},
		{"no content type", "POST", "/api/Ticket/QueryTicketStatus", "", body, http.StatusUnsupportedMediaType},
		{"another path", "POST", "/api/Ticket/Nothing", "application/json", body, http.StatusNotFound},
		{"too long a body", "POST", "/api/Ticket/Issue", "application/json", make([]byte, maxBody+1), http.StatusRequestEntityTooLarge},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			req, _ := http.NewRequest(c.method, r.url+c.path, bytes.NewReader(c.body))
			if c.kind != "" {
				req.Header.Set("Content-Type", c.kind)
			}
			resp, err := r.http.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != c.want {
				t.Errorf("HTTP %d, want %d", resp.StatusCode, c.want)
			}
		})
	}
}

func TestEnvelopeRules(t *testing.T) {
	r := start(t, Config{})
	other := wire.Keys{HashKey: "b15bd8514fed472c", HashIV: "9c8458263def47cd"}
	at := func(d time.Duration) func(*wire.Request) {
		return func(q *wire.Request) { q.RqHeader.Timestamp = wire.Int64(r.clock.now().Add(d).Unix()) }
	}
	cases := []struct {
		name   string
		change func(*wire.Request)
		want   wire.Int
	}{
		{"the documented envelope", func(*wire.Request) {}, wire.Accepted},
		{"an unknown merchant", func(q *wire.Request) { q.MerchantID = "9999999" }, TransMerchant},
		{"a platform that may not act for the merchant", func(q *wire.Request) { q.PlatformID = "3085672" }, TransMerchant},
		{"another account's keys", func(q *wire.Request) { q.Data, q.CheckMacValue = wire.Seal(other, []byte(known)) }, TransData},
		{"no Data", func(q *wire.Request) { q.Data = "" }, TransData},
		{"a checksum of other Data", func(q *wire.Request) { _, q.CheckMacValue = wire.Seal(r.keys, []byte("{}")) }, TransChecksum},
		{"no checksum", func(q *wire.Request) { q.CheckMacValue = "" }, TransChecksum},
		{"a lower-case checksum", func(q *wire.Request) { q.CheckMacValue = strings.ToLower(q.CheckMacValue) }, wire.Accepted},
		{"no Timestamp", func(q *wire.Request) { q.RqHeader.Timestamp = 0 }, TransTimestamp},
		{"exactly 10 minutes late", at(-10 * time.Minute), wire.Accepted},
		{"more than 10 minutes late", at(-10*time.Minute - time.Second), TransTimestamp},
		{"more than 10 minutes early", at(10*time.Minute + time.Second), TransTimestamp},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			req := r.envelope(known)
			c.change(&req)
			resp := r.exchange("/api/Ticket/QueryTicketStatus", req)
			if resp.TransCode != c.want {
				t.Errorf("TransCode %d (%s), want %d", resp.TransCode, resp.TransMsg, c.want)
			}
			if refused := resp.TransCode != wire.Accepted; refused != (resp.Data == "") || refused != (resp.TransMsg != "") {
				t.Errorf("a refusal has a TransMsg and no Data, a success the other way round: %+v", resp)
			}
		})
	}
	for _, body := range []string{"", "[]", "{", `{"RqHeader":{"Timestamp":"soon"}}`} {
		_, answer, err := r.send("/api/Ticket/Issue", []byte(body))
		var resp wire.Response
		if err != nil || json.Unmarshal(answer, &resp) != nil || resp.TransCode != TransMalformed {
			t.Errorf("body %q: %s, %v", body, answer, err)
		}
	}
}

func TestMerchantInDataMustBeTheEnvelopes(t *testing.T) {
	r := start(t, Config{})
	r.must(RtnMerchant, OpQueryTicketStatus, `{"MerchantID":"3085676","TicketNo":"CB2SY20220302153"}`)
	r.must(RtnMerchant, OpQueryTicketStatus, `{"TicketNo":"CB2SY20220302153"}`)
	r.must(RtnField, OpQueryTicketStatus, `["MerchantID"]`)
	r.must(RtnField, OpQueryTicketStatus, `{"MerchantID":2000132}`)
}

func TestEveryEncodingIsReadAndAnswered(t *testing.T) {
	for _, v := range wire.Variants() {
		t.Run(v.String(), func(t *testing.T) {
			r := start(t, Config{Encoding: v})
			r.encoding = v
			resp := r.exchange("/api/Ticket/QueryTicketStatus", r.envelope(`{"MerchantID":"2000132", "TicketNo":"CB2SY20220302153","x":"~!'()*"}`))
			plain, err := wire.Open(r.keys, resp.Data)
			if err != nil {
				t.Fatal(err)
			}
			// The answer holds a date with a space, so the space's encoding shows in the checksum.
			if _, mac := wire.SealAs(r.keys, plain, v); mac != resp.CheckMacValue {
				t.Errorf("the answer's checksum is not of encoding %s", v)
			}
		})
	}
}

func TestAnswerEchoesAndIsStamped(t *testing.T) {
	r := start(t, Config{})
	resp := r.exchange("/api/Ticket/QueryTicketStatus", r.envelope(known))
	if resp.MerchantID != "2000132" || resp.PlatformID != "" || resp.RpHeader.Timestamp != wire.Int64(r.clock.now().Unix()) {
		t.Errorf("got %+v", resp)
	}
}

func TestPlatformCallsWithItsOwnKeys(t *testing.T) {
	r := start(t, Config{})
	r.platform = "3002599"
	if resp := r.exchange("/api/Ticket/QueryTicketStatus", r.envelope(known)); resp.TransCode != TransData {
		t.Errorf("the merchant's keys with a PlatformID: TransCode %d", resp.TransCode)
	}
	r.keys = wire.Keys{HashKey: "b15bd8514fed472c", HashIV: "9c8458263def47cd"}
	resp := r.exchange("/api/Ticket/QueryTicketStatus", r.envelope(known))
	if resp.TransCode != wire.Accepted || resp.PlatformID != "3002599" {
		t.Errorf("the platform's keys: %+v", resp)
	}
	r.must(1, OpQueryTicketStatus, known) // the answer is under the platform's keys too
}

func TestPlatformIDMayBeNullOrAbsent(t *testing.T) {
	r := start(t, Config{})
	var m map[string]any
	body, _ := json.Marshal(r.envelope(known))
	_ = json.Unmarshal(body, &m)
	for _, change := range []func(){func() { m["PlatformID"] = nil }, func() { delete(m, "PlatformID") }} {
		change()
		body, _ := json.Marshal(m)
		_, answer, err := r.send("/api/Ticket/QueryTicketStatus", body)
		var resp wire.Response
		if err != nil || json.Unmarshal(answer, &resp) != nil || resp.TransCode != wire.Accepted {
			t.Errorf("%s: %s, %v", body, answer, err)
		}
	}
}

func TestNewRefusesKeysThatCannotBeUsed(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	New(Config{Accounts: []Account{{MerchantID: "1", HashKey: "short"}}})
}
