package frontdoor_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"issuance/internal/frontdoor"
	"issuance/internal/keys"
)

// write is a connection on which a text was sent as it is. It lives for a while, and not longer than the test.
func write(t *testing.T, addr, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

// dripping sends text, and then a part of a body from time to time until the connection is closed; closed is closed then.
func dripping(t *testing.T, addr, text, part string) (c net.Conn, closed <-chan struct{}) {
	t.Helper()
	c = write(t, addr, text)
	done := make(chan struct{})
	go func() {
		defer close(done)
		every := time.NewTicker(20 * time.Millisecond)
		defer every.Stop()
		for range every.C {
			if _, err := io.WriteString(c, part); err != nil {
				return
			}
		}
	}()
	return c, done
}

// drip sends a request's head and then a byte of its body at a time, and returns the answer, or what was left of one.
func drip(t *testing.T, addr, head string) string {
	t.Helper()
	c, closed := dripping(t, addr, head, "x")
	b, _ := io.ReadAll(c) // what came before the connection was closed counts
	c.Close()
	<-closed
	return string(b)
}

// A body of which a byte comes from time to time is given up like one that does not come.
func TestABodyThatDripsIsGivenUp(t *testing.T) {
	addr, _ := listen(t, nil)
	began := time.Now()
	head := "%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: 100000\r\n\r\n"
	if a := drip(t, addr, fmt.Sprintf(head, "PUT /v1/orders/ecticket:2000132/A1", "application/json")); !strings.HasPrefix(a, "HTTP/1.1 408") {
		t.Errorf("an order: %.200q", a)
	}
	if a := drip(t, addr, fmt.Sprintf(head, "POST /v1/bulk", "application/x-ndjson")); !strings.HasPrefix(a, "HTTP/1.1 408") {
		t.Errorf("a bulk: %.300q", a)
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("it took %s", took)
	}
}

// What is left of a file that was refused, or was not read to its end, is not taken for a request.
func TestTheRestOfABulkIsNoRequest(t *testing.T) {
	addr, _ := listen(t, nil)
	head := "POST /v1/bulk HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n"
	c := write(t, addr, head+"9\r\n<!doctype\r\n")
	first, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || first.StatusCode != http.StatusUnprocessableEntity || !first.Close {
		t.Fatalf("%v, %v", first, err)
	}
	rest, _ := io.ReadAll(first.Body)
	more, _ := io.ReadAll(c) // until the connection is closed, although nothing more is sent
	if bytes.Contains(more, []byte("HTTP/1.1")) || !bytes.Contains(rest, []byte("violations")) {
		t.Errorf("%q, %q", rest, more)
	}
}

// A bulk without a line is invalid as a whole, and says so in a violation.
func TestAnEmptyBulkIsInvalid(t *testing.T) {
	h := open(t, "")
	var p frontdoor.Problem
	h.want(http.StatusUnprocessableEntity, &p, http.MethodPost, "/v1/bulk", "", "Content-Type", "text/csv")
	if len(p.Violations) != 1 || p.Violations[0].Where != "body" {
		t.Errorf("%+v", p)
	}
}

// Who asks for a stream of events and does not read it is given up.
func TestAStreamThatNobodyReadsIsGivenUp(t *testing.T) {
	h := open(t, "")
	h.timeout = 200 * time.Millisecond
	h.serve("")
	addr := strings.TrimPrefix(h.url, "http://")
	_, err := h.rdb.Pipelined(t.Context(), func(p redis.Pipeliner) error {
		for i := range 2000 {
			p.XAdd(context.Background(), &redis.XAddArgs{Stream: keys.Events, Values: []any{"event_id", i, "account", shop.String(), "state", "issued",
				"order_id", strings.Repeat("A", 8<<10), "at", time.Now().UnixMilli()}})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.(*net.TCPConn).SetReadBuffer(4 << 10)
	if _, err := io.WriteString(c, "GET /v1/events/stream?after=0 HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: never-reads\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(10 * time.Second); !strings.Contains(h.log.String(), "request=never-reads"); {
		if time.Now().After(limit) {
			t.Fatal("the stream is still open")
		}
	}
	h.want(http.StatusOK, nil, http.MethodGet, "/healthz", "")
}

// A line that has come is answered although the next one has not, and the bulk goes on with that.
func TestALineOfABulkIsAnsweredBeforeTheNextComes(t *testing.T) {
	addr, _ := listen(t, nil)
	file, send := io.Pipe()
	defer send.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+"/v1/bulk", file)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(send, ndjson(0, 1)) }()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answers := json.NewDecoder(res.Body)
	for i := range 3 {
		var l frontdoor.BulkLine
		if err := answers.Decode(&l); err != nil || l.Receipt == nil || l.Receipt.Duplicate {
			t.Fatalf("line %d: %+v, %v", i+1, l, err)
		}
		go func() {
			if i < 2 {
				_, _ = io.WriteString(send, ndjson(i+1, 1))
			} else {
				send.Close()
			}
		}()
	}
	var last frontdoor.BulkLine
	if err := answers.Decode(&last); err != nil || last.Done == nil || !last.Done.Complete || last.Done.Enqueued != 3 {
		t.Errorf("%+v, %v", last, err)
	}
}
