package ecticket_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"issuance/providers"
	"issuance/providers/ecticket"
	"issuance/providers/ecticket/wire"
)

// answers are the ways in which an answer can be good or bad: how a call that may have had an
// effect ends, how a query ends, and how often a query is sent. A mutating call is always sent
// once.
var answers = []struct {
	name           string
	answer         func(w http.ResponseWriter, r *http.Request)
	mutating, read providers.Kind // Done for mutating stands for Accepted too
	code           string
	readCalls      int // default 1
	alarm          bool
}{
	{name: "success", answer: say(yes()), mutating: providers.Done, read: providers.Done, code: "1"},
	{name: "numbers as strings", answer: say(data{"RtnCode": "1", "Status": "1", "TotalCount": "0", "UseStatus": "1"}, set("TransCode", "1")), mutating: providers.Done, read: providers.Done, code: "1"},
	{name: "nulls", answer: say(data{"RtnCode": 1, "RtnMsg": nil, "MerchantID": nil, "MerchantTradeNo": nil, "TicketTradeNo": nil, "TicketList": nil, "ItemInfoList": nil, "Status": 1, "TotalCount": 0, "UseStatus": 1}, set("TransMsg", nil), set("PlatformID", nil)), mutating: providers.Done, read: providers.Done, code: "1"},
	{name: "success under HTTP 400", answer: status(400, say(yes())), mutating: providers.Done, read: providers.Done, code: "1"},
	{name: "lower-case checksum", answer: say(yes(), func(env map[string]any) { env["CheckMacValue"] = strings.ToLower(env["CheckMacValue"].(string)) }), mutating: providers.Done, read: providers.Done, code: "1"},

	{name: "business rejection", answer: say(data{"RtnCode": 10010, "RtnMsg": "no such thing"}), mutating: providers.Rejected, read: providers.Rejected, code: "10010"},
	{name: "business rejection, negative code", answer: say(data{"RtnCode": -1, "RtnMsg": "no"}), mutating: providers.Rejected, read: providers.Rejected, code: "-1"},
	{name: "checksum refused", answer: say(data{"RtnCode": 10200073, "RtnMsg": "CheckMacValue Error"}), mutating: providers.Held, read: providers.Held, code: "10200073", alarm: true},

	{name: "HTTP 403", answer: page(403), mutating: providers.Unknown, read: providers.Held, code: "http_403"},
	{name: "HTTP 403 around a success", answer: status(403, say(yes())), mutating: providers.Unknown, read: providers.Held, code: "http_403"},
	{name: "HTTP 403, cut off", answer: status(403, cutWithin), mutating: providers.Unknown, read: providers.Held, code: "http_403"},
	{name: "HTTP 500", answer: page(500), mutating: providers.Unknown, read: providers.Unknown, code: "http_500"},
	{name: "HTTP 503 around a success", answer: status(503, say(yes())), mutating: providers.Unknown, read: providers.Unknown, code: "http_503"},
	{name: "HTTP 404", answer: page(404), mutating: providers.Unknown, read: providers.Unknown, code: "http_404", alarm: true},
	{name: "HTTP 400", answer: page(400), mutating: providers.Unknown, read: providers.Unknown, code: "http_400", alarm: true},
	{name: "HTTP 400 with JSON that is no envelope", answer: status(400, text(`{"message":"Bad Request"}`)), mutating: providers.Unknown, read: providers.Unknown, code: "http_400", alarm: true},
	{name: "HTTP 429", answer: page(429), mutating: providers.Unknown, read: providers.Unknown, code: "http_429"},

	{name: "empty body", answer: text(""), mutating: providers.Unknown, read: providers.Unknown, code: "unreadable"},
	{name: "a page", answer: text("<html>System maintenance</html>"), mutating: providers.Unknown, read: providers.Unknown, code: "unreadable"},
	{name: "an array", answer: text(`[1]`), mutating: providers.Unknown, read: providers.Unknown, code: "unreadable"},
	{name: "cut JSON", answer: text(`{"TransCode":1,"Data":"abc`), mutating: providers.Unknown, read: providers.Unknown, code: "unreadable"},
	{name: "an answer without end", answer: endless, mutating: providers.Unknown, read: providers.Unknown, code: "answer_too_large"},

	{name: "no TransCode", answer: say(yes(), drop("TransCode")), mutating: providers.Unknown, read: providers.Unknown, code: "no_trans_code"},
	{name: "TransCode null", answer: say(yes(), set("TransCode", nil)), mutating: providers.Unknown, read: providers.Unknown, code: "no_trans_code"},
	{name: "TransCode 0", answer: say(yes(), set("TransCode", 0)), mutating: providers.Unknown, read: providers.Held, code: "trans_0", alarm: true},
	{name: "envelope refused", answer: say(yes(), set("TransCode", 10001), set("TransMsg", "timestamp"), drop("Data"), drop("CheckMacValue")), mutating: providers.Unknown, read: providers.Held, code: "trans_10001", alarm: true},

	{name: "no Data", answer: say(yes(), drop("Data")), mutating: providers.Unknown, read: providers.Unknown, code: "not_decryptable"},
	{name: "Data is not base64", answer: say(yes(), set("Data", "…")), mutating: providers.Unknown, read: providers.Unknown, code: "not_decryptable"},
	{name: "Data of other keys", answer: otherKeys, mutating: providers.Unknown, read: providers.Unknown, code: "not_decryptable"},
	{name: "no checksum", answer: say(yes(), drop("CheckMacValue")), mutating: providers.Unknown, read: providers.Unknown, code: "bad_checksum"},
	{name: "wrong checksum", answer: say(yes(), set("CheckMacValue", strings.Repeat("0", 64))), mutating: providers.Unknown, read: providers.Unknown, code: "bad_checksum"},
	{name: "checksum of another answer", answer: swapped, mutating: providers.Unknown, read: providers.Unknown, code: "bad_checksum"},

	{name: "Data is no object", answer: say(`[1]`), mutating: providers.Unknown, read: providers.Unknown, code: "unreadable"},
	{name: "Data is no JSON", answer: say(`1|OK`), mutating: providers.Unknown, read: providers.Unknown, code: "unreadable"},
	{name: "no RtnCode", answer: say(data{"RtnMsg": "success"}), mutating: providers.Unknown, read: providers.Unknown, code: "unreadable"},
	{name: "RtnCode null", answer: say(data{"RtnCode": nil}), mutating: providers.Unknown, read: providers.Unknown, code: "unreadable"},
	{name: "RtnCode is a word", answer: say(data{"RtnCode": "OK"}), mutating: providers.Unknown, read: providers.Unknown, code: "unreadable"},
	{name: "another merchant's envelope", answer: say(data{"RtnCode": 1, "Status": 1, "TotalCount": 0, "UseStatus": 1}, set("MerchantID", "2000133")), mutating: providers.Unknown, read: providers.Unknown, code: "unauthentic_answer"},
	{name: "an envelope without a merchant", answer: say(data{"RtnCode": 1, "Status": 1, "TotalCount": 0, "UseStatus": 1}, set("MerchantID", "")), mutating: providers.Done, read: providers.Done, code: "1"},
	{name: "another merchant", answer: say(with("MerchantID", "2000133")), mutating: providers.Unknown, read: providers.Unknown, code: "unauthentic_answer"},
	{name: "another merchant's rejection", answer: say(data{"RtnCode": 5, "MerchantID": "2000133"}), mutating: providers.Unknown, read: providers.Unknown, code: "unauthentic_answer"},

	{name: "cut connection", answer: cut, mutating: providers.Unknown, read: providers.Unknown, code: "broken_connection", readCalls: 2},
	{name: "cut in the answer", answer: cutWithin, mutating: providers.Unknown, read: providers.Unknown, code: "broken_connection", readCalls: 2},
}

