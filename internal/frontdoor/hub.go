package frontdoor

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"issuance/internal/ledger"
	"issuance/tasks"
)

// hub reads the stream of final statuses once for all requests that wait, so that a waiting request costs Redis
// nothing.
type hub struct {
	ledger *ledger.Ledger
	log    *slog.Logger

	mu      sync.Mutex
	waiting map[tasks.Ref]map[*waiter]struct{} // by order
	news    chan struct{}                      // closed and replaced when events came
	recent  []ledger.Event                     // the last ones, oldest first
	last    string                             // position of the last event read, "" before the first reading
	from    string                             // recent holds all that came after this position
}

// waiter is woken when its order may have ended: an event came, or events may have been missed.
type waiter struct {
	woken chan struct{}
	conn  net.Conn // of a request that is parked; reading it ends then
}

// mostRecent is how many events are kept for streams that have read all before them.
const mostRecent = 2000

func newHub(l *ledger.Ledger, log *slog.Logger) *hub {
	return &hub{ledger: l, log: log, waiting: map[tasks.Ref]map[*waiter]struct{}{}, news: make(chan struct{})}
}

// watch makes a waiter of an order; leave ends it. Watch before reading the record: what ended before is in it.
func (h *hub) watch(r tasks.Ref) (w *waiter, leave func()) {
	w = &waiter{woken: make(chan struct{}, 1)}
	r = r.Order()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.waiting[r] == nil {
		h.waiting[r] = map[*waiter]struct{}{}
	}
	h.waiting[r][w] = struct{}{}
	return w, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.waiting[r], w)
		if len(h.waiting[r]) == 0 {
			delete(h.waiting, r)
		}
	}
}

// waiters counts the requests that wait.
func (h *hub) waiters() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, list := range h.waiting {
		n += len(list)
	}
	return n
}

func wake(list map[*waiter]struct{}) {
	for w := range list {
		if w.conn != nil {
			_ = w.conn.SetReadDeadline(time.Unix(1, 0)) // one that is broken ends by itself
			continue
		}
		select {
		case w.woken <- struct{}{}:
		default:
		}
	}
}

// wakeAll wakes everybody.
func (h *hub) wakeAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, list := range h.waiting {
		wake(list)
	}
}

// park has reading a connection end when its waiter is woken, or at a time. It reports false when the waiter was woken
// already.
func (h *hub) park(w *waiter, conn net.Conn, until time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(w.woken) > 0 {
		return false
	}
	w.conn = conn
	_ = conn.SetReadDeadline(until) // one that is broken ends at once
	return true
}

// reconnect is the pause after a reading that failed.
const reconnect = time.Second

// run reads until the context ends.
func (h *hub) run(ctx context.Context) {
	failing := false
	for ctx.Err() == nil {
		err := h.read(ctx)
		if err == nil {
			failing = false
			continue
		}
		if ctx.Err() != nil {
			return
		}
		if !failing {
			h.log.Warn("the events cannot be read; requests that wait are answered when their time is over", "error", err)
		}
		failing = true
		select {
		case <-ctx.Done():
		case <-time.After(reconnect):
		}
	}
}

// read reads what comes, for up to a second.
func (h *hub) read(ctx context.Context) error {
	h.mu.Lock()
	after := h.last
	h.mu.Unlock()
	if after == "" {
		var err error
		if after, err = h.ledger.LastEvent(ctx); err != nil {
			return err
		}
		h.take(after, nil)
	}
	events, err := h.ledger.Events(ctx, after, 500, time.Second)
	if err != nil {
		return err
	}
	if len(events) > 0 {
		h.take(events[len(events)-1].StreamID, events)
	}
	return nil
}

// take passes events on. The first reading wakes everybody: what came before it was not read.
func (h *hub) take(last string, events []ledger.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last == "" {
		for _, list := range h.waiting {
			wake(list)
		}
	}
	if h.last == "" {
		h.from = last
	}
	h.last = last
	for _, e := range events {
		wake(h.waiting[e.Ref.Order()])
	}
	h.recent = append(h.recent, events...)
	if more := len(h.recent) - mostRecent; more > 0 {
		h.from = h.recent[more-1].StreamID
		h.recent = append([]ledger.Event(nil), h.recent[more:]...)
	}
	close(h.news)
	h.news = make(chan struct{})
}

// Since is what came after a position, "" for nothing but what comes from now on, as the server's one reader of events has
// read it; all is false where it has not kept all of that. more is closed when more comes, at is the position to go on from, ""
// before the first reading. A position may be another front door's, which has read further.
func (s *Server) Since(position string) (events []ledger.Event, all bool, more <-chan struct{}, at string) {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if position == "" || h.last == "" {
		return nil, true, h.news, cmp.Or(position, h.last)
	}
	at = position
	for i, e := range h.recent {
		if ledger.Later(e.StreamID, position) {
			events, at = slices.Clone(h.recent[i:]), h.last
			break
		}
	}
	return events, !ledger.Later(h.from, position), h.news, at
}

// Drained is closed when the server stops: requests that wait end then.
func (s *Server) Drained() <-chan struct{} { return s.drained }

// since is what came after a position, if the hub has all of it, and a channel that is closed when more comes.
func (h *hub) since(position string) (events []ledger.Event, all bool, more <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if position == h.last {
		return nil, true, h.news
	}
	for i, e := range h.recent {
		if e.StreamID == position {
			return append([]ledger.Event(nil), h.recent[i+1:]...), true, h.news
		}
	}
	return nil, false, h.news
}
