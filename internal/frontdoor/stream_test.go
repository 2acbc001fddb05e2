package frontdoor_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"issuance/internal/doortest"
	"issuance/internal/testredis"
	"issuance/internal/thinevent"
)

// stream reads server-sent events.
type stream struct {
	t    testing.TB
	s    *bufio.Scanner
	from string // the id that it begins with
	end  func()
}

type sent struct{ id, kind, data string }

func (h *house) stream(lastID string) stream {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url+"/v1/events/stream", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Last-Event-ID", lastID)
	req.Header.Set("Authorization", "Bearer "+h.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		h.t.Fatalf("%v, %v", res, err)
	}
	h.t.Cleanup(func() { cancel(); res.Body.Close() })
	s := stream{t: h.t, s: bufio.NewScanner(res.Body), end: cancel}
	for s.s.Scan() && s.s.Text() != "" {
		if id, ok := strings.CutPrefix(s.s.Text(), "id: "); ok {
			s.from = id
		}
	}
	return s
}

// next is the next message; comments are left out.
func (s stream) next() (m sent) {
	s.t.Helper()
	for s.s.Scan() {
		line := s.s.Text()
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "" && m != sent{}:
			return m
		case name == "id":
			m.id = value
		case name == "event":
			m.kind = value
		case name == "data":
			m.data = value
		}
	}
	return m
}

// A stream goes on where the last one ended, over a restart of the front door, without a gap or a repetition.
func TestAStreamGoesOnOverARestart(t *testing.T) {
	h := openOver(t, testredis.Start(t), "")
	h.issued("A0")
	s := h.stream("0")
	var got []string
	last := ""
	read := func(n int) {
		for range n {
			m := s.next()
			var e thinevent.Event
			if err := json.Unmarshal([]byte(m.data), &e); err != nil || m.kind != e.Type {
				t.Fatalf("%+v: %v", m, err)
			}
			got, last = append(got, e.Data.OrderID), m.id
		}
	}
	read(1)
	h.issued("A1", "A2") // live
	read(2)
	h.server.Drain()
	if m := s.next(); m != (sent{}) {
		t.Errorf("a stopping server sent %+v", m)
	}
	h.serve("")
	h.issued("A3")
	s = h.stream(last)
	read(1)
	h.issued("A4")
	read(1)
	if want := []string{"A0", "A1", "A2", "A3", "A4"}; !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

// Who has read no event yet, and comes again with the id that the stream began with, misses nothing that happened in between.
func TestAStreamMissesNothingBeforeItsFirstEvent(t *testing.T) {
	h := openOver(t, testredis.Start(t), "")
	for _, issued := range []string{"A1", "A2"} { // of a stream that is empty, and of one that is not
		s := h.stream("")
		if s.from == "" {
			t.Fatal("it begins without an id")
		}
		s.end()
		h.issued(issued)
		again := h.stream(s.from)
		if m := again.next(); m.kind != "order.issued" || !strings.Contains(m.data, issued) {
			t.Errorf("%s: goes on with %+v", issued, m)
		}
		again.end()
	}
}

// A client always has the position that its stream goes on from, also where the last events were another account's, or there is
// none after a gap: what it reads after a restart is neither a repetition nor a gap.
func TestAClientHasThePositionOfItsStreamWhenThatEnds(t *testing.T) {
	path, secrets := doortest.TokensFile(t, "shop orders,events", "other events pass2u:main")
	h := openOver(t, testredis.Start(t), path)
	h.token = secrets["other"]
	s := h.stream("9999999999999-7")
	gap := s.next()
	if gap.kind != "gap" || gap.id != "0" {
		t.Errorf("%+v", gap)
	}
	h.token = secrets["shop"]
	h.issued("A1", "A2")
	var last string
	for last != h.lastPosition() {
		m := s.next()
		if m.id == "" || m.kind != "" {
			t.Fatalf("%+v", m)
		}
		last = m.id
	}
	h.server.Drain()
	if m := s.next(); m != (sent{}) {
		t.Errorf("a stopping server sent %+v", m)
	}
	h.serve(path)
	h.issued("A3")
	s = h.stream(last)
	if m := s.next(); s.from != last || m.kind != "order.issued" || !strings.Contains(m.data, `"A3"`) {
		t.Errorf("goes on from %q with %+v", s.from, m)
	}
}

// lastPosition is the newest event's.
func (h *house) lastPosition() string {
	h.t.Helper()
	last, err := h.ledger.LastEvent(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return last
}
