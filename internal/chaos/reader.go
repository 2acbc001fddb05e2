package chaos

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"issuance/internal/thinevent"
)

// Reader reads the stream of events (SSE) as a checkout does: when its connection breaks, it goes on after the last
// event that it has read, at whichever front door. Safe for concurrent use.
type Reader struct {
	front *FrontDoors
	rand  *rand.Rand

	mu    sync.Mutex
	read  []streamed
	gaps  []string // what events named gap said
	again int      // connections
	wrong []string
}

// streamed is an event that was read to its end.
type streamed struct {
	position string
	kind     string
	event    thinevent.Event
}

// run reads until the context ends.
func (s *Reader) run(ctx context.Context) {
	last := ""
	for ctx.Err() == nil {
		door := s.front.doors[s.rand.IntN(len(s.front.doors))]
		s.connect(ctx, door.events.url(), &last)
		pause(ctx, between(s.rand, 20*time.Millisecond, 300*time.Millisecond))
	}
}

// connect reads one connection to its end. last is the position that it goes on after.
func (s *Reader) connect(ctx context.Context, at string, last *string) {
	path := "/v1/events/stream"
	if *last == "" {
		path += "?after=0"
	}
	req, err := s.front.request(ctx, http.MethodGet, at+path, nil)
	if err != nil {
		s.fail(err.Error())
		return
	}
	if *last != "" {
		req.Header.Set("Last-Event-ID", *last)
	}
	res, err := s.front.client.Do(req)
	if err != nil {
		return
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		if res.StatusCode != http.StatusServiceUnavailable {
			s.fail(res.Status)
		}
		return
	}
	s.mu.Lock()
	s.again++
	s.mu.Unlock()
	s.events(res.Body, last)
}

// events reads lines until the connection breaks. What has not come to its blank line has not come.
func (s *Reader) events(body io.Reader, last *string) {
	lines := bufio.NewReader(body)
	var id, kind, data string
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "id":
			id = value
		case "event":
			kind = value
		case "data":
			data = value
		case "":
			if line != "\n" { // a comment
				continue
			}
			s.take(id, kind, data)
			if id != "" {
				*last = id
			}
			id, kind, data = "", "", ""
		}
	}
}

func (s *Reader) take(id, kind, data string) {
	switch {
	case kind == "":
		return // retry
	case kind == "gap":
		s.mu.Lock()
		defer s.mu.Unlock()
		s.gaps = append(s.gaps, data)
		return
	}
	e := streamed{position: id, kind: kind}
	if err := json.Unmarshal([]byte(data), &e.event); err != nil {
		s.fail(err.Error())
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read = append(s.read, e)
}

func (s *Reader) fail(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong = append(s.wrong, "a reader of events: "+text)
}

// at is the position of what was read last.
func (s *Reader) at() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.read) == 0 {
		return ""
	}
	return s.read[len(s.read)-1].position
}
