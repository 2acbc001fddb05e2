package frontdoor

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"issuance/internal/ledger"
	"issuance/internal/livefile"
	"issuance/internal/thinevent"
)

type eventsIn struct {
	After string `query:"after" maxLength:"64" doc:"the position of the event that was read last; without it, or 0, from the oldest that is kept"`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

// PagedEvent is an event and its position.
type PagedEvent struct {
	Position string `json:"position" doc:"its place in the stream, for after"`
	thinevent.Event
}

// Gap says that events are gone.
type Gap struct {
	After string `json:"after" doc:"the position that was asked for"`
	First string `json:"first" doc:"the position of the oldest event that is still kept; 0 when none is"`
}

type eventsOut struct {
	Body struct {
		Events []PagedEvent `json:"events" doc:"oldest first; those of the token's accounts"`
		Next   string       `json:"next" doc:"the position to go on after"`
		Gap    *Gap         `json:"gap,omitempty" doc:"events between may be gone, as they are kept only so long; what was missed is in the orders' statuses"`
	}
}

type streamIn struct {
	After string `query:"after" maxLength:"64" doc:"as in /v1/events; Last-Event-ID goes before it. Without either, what happens from now on"`
	Last  string `header:"Last-Event-ID" maxLength:"64" doc:"the id of the event that was read last"`
}

func (s *Server) events() {
	register(s, operation(http.MethodGet, "/v1/events", "list-events", "events", "Final statuses, by page",
		"At least once, in the order in which they happened. next is always there: ask again with it as after. A page without events may have others behind it, where the token is for some accounts alone; the end is where next is the after that was asked for.", http.StatusOK), s.listEvents)
	op := operation(http.MethodGet, "/v1/events/stream", "stream-events", "events", "Final statuses as server-sent events",
		"id is the position, event the type, data the event as in /v1/events. An id without an event, which the stream begins with, is where to go on after as well. An event named gap says that events before are gone. A client that reconnects with Last-Event-ID misses nothing.", http.StatusOK)
	op.Responses = lines("text/event-stream", "Server-sent events", &huma.Schema{Type: "string"})
	register(s, op, s.streamEvents)
}

// isPosition reports whether a text is a position as Redis writes them: two numbers of 64 bits, or the first alone.
func isPosition(text string) bool {
	first, second, both := strings.Cut(text, "-")
	return isNumber(first) && (!both || isNumber(second))
}

func isNumber(text string) bool {
	_, err := strconv.ParseUint(text, 10, 64) // takes no sign
	return err == nil
}

func (s *Server) listEvents(ctx context.Context, in *eventsIn) (*eventsOut, error) {
	t, err := caller(ctx, Events, nil)
	if err != nil {
		return nil, err
	}
	in.After = canonical(in.After)
	list, gap, err := s.page(ctx, in.After, int64(in.Limit))
	if err != nil {
		return nil, noted(ctx, explain(err, accountInPath))
	}
	out := &eventsOut{}
	out.Body.Events, out.Body.Next, out.Body.Gap = []PagedEvent{}, in.After, gap
	if gap != nil {
		out.Body.Next = beginning
	}
	for _, e := range list {
		out.Body.Next = e.StreamID
		if t.Sees(e.Account) {
			out.Body.Events = append(out.Body.Events, PagedEvent{e.StreamID, thinevent.New(e)})
		}
	}
	return out, nil
}

// beginning is the position before every event.
const beginning = "0"

// canonical is a position, and beginning for each way to write that one.
func canonical(position string) string {
	if strings.Trim(position, "0-") == "" {
		return beginning
	}
	return position
}

// page reads events that follow a position, and says whether there may be a gap before them. Events are trimmed from
// the oldest on, so none is lost as long as the one that was read last is still there afterwards. A position ahead of all
// events is of a stream that is gone, so reading goes on from the oldest.
func (s *Server) page(ctx context.Context, after string, limit int64) ([]ledger.Event, *Gap, error) {
	list, err := s.Ledger.Events(ctx, after, limit, 0)
	if err != nil || after == beginning {
		return list, nil, err
	}
	kept, err := s.Ledger.HasEvent(ctx, after)
	if err != nil || kept {
		return list, nil, err
	}
	if len(list) == 0 {
		if list, err = s.Ledger.Events(ctx, beginning, limit, 0); err != nil {
			return nil, nil, err
		}
	}
	first, err := s.Ledger.FirstEvent(ctx)
	return list, &Gap{After: after, First: cmp.Or(first, beginning)}, err
}

// Timing of a stream of events.
const (
	streamBatch = 200
	streamBeat  = 15 * time.Second // a comment, so that proxies keep the connection and a dead one is noticed
)

func (s *Server) streamEvents(ctx context.Context, in *streamIn) (*huma.StreamResponse, error) {
	t, err := caller(ctx, Events, nil)
	if err != nil {
		return nil, err
	}
	after := in.Last
	if after == "" {
		after = in.After
	}
	if after == "" {
		if after, err = s.Ledger.LastEvent(ctx); err != nil {
			return nil, noted(ctx, explain(err, accountInPath))
		}
	}
	after = canonical(after)
	return &huma.StreamResponse{Body: func(c huma.Context) {
		r, w := humago.Unwrap(c)
		st := stream{server: s, token: t, w: w, flush: http.NewResponseController(w)}
		h := w.Header()
		h.Set("Content-Type", "text/event-stream")
		h.Set("X-Accel-Buffering", "no")
		w.WriteHeader(http.StatusOK)
		st.run(r.Context(), after)
	}}, nil
}

// stream is one caller's.
type stream struct {
	server *Server
	token  *Token
	w      http.ResponseWriter
	flush  *http.ResponseController
}

// may reports whether the caller may still read: its token is in the file, with the scope. What it may see is as the file says
// now.
func (st *stream) may() bool {
	if st.server.Tokens == nil {
		return true
	}
	now := st.server.Tokens.Marked(st.token.Mark())
	if now == nil || !now.May(Events) {
		return false
	}
	st.token = now
	return true
}

// run writes events until the caller is gone or may not read any more, the server stops, or Redis does not answer; the caller
// comes again then, and needs the position for that: each one that the stream goes on from is sent before anything is waited for.
func (st *stream) run(ctx context.Context, after string) {
	s := st.server
	if !st.send(fmt.Appendf(nil, "retry: 2000\n%s", position(after))) {
		return
	}
	beat := time.NewTicker(streamBeat)
	defer beat.Stop()
	look := time.NewTicker(livefile.Reread)
	defer look.Stop()
	for st.may() {
		list, all, more := s.hub.since(after)
		if !all {
			var gap *Gap
			var err error
			if list, gap, err = s.page(ctx, after, streamBatch); err != nil {
				return
			}
			if gap != nil {
				after = beginning
				reached := beginning
				if len(list) > 0 { // whose own positions follow
					reached = ""
				}
				if !st.send(message(reached, "gap", gap)) {
					return
				}
			}
		}
		if len(list) > 0 {
			if !st.sendAll(list) {
				return
			}
			after = list[len(list)-1].StreamID
			continue
		}
		select {
		case <-more:
		case <-look.C:
		case <-beat.C:
			if !st.send([]byte(": beat\n\n")) {
				return
			}
		case <-s.drained:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (st *stream) sendAll(list []ledger.Event) bool {
	var b bytes.Buffer
	for _, e := range list {
		if st.token.Sees(e.Account) {
			ev := thinevent.New(e)
			b.Write(message(e.StreamID, ev.Type, ev))
		}
	}
	if last := list[len(list)-1]; !st.token.Sees(last.Account) { // where to go on, although it is not shown
		b.WriteString(position(last.StreamID))
	}
	return st.send(b.Bytes())
}

// send reports whether the caller is still there.
func (st *stream) send(b []byte) bool {
	_ = st.flush.SetWriteDeadline(time.Now().Add(st.server.Timeout)) // a connection without deadlines is a test's
	if _, err := st.w.Write(b); err != nil {
		return false
	}
	return st.flush.Flush() == nil
}

// position is what a client keeps as the id to go on after, without an event: text/event-stream takes an id that has no data, too.
func position(id string) string { return "id: " + id + "\n\n" }

// message is one event as text/event-stream has it.
func message(id, kind string, data any) []byte {
	var b bytes.Buffer
	if id != "" {
		fmt.Fprintf(&b, "id: %s\n", id)
	}
	raw, _ := json.Marshal(data) // one line; structs of strings and times cannot fail
	fmt.Fprintf(&b, "event: %s\ndata: %s\n\n", kind, raw)
	return b.Bytes()
}