func TestHowEveryAnswerEndsEveryCall(t *testing.T) {
	for _, a := range answers {
		for _, op := range ops {
			t.Run(a.name+"/"+op.name, func(t *testing.T) {
				t.Parallel()
				s := listen(t, func(w http.ResponseWriter, r *http.Request, _ int, _ asked) { a.answer(w, r) })
				g := &gate{}
				c := client(t, s.URL, func(cfg *ecticket.Config) { cfg.Gate = g })
				out := op.do(t.Context(), c)

				want, calls := a.read, max(a.readCalls, 1)
				if op.mutates {
					want, calls = a.mutating, 1
				}
				got := out.Kind
				if got == providers.Accepted {
					got = providers.Done
				}
				if got != want || out.Code != a.code || out.Alarm != a.alarm {
					t.Errorf("ends as %+v, want %s with code %s, alarm %t", out, want, a.code, a.alarm)
				}
				if n := len(s.calls()); n != calls {
					t.Errorf("%d calls were made, want %d", n, calls)
				}
				if n := int(g.passed.Load()); n != calls {
					t.Errorf("the gate was passed %d times for %d calls", n, calls)
				}
				if n := int(g.bans.Load()); n != strings.Count(a.code, "http_403") {
					t.Errorf("%d bans were reported", n)
				}
			})
		}
	}
}

