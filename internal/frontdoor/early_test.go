package frontdoor_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"issuance/internal/doortest"
	"issuance/internal/frontdoor"
)

// patient is a front door with tokens, whose patience with bodies is longer than the test's with answers.
func patient(t *testing.T) (addr string, tokens map[string]string, stop func() error) {
	t.Helper()
	path, tokens := doortest.TokensFile(t, "shop orders", "hasty orders - 0.1")
	addr, stop = listenAs(t, nil, func(c *frontdoor.Config) {
		c.Timeout = 10 * time.Second
		var err error
		if c.Tokens, err = frontdoor.ReadTokens(path, c.Log); err != nil {
			t.Fatal(err)
		}
	})
	return addr, tokens, stop
}

// An answer that is given before its request's body was read is sent at once, and the connection closed about a second later,
// however the body goes on.
func TestAnEarlyAnswerIsSentAtOnceAndItsConnectionClosed(t *testing.T) {
	addr, tokens, _ := patient(t)
	auth, hasty := "Authorization: Bearer "+tokens["shop"]+"\r\n", "Authorization: Bearer "+tokens["hasty"]+"\r\n"
	sentRaw(t, addr, "GET /v1/orders HTTP/1.1\r\nHost: localhost\r\n"+hasty+"\r\n") // its only one for 10 s
	chunked, long := "Transfer-Encoding: chunked\r\n", "Content-Length: 100000\r\n"
	for name, q := range map[string]struct {
		line, header, part string
		status             int
	}{
		"no token, chunks":         {"POST /v1/bulk", chunked, "1\r\nx\r\n", http.StatusUnauthorized},
		"no token, a length":       {"POST /v1/bulk", long, "x", http.StatusUnauthorized},
		"no token, a short length": {"POST /v1/bulk", "Content-Length: 5000\r\n", "x", http.StatusUnauthorized},
		"a wrong token":            {"PUT " + at + "A1", "Authorization: Bearer iss_x\r\n" + chunked, "1\r\nx\r\n", http.StatusUnauthorized},
		"an unknown path":          {"POST /x", long, "x", http.StatusNotFound},
		"another method":           {"DELETE /v1/orders", auth + chunked, "1\r\nx\r\n", http.StatusMethodNotAllowed},
		"a file that is a form":    {"POST /v1/bulk", auth + "Content-Type: multipart/form-data\r\n" + chunked, "1\r\nx\r\n", http.StatusUnsupportedMediaType},
		"a file that is none":      {"POST /v1/bulk", auth + chunked, "9\r\n<!doctype\r\n", http.StatusUnprocessableEntity},
		"too many":                 {"PUT " + at + "A1", hasty + chunked, "1\r\nx\r\n", http.StatusTooManyRequests},
		"no notices":               {"POST " + noticePath, long, "x", http.StatusNotFound},
		"a question with a body":   {"GET /healthz", chunked, "1\r\nx\r\n", http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			c, closed := dripping(t, addr, q.line+" HTTP/1.1\r\nHost: localhost\r\n"+q.header+"\r\n", q.part)
			in := bufio.NewReader(c)
			res, err := http.ReadResponse(in, nil)
			if err != nil || res.StatusCode != q.status || !res.Close {
				t.Fatalf("%v, %v", res, err)
			}
			if took := time.Since(began); took > 900*time.Millisecond {
				t.Errorf("answered after %s", took)
			}
			rest, _ := io.ReadAll(in) // until the connection is closed
			if took := time.Since(began); took > 4*time.Second || strings.Contains(string(rest), "HTTP/1.1") {
				t.Errorf("closed after %s: %q", took, rest)
			}
			c.Close()
			<-closed
		})
	}
}

// A body that is too large is refused as early.
func TestABodyThatIsTooLargeIsRefusedAtOnce(t *testing.T) {
	addr, tokens, _ := patient(t)
	began := time.Now()
	c, closed := dripping(t, addr, "PUT "+at+"A1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "+tokens["shop"]+
		"\r\nContent-Type: application/json\r\nContent-Length: 2000000\r\n\r\n"+strings.Repeat(" ", 1<<20+1), " ")
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != http.StatusRequestEntityTooLarge || time.Since(began) > 2*time.Second {
		t.Errorf("%v, %v after %s", res, err, time.Since(began))
	}
	c.Close()
	<-closed
}

// A body that is said to be too large is refused before any of it has come, and not asked for.
func TestABodyThatWouldBeTooLargeIsNotWaitedFor(t *testing.T) {
	addr, tokens, _ := patient(t)
	for _, line := range []string{"PUT " + at + "A1", "PUT " + at + "A1/refunds/R1", "POST /v1/orders", "POST " + at + "A1/cancel"} {
		for _, expect := range []string{"", "Expect: 100-continue\r\n"} {
			began := time.Now()
			c := write(t, addr, line+" HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "+tokens["shop"]+"\r\nContent-Type: application/json\r\n"+expect+"Content-Length: 2900000\r\n\r\n")
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || res.StatusCode != http.StatusRequestEntityTooLarge || !res.Close || time.Since(began) > 2*time.Second {
				t.Errorf("%s %s: %v, %v after %s", line, expect, res, err, time.Since(began))
			}
			c.Close()
		}
	}
}

