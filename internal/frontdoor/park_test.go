package frontdoor_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"issuance/internal/doortest"
	"issuance/internal/frontdoor"
	"issuance/tasks"
)

// parking is a house whose front door listens as the command does, so that requests that wait are parked.
func parking(t *testing.T, cert *frontdoor.Certificate, tokens string) (h *house, addr string, stop func()) {
	t.Helper()
	h = open(t, tokens)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := h.server.Listen(ctx, l, cert, 5*time.Second); err != nil {
			t.Error(err)
		}
	}()
	stop = func() { cancel(); rouse(h.rdb); <-ended }
	t.Cleanup(stop)
	return h, l.Addr().String(), stop
}

// line is a connection over which requests are written by hand.
type line struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func connect(t *testing.T, addr string) line {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return line{t, c, bufio.NewReader(c)}
}

func (l line) ask(path string, header ...string) {
	l.t.Helper()
	text := "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n"
	for _, h := range header {
		text += h + "\r\n"
	}
	if _, err := io.WriteString(l, text+"\r\n"); err != nil {
		l.t.Fatal(err)
	}
}

// status is the next answer, which has to be an order's.
func (l line) status() (st frontdoor.Status, res *http.Response) {
	l.t.Helper()
	res, err := http.ReadResponse(l.r, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&st); err != nil || res.StatusCode != http.StatusOK {
		l.t.Fatalf("%s, %v", res.Status, err)
	}
	return st, res
}

func (h *house) waiting(n int) {
	h.t.Helper()
	limit := time.Now().Add(10 * time.Second)
	for metric(h, "issuance_http_waiting_requests") != fmt.Sprint(n) {
		if time.Now().After(limit) {
			h.t.Fatalf("%s requests wait, want %d", metric(h, "issuance_http_waiting_requests"), n)
		}
	}
}

// A request that waits is answered by the event over its own connection, which serves further requests.
func TestAParkedRequestIsAnsweredAndItsConnectionKept(t *testing.T) {
	h, addr, _ := parking(t, nil, "")
	c := connect(t, addr)
	for _, id := range []string{"A1", "A2"} { // the second is parked on a connection that was parked
		h.want(http.StatusCreated, nil, http.MethodPut, at+id, body)
		c.ask(at+id+"?wait=50", "X-Request-Id: waiting-"+id)
		h.waiting(1)
		h.issue(id)
		st, res := c.status()
		if st.State != tasks.Issued || st.OrderID != id || res.Header.Get("X-Request-Id") != "waiting-"+id {
			t.Errorf("%+v %v", st, res.Header)
		}
		h.waiting(0)
		if n := strings.Count(h.log.String(), "request=waiting-"+id); n != 1 {
			t.Errorf("%d lines of the access log", n)
		}
	}
	c.ask(at + "A1")
	if st, _ := c.status(); st.OrderID != "A1" {
		t.Errorf("%+v", st)
	}
}

func TestAParkedRequestIsAnsweredWhenItsTimeIsOver(t *testing.T) {
	h, addr, _ := parking(t, nil, "")
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A1", body)
	c := connect(t, addr)
	began := time.Now()
	c.ask(at + "A1?wait=1")
	if st, _ := c.status(); st.State != tasks.Queued || time.Since(began) < time.Second {
		t.Errorf("%+v after %s", st, time.Since(began))
	}
}

// A request that was sent behind one that waits is answered after it.
func TestRequestsBehindAParkedOneAreAnsweredInTheirOrder(t *testing.T) {
	h, addr, _ := parking(t, nil, "")
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A1", body)
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A2", body)
	h.issue("A2")
	for _, together := range []bool{true, false} {
		c := connect(t, addr)
		text := "GET " + at + "A1?wait=2 HTTP/1.1\r\nHost: localhost\r\n\r\n"
		next := "GET " + at + "A2 HTTP/1.1\r\nHost: localhost\r\n\r\n"
		if together {
			text, next = text+next, ""
		}
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		h.waiting(1)
		if _, err := io.WriteString(c, next); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"A1", "A2"} {
			if st, _ := c.status(); st.OrderID != want {
				t.Errorf("%s was answered, want %s", st.OrderID, want)
			}
		}
	}
}

func TestACallerThatGoesAwayIsForgotten(t *testing.T) {
	h, addr, _ := parking(t, nil, "")
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A1", body)
	c := connect(t, addr)
	c.ask(at+"A1?wait=50", "X-Request-Id: impatient")
	h.waiting(1)
	c.Close()
	h.waiting(0)
	for limit := time.Now().Add(5 * time.Second); !strings.Contains(h.log.String(), "outcome=caller_gone"); {
		if time.Now().After(limit) {
			t.Fatalf("the log does not say so: %s", h.log)
		}
	}
	for entry := range strings.Lines(h.log.String()) {
		if strings.Contains(entry, "request=impatient") && !strings.Contains(entry, "took_ms=") {
			t.Errorf("no duration: %s", entry)
		}
	}
	if text := h.call(http.MethodGet, "/metrics", "").text; !strings.Contains(text, `status="499"`) {
		t.Error("it is not among the metrics")
	}
}

// A server that stops answers what is parked, and what is sent while it stops does not wait.
func TestAStoppingServerAnswersWhatIsParked(t *testing.T) {
	h, addr, stop := parking(t, nil, "")
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A1", body)
	var all []line
	for range 20 {
		c := connect(t, addr)
		c.ask(at + "A1?wait=50")
		all = append(all, c)
	}
	h.waiting(20)
	stop()
	for _, c := range all {
		if st, _ := c.status(); st.State != tasks.Queued {
			t.Errorf("%+v", st)
		}
	}
}

// A token's rate counts a request that waits once.
func TestAParkedRequestIsItsCallersOnce(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "slow orders - 0.2", "shop orders")
	h, addr, _ := parking(t, nil, path)
	h.token = secrets["shop"]
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A1", body)
	c := connect(t, addr)
	c.ask(at+"A1?wait=50", "Authorization: Bearer "+secrets["slow"])
	h.waiting(1)
	h.issue("A1")
	c.status() // the only one that it may make in five seconds
}

func TestARequestIsParkedUnderTLS(t *testing.T) {
	cert, err := frontdoor.ReadCertificate(func() (string, string, *slog.Logger) {
		a, b := pair(t, t.TempDir(), 1)
		return a, b, slog.New(slog.DiscardHandler)
	}())
	if err != nil {
		t.Fatal(err)
	}
	h, addr, _ := parking(t, cert, "")
	h.want(http.StatusCreated, nil, http.MethodPut, at+"A1", body)
	for _, protocol := range []string{"http/1.1", "h2"} { // HTTP/2 waits where it is
		tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}}, ForceAttemptHTTP2: protocol == "h2"}
		web := &http.Client{Transport: tr}
		id := "T" + strings.ToUpper(protocol[:2])
		h.want(http.StatusCreated, nil, http.MethodPut, at+id, body)
		answers := make(chan frontdoor.Status, 1)
		go func() {
			var st frontdoor.Status
			res, err := web.Get("https://" + addr + at + id + "?wait=50")
			if err == nil {
				err = json.NewDecoder(res.Body).Decode(&st)
				res.Body.Close()
			}
			if err != nil {
				t.Error(err)
			}
			answers <- st
		}()
		h.waiting(1)
		h.issue(id)
		if st := <-answers; st.State != tasks.Issued {
			t.Errorf("%s: %+v", protocol, st)
		}
		tr.CloseIdleConnections()
	}
}