func TestABanSaysWhenToComeBack(t *testing.T) {
	s := listen(t, func(w http.ResponseWriter, r *http.Request, _ int, _ asked) { page(403)(w, r) })
	if f := client(t, s.URL).LookUp(t.Context(), order); f.Outcome.RetryAfter != 30*time.Minute || f.State != providers.Unclear {
		t.Errorf("got %+v, want half an hour", f)
	}
	c := client(t, s.URL, func(cfg *ecticket.Config) { cfg.Ban = time.Second })
	if out := c.Issue(t.Context(), order); out.RetryAfter != time.Second {
		t.Errorf("got %+v, want the configured second", out)
	}
}

func TestABanIsReportedEvenWhenTheCallerHasGivenUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := listen(t, func(w http.ResponseWriter, r *http.Request, _ int, _ asked) { page(403)(w, r) })
	g := &gate{}
	c := client(t, s.URL, func(cfg *ecticket.Config) {
		cfg.Gate = g
		cfg.Now = func() time.Time {
			if len(s.calls()) > 0 { // the answer has been read
				cancel()
			}
			return time.Now()
		}
	})
	if c.Issue(ctx, order); ctx.Err() == nil || g.bans.Load() != 1 {
		t.Errorf("%d bans were reported", g.bans.Load())
	}
}

func TestRetryAfterIsHeard(t *testing.T) {
	s := listen(t, func(w http.ResponseWriter, r *http.Request, n int, _ asked) {
		w.Header().Set("Retry-After", []string{"7", "-1", "soon", "7200"}[n-1])
		page(503)(w, r)
	})
	c := client(t, s.URL)
	for _, want := range []time.Duration{7 * time.Second, 0, 0, time.Hour} {
		if out := c.Issue(t.Context(), order); out.RetryAfter != want {
			t.Errorf("retry after %s, want %s", out.RetryAfter, want)
		}
	}
}

func TestNoRedirectIsFollowed(t *testing.T) {
	other := listen(t, func(w http.ResponseWriter, r *http.Request, _ int, _ asked) { say(yes())(w, r) })
	for _, code := range []int{301, 302, 303, 307, 308} {
		s := listen(t, func(w http.ResponseWriter, r *http.Request, _ int, _ asked) {
			http.Redirect(w, r, other.URL+r.URL.Path, code)
		})
		for _, op := range ops {
			// A client that was given to us must not follow either.
			for _, given := range []*http.Client{nil, {Transport: http.DefaultTransport.(*http.Transport).Clone()}} {
				c := client(t, s.URL, func(cfg *ecticket.Config) { cfg.HTTP = given })
				if out := op.do(t.Context(), c); out.Kind != providers.Unknown || out.Code != fmt.Sprintf("http_%d", code) || !out.Alarm {
					t.Errorf("%s: HTTP %d ends as %+v", op.name, code, out)
				}
			}
		}
	}
	if n := len(other.calls()); n != 0 {
		t.Errorf("%d calls followed a redirect", n)
	}
}

// The answers.

func say(d any, change ...func(map[string]any)) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { authentic(w, d, change...) }
}

func status(code int, body func(http.ResponseWriter, *http.Request)) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(code)
		body(w, r)
	}
}

func text(s string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, s) }
}

func page(code int) func(http.ResponseWriter, *http.Request) {
	return status(code, text("<html>Sorry</html>"))
}

func endless(w http.ResponseWriter, _ *http.Request) {
	block := bytes.Repeat([]byte(" "), 1<<20)
	for range 9 {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

func otherKeys(w http.ResponseWriter, _ *http.Request) {
	sealed, mac := wire.Seal(wire.Keys{HashKey: "b15bd8514fed472c", HashIV: "9c8458263def47cd"}, []byte(`{"RtnCode":1,"RtnMsg":"Success"}`))
	authentic(w, yes(), set("Data", sealed), set("CheckMacValue", mac))
}

func swapped(w http.ResponseWriter, _ *http.Request) {
	_, mac := wire.Seal(keys, []byte(`{"RtnCode":2,"RtnMsg":"no"}`))
	authentic(w, yes(), set("CheckMacValue", mac))
}

func cut(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func cutWithin(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, `{"TransCode":1,`)
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}