// A notice is held to that, too.
func TestANoticeThatWouldBeTooLargeIsNotWaitedFor(t *testing.T) {
	h := takesNotices(t, nil)
	began := time.Now()
	c := write(t, strings.TrimPrefix(h.url, "http://"), "POST "+noticePath+" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300000\r\n\r\n")
	defer c.Close()
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != http.StatusRequestEntityTooLarge || time.Since(began) > 2*time.Second {
		t.Errorf("%v, %v after %s", res, err, time.Since(began))
	}
}

// Who is refused keeps the connection where the body has come.
func TestARefusedCallerKeepsItsConnection(t *testing.T) {
	addr, tokens, _ := patient(t)
	put := func(token string) string {
		return fmt.Sprintf("PUT %sA1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", at, token, len(body), body)
	}
	c := write(t, addr, put("iss_x")+put(tokens["shop"]))
	in := bufio.NewReader(c)
	for _, want := range []int{http.StatusUnauthorized, http.StatusCreated} {
		res, err := http.ReadResponse(in, nil)
		if err != nil || res.StatusCode != want || res.Close {
			t.Fatalf("want %d: %v, %v", want, res, err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			t.Fatal(err)
		}
	}
}

// Who waits for 100 Continue is not asked for a body that nobody reads.
func TestABodyThatNobodyReadsIsNotAskedFor(t *testing.T) {
	addr, _, _ := patient(t)
	began := time.Now()
	c := write(t, addr, "POST /v1/bulk HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5000\r\n\r\n")
	b, err := io.ReadAll(c)
	if err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 401") || time.Since(began) > 3*time.Second {
		t.Errorf("%.200q, %v after %s", b, err, time.Since(began))
	}
}

// A server that stops does not wait for bodies that nobody reads.
func TestAStopDoesNotWaitForABodyThatNobodyReads(t *testing.T) {
	addr, _, stop := patient(t)
	c, closed := dripping(t, addr, "POST /v1/bulk HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n")
	if _, err := bufio.NewReader(c).Peek(1); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := stop(); err != nil || time.Since(began) > 4*time.Second {
		t.Errorf("stopped after %s: %v", time.Since(began), err)
	}
	<-closed
}

// A request may wait for longer than its body may take, also at a handler that sets no deadline; and such a handler's body has
// a time to come.
func TestTheTimeOfABodyEndsWithIt(t *testing.T) {
	read := func(s *frontdoor.Server) {
		s.Mount("/reads/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			if err == nil {
				select {
				case <-r.Context().Done():
					err = r.Context().Err()
				case <-time.After(600 * time.Millisecond):
				}
			}
			fmt.Fprint(w, err)
		}))
	}
	addr, _ := listenAs(t, nil, nil, read) // a body has 200 ms
	head := "POST /reads/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
	if _, text := sentRaw(t, addr, head+"Content-Length: 1\r\n\r\nx"); text != "<nil>" {
		t.Error(text)
	}
	if _, text := sentRaw(t, addr, head+"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"); text != "<nil>" {
		t.Error(text)
	}
	if a := drip(t, addr, head+"Content-Length: 100000\r\n\r\n"); !strings.Contains(a, "i/o timeout") {
		t.Errorf("%.200q", a)
	}
	length := fmt.Sprintf("Content-Type: application/json\r\nContent-Length: %d\r\n\r\n", len(body))
	began := time.Now()
	if res, text := sentRaw(t, addr, "PUT "+at+"A1 HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=1\r\n"+length+body); res.StatusCode != http.StatusCreated || time.Since(began) < time.Second {
		t.Errorf("%d after %s: %s", res.StatusCode, time.Since(began), text)
	}
}

// Over HTTP/2, too, a body has its time, which ends with it, and an early answer comes at once.
func TestABodyOverHTTP2HasItsTime(t *testing.T) {
	cert, key := pair(t, t.TempDir(), 1)
	c, err := frontdoor.ReadCertificate(cert, key, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := listen(t, c)
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}, Timeout: 10 * time.Second}
	defer web.CloseIdleConnections()
	endless := func() io.ReadCloser {
		r, w := io.Pipe()
		t.Cleanup(func() { w.Close() })
		return r
	}
	for path, q := range map[string]struct {
		body   io.ReadCloser
		status int
	}{at + "A1?wait=1": {io.NopCloser(strings.NewReader(body)), http.StatusCreated}, at + "A2": {endless(), http.StatusRequestTimeout}, "/x": {endless(), http.StatusNotFound}} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "https://"+addr+path, q.body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		res, err := web.Do(req)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != q.status || res.ProtoMajor != 2 {
			t.Errorf("%s: %s %d, %v: %s", path, res.Proto, res.StatusCode, err, text)
		}
	}
}
